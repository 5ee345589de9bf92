"""Training: one run a job."""


rule train:
    """What does this recipe make of these images? Trains one run, and continues it after a kill."""
    input:
        subset=subset_of_run,
        splits=splits_of_run,
        parent=parent_of_run,
    output:
        metrics="<results>/runs/{task}/{recipe}/n{n}/seed{seed}/metrics.parquet",
        dynamics="<results>/runs/{task}/{recipe}/n{n}/seed{seed}/dynamics.parquet",
        checkpoints=directory("<results>/runs/{task}/{recipe}/n{n}/seed{seed}/checkpoints"),
        provenance="<results>/runs/{task}/{recipe}/n{n}/seed{seed}/run.json",
    log:
        "<logs>/train/<run>.log",
    benchmark:
        "<benchmarks>/train/<run>.jsonl"
    wildcard_constraints:  # they do not reach into <run_dir>, hence the outputs spelt out
        task="|".join(settings.tasks),
    conda:
        "../../envs/torch.yaml"
    threads: task_threads
    resources:
        gpu=gpu_of_task,
        save_seconds=settings.save_seconds,
    params:
        training=training_settings,
        code=network_code("train"),
    script:
        "../scripts/train.py"
