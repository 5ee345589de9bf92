"""Somebody else's networks and images, brought into the form of our own; the rest of the pipeline knows no difference."""


rule open_checkpoints:
    """Whose network is this? Reads somebody else's state dicts, checks them and writes them as ours."""
    input:
        checkpoint_files,
    output:
        checkpoints=directory("<results>/runs/{task}/{recipe}/n{n}/seed{seed}/checkpoints"),
        provenance="<results>/runs/{task}/{recipe}/n{n}/seed{seed}/run.json",
    log:
        "<logs>/open_checkpoints/<run>.log",
    benchmark:
        "<benchmarks>/open_checkpoints/<run>.jsonl"
    wildcard_constraints:
        task=INSPECT,
    conda:
        "../../envs/torch.yaml"
    params:
        epochs=checkpoint_epochs,
        classes=inspection.classes if inspection else None,
        code=code("open_checkpoints"),
    script:
        "../scripts/open_checkpoints.py"


rule pack_images:
    """Which of somebody else's images fit probes and which judge? Packs them once as uint8."""
    input:
        settings.images or [],
    output:
        expand("<data>/inspect/{split}.safetensors", split=inspected_splits),
    log:
        "<logs>/pack_images.log",
    benchmark:
        "<benchmarks>/pack_images.jsonl"
    conda:
        "../../envs/data.yaml"
    params:
        held_out=settings.held_out,
        image_size=settings.image_size,
        code=code("pack_images"),
    script:
        "../scripts/pack_images.py"


rule evaluate_checkpoints:
    """How good are somebody else's networks on these images?"""
    input:
        "<run_dir>/features.safetensors",
    output:
        "<results>/runs/{task}/{recipe}/n{n}/seed{seed}/metrics.parquet",
    log:
        "<logs>/evaluate_checkpoints/<run>.log",
    benchmark:
        "<benchmarks>/evaluate_checkpoints/<run>.jsonl"
    wildcard_constraints:
        task=INSPECT,
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("evaluate_checkpoints"),
    script:
        "../scripts/evaluate_checkpoints.py"


rule inspect:
    """Everything about somebody else's networks."""
    input:
        inspect_targets,
    localrule: True
