"""The same tissue as every hospital's: the truth about how much a network relies on stain."""


rule restain_splits:
    """What would the same tissue look like from every other hospital?"""
    input:
        splits=lambda wildcards: splits_in(wildcards.dataset),
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


rule restain_examples:
    """The same, where examples are drawn for each n and seed: by whoever drew them."""
    input:
        splits=lambda wildcards: splits_in(f"{wildcards.dataset}/examples/n{wildcards.n}/seed{wildcards.seed}"),
    output:
        "<data>/{dataset}/examples/n{n}/seed{seed}/counterfactuals.safetensors",
    log:
        "<logs>/restain_examples/{dataset}/n{n}/seed{seed}.log",
    benchmark:
        "<benchmarks>/restain_examples/{dataset}/n{n}/seed{seed}.jsonl"
    wildcard_constraints:
        dataset=datasets_with_hospitals(drawn=True),
    conda:
        "../../envs/data.yaml"
    params:
        source=generator_settings,
        code=lambda wildcards: hash_of("restain_examples", module_of_dataset(wildcards)),
    script:
        "../scripts/restain_examples.py"


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
        splits=splits_of_examples,
        counterfactuals="<data>/{examples}/counterfactuals.safetensors",
    output:
        pdf="<data>/{examples}/restaining.pdf",
        svg=report(
            "<data>/{examples}/restaining.svg",
            caption="../report/restaining.rst",
            category="Data",
            labels={"figure": "The same tissue as every hospital's"},
        ),
    log:
        "<logs>/plot_restaining/{examples}.log",
    benchmark:
        "<benchmarks>/plot_restaining/{examples}.jsonl"
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code("plot_restaining"),
    script:
        "../scripts/plot_restaining.py"
