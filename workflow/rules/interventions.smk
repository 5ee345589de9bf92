"""The probes and interventions on the features of a run, each one table."""


rule probe_layers:
    """At which stage, and when in training, can hospital and tumour be read off linearly?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<run_dir>/probing.parquet",
    log:
        "<logs>/probe_layers/<run>.log",
    benchmark:
        "<benchmarks>/probe_layers/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("probe_layers"),
    script:
        "../scripts/probe_layers.py"


rule ablate_features:
    """Does the head need the hospital's directions and channels, and in how few directions does the hospital lie?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        subspace="<run_dir>/subspace.parquet",
        neurons="<run_dir>/neurons.parquet",
        concentration="<run_dir>/concentration.parquet",
    log:
        "<logs>/ablate_features/<run>.log",
    benchmark:
        "<benchmarks>/ablate_features/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("ablate_features"),
    script:
        "../scripts/ablate_features.py"


rule measure_erasure:
    """How much of hospital and tumour do fresh probes still find after each removal?"""
    input:
        features="<run_dir>/features.safetensors",
        names="<run_dir>/checkpoints.parquet",
    output:
        "<run_dir>/erasure.parquet",
    log:
        "<logs>/measure_erasure/<run>.log",
    benchmark:
        "<benchmarks>/measure_erasure/<run>.jsonl"
    conda:
        "../../envs/erasing.yaml"
    params:
        measurement=measurement_settings,
        code=code("measure_erasure"),
    script:
        "../scripts/measure_erasure.py"


rule steer_activations:
    """What does the network say when a stage is moved along its hospital direction?"""
    input:
        features="<run_dir>/features.safetensors",
        names="<run_dir>/checkpoints.parquet",
        checkpoints="<run_dir>/checkpoints",
        splits=splits_of_run,
        probe=probe_pool_of_run,
    output:
        "<run_dir>/steering.parquet",
    log:
        "<logs>/steer_activations/<run>.log",
    benchmark:
        "<benchmarks>/steer_activations/<run>.jsonl"
    conda:
        "../../envs/torch.yaml"
    threads: task_threads
    resources:
        gpu=gpu_of_task,
    params:
        training=training_settings,
        measurement=measurement_settings,
        code=network_code("steer_activations"),
    script:
        "../scripts/steer_activations.py"


rule measure_features:
    """In how many dimensions do the features lie, and how good is the network on each slide that judges it?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        geometry="<run_dir>/geometry.parquet",
        slides="<run_dir>/slides.parquet",
    log:
        "<logs>/measure_features/<run>.log",
    benchmark:
        "<benchmarks>/measure_features/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("measure_features"),
    script:
        "../scripts/measure_features.py"
