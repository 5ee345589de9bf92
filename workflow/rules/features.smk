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
        code=extraction_code,
    script:
        "../scripts/extract_features.py"
