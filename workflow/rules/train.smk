"""Training: one run a job."""


rule train:
    """What does this recipe make of these images? Trains one run, and continues it after a kill."""
    input:
        subset=subset_of_run,
        splits=splits_of_run,
    output:
        metrics="<run_dir>/metrics.parquet",
        dynamics="<run_dir>/dynamics.parquet",
        checkpoints=directory("<run_dir>/checkpoints"),
        provenance="<run_dir>/run.json",
    log:
        "<logs>/train/<run>.log",
    benchmark:
        "<benchmarks>/train/<run>.jsonl"
    conda:
        "../../envs/torch.yaml"
    threads: task_threads
    resources:
        gpu=gpu_of_task,
        save_seconds=settings.save_seconds,
    params:
        training=training_settings,
        code=training_code,
    script:
        "../scripts/train.py"
