"""Opening checkpoints: everything that probes read, computed once."""


rule extract_features:
    """What does each checkpoint compute on each image? One forward pass a checkpoint, kept for all probes."""
    input:
        checkpoints="<run_dir>/checkpoints",
        subset=subset_of_run,
        splits=splits_of_run,
        probe=probe_pool_of_run,
    output:
        "<run_dir>/features.safetensors",
    log:
        "<logs>/extract_features/<run>.log",
    benchmark:
        "<benchmarks>/extract_features/<run>.jsonl"
    conda:
        "../../envs/torch.yaml"
    threads: task_threads
    resources:
        gpu=gpu_of_task,
    params:
        training=training_settings,
        measurement=measurement_settings,
        code=network_code("extract_features"),
    script:
        "../scripts/extract_features.py"


rule collect_seeds:
    """How did the seeds of one task, recipe and n fare? Once for all: read by each, they would be read squared."""
    input:
        metrics=metrics_of_cell,
    output:
        metrics="<results>/{study}/seeds/{task}/{recipe}/{n}.parquet",
    log:
        "<logs>/collect_seeds/{study}/{task}/{recipe}/{n}.log",
    benchmark:
        "<benchmarks>/collect_seeds/{study}/{task}/{recipe}/{n}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        runs=lambda wildcards: {"metrics": [list(run) for run in runs_of_cell(wildcards)]},
        code=code("collect"),
    script:
        "../scripts/collect.py"


rule name_checkpoints:
    """Which checkpoints are claims made at? Names them from the curves; one is selected by the other seeds."""
    input:
        seeds_of_run,
    output:
        "<run_dir>/checkpoints.parquet",
    log:
        "<logs>/name_checkpoints/<run>.log",
    benchmark:
        "<benchmarks>/name_checkpoints/<run>.jsonl"
    conda:
        "../../envs/analysis.yaml"
    params:
        kept=kept_epochs,
        code=code("name_checkpoints"),
    script:
        "../scripts/name_checkpoints.py"
