"""The four probes and the geometry of the features, each one table a run."""


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


rule ablate_subspace:
    """Does the head need the hospital subspace? Removes it and asks the same head again."""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<run_dir>/subspace.parquet",
    log:
        "<logs>/ablate_subspace/<run>.log",
    benchmark:
        "<benchmarks>/ablate_subspace/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("ablate_subspace"),
    script:
        "../scripts/ablate_subspace.py"


rule steer_activations:
    """What does the head say when features are moved along the hospital direction?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<run_dir>/steering.parquet",
    log:
        "<logs>/steer_activations/<run>.log",
    benchmark:
        "<benchmarks>/steer_activations/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("steer_activations"),
    script:
        "../scripts/steer_activations.py"


rule ablate_neurons:
    """Do hospital-selective channels matter more to the head than other channels?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<run_dir>/neurons.parquet",
    log:
        "<logs>/ablate_neurons/<run>.log",
    benchmark:
        "<benchmarks>/ablate_neurons/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("ablate_neurons"),
    script:
        "../scripts/ablate_neurons.py"


rule measure_geometry:
    """How many directions do the pooled features use?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<run_dir>/geometry.parquet",
    log:
        "<logs>/measure_geometry/<run>.log",
    benchmark:
        "<benchmarks>/measure_geometry/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        measurement=measurement_settings,
        code=code("measure_geometry"),
    script:
        "../scripts/measure_geometry.py"
