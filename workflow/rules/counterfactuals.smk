"""The same tissue as every hospital's: the truth about how much a network relies on stain."""


rule restain_splits:
    """What would the same tissue look like from every other hospital?"""
    input:
        splits=splits_of_dataset,
        probe="<data>/{dataset}/probe.safetensors",
    output:
        "<data>/{dataset}/counterfactuals.safetensors",
    log:
        "<logs>/restain_splits/{dataset}.log",
    benchmark:
        "<benchmarks>/restain_splits/{dataset}.jsonl"
    conda:
        "../../envs/data.yaml"
    params:
        counterfactual=counterfactual_settings,
        code=code("restain_splits"),
    script:
        "../scripts/restain_splits.py"


rule measure_counterfactuals:
    """How much of the network's answer is the stain? Shows it the same tissue as every hospital's."""
    input:
        checkpoints="<run_dir>/checkpoints",
        counterfactuals=counterfactuals_of_run,
        splits=splits_of_run,
    output:
        counterfactual="<run_dir>/counterfactual.parquet",
        renormalisation="<run_dir>/renormalisation.parquet",
    log:
        "<logs>/measure_counterfactuals/<run>.log",
    benchmark:
        "<benchmarks>/measure_counterfactuals/<run>.jsonl"
    conda:
        "../../envs/torch.yaml"
    threads: task_threads
    resources:
        gpu=gpu_of_task,
    params:
        training=training_settings,
        code=network_code("measure_counterfactuals"),
    script:
        "../scripts/measure_counterfactuals.py"


rule plot_restaining:
    """Do the counterfactual patches look real? Shows some beside their originals."""
    input:
        splits=splits_of_dataset,
        counterfactuals="<data>/{dataset}/counterfactuals.safetensors",
    output:
        pdf="<data>/{dataset}/restaining.pdf",
        svg=report(
            "<data>/{dataset}/restaining.svg",
            caption="../report/restaining.rst",
            category="Data",
            labels={"figure": "The same tissue as every hospital's"},
        ),
    log:
        "<logs>/plot_restaining/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_restaining/{dataset}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_restaining"),
    script:
        "../scripts/plot_restaining.py"
