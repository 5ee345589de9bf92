"""From hospitals' patches to packed splits and training subsets.

Downloads are local rules: the nodes of a cluster often cannot reach the network.
"""


rule fetch_camelyon17:
    """Where is Camelyon17-WILDS? Looks in the configured sources and checks what it finds."""
    output:
        "<data>/wilds/source.json",
    log:
        "<logs>/fetch_camelyon17.log",
    benchmark:
        "<benchmarks>/fetch_camelyon17.jsonl"
    localrule: True
    conda:
        "../../envs/data.yaml"
    params:
        source=camelyon17_settings(),
        data_root=DATA_ROOT,
        code=code("fetch_camelyon17"),
    script:
        "../scripts/fetch_camelyon17.py"


rule generate_tissue:
    """What would tissue look like at five hospitals? Generates patches whose truth is known."""
    output:
        "<data>/{dataset}/wilds/source.json",
    log:
        "<logs>/generate_tissue/{dataset}.log",
    benchmark:
        "<benchmarks>/generate_tissue/{dataset}.jsonl"
    wildcard_constraints:
        dataset=datasets_of("tissue"),
    conda:
        "../../envs/data.yaml"
    params:
        source=generator_settings,
        code=code("generate_tissue"),
    script:
        "../scripts/generate_tissue.py"


rule pack_splits:
    """Which patches judge a run? Fixes evaluation splits and probe pool, and packs them once as uint8."""
    input:
        source_of_dataset,
    output:
        splits=expand("<data>/{{dataset}}/{split}.safetensors", split=[*EVALUATION_SPLITS, "probe"]),
        manifest="<data>/{dataset}/splits.parquet",
        pool="<data>/{dataset}/pool.parquet",
    log:
        "<logs>/pack_splits/{dataset}.log",
    benchmark:
        "<benchmarks>/pack_splits/{dataset}.jsonl"
    wildcard_constraints:
        dataset=datasets_with_hospitals(drawn=False),
    conda:
        "../../envs/data.yaml"
    params:
        dataset=packing_settings,
        code=code("pack_splits"),
    script:
        "../scripts/pack_splits.py"


rule draw_subset:
    """Which n patches does a seed train on? Balanced by hospital and label, or correlated as the task says."""
    input:
        source=source_of_dataset,
        pool="<data>/{dataset}/pool.parquet",
    output:
        split="<data>/{dataset}/subsets/correlation{correlation}/n{n}/seed{seed}.safetensors",
        manifest="<data>/{dataset}/subsets/correlation{correlation}/n{n}/seed{seed}.parquet",
    log:
        "<logs>/draw_subset/{dataset}/correlation{correlation}/n{n}/seed{seed}.log",
    benchmark:
        "<benchmarks>/draw_subset/{dataset}/correlation{correlation}/n{n}/seed{seed}.jsonl"
    wildcard_constraints:
        dataset=datasets_with_hospitals(drawn=False),
    conda:
        "../../envs/data.yaml"
    params:
        dataset=packing_settings,
        code=code("draw_subset"),
    script:
        "../scripts/draw_subset.py"


rule fetch_files:
    """Where are the files that examples are drawn from? Looks in data_root, else downloads; checks what it finds."""
    output:
        "<data>/files/{files}.safetensors",
    log:
        "<logs>/fetch_files/{files}.log",
    benchmark:
        "<benchmarks>/fetch_files/{files}.jsonl"
    wildcard_constraints:
        files="|".join(registry.FILES),
    localrule: True
    conda:
        "../../envs/data.yaml"
    resources:
        data_root=settings.data_root or "",  # no param: the same files from elsewhere rerun nothing
    params:
        code=lambda wildcards: hash_of("fetch_files", registry.FILES[wildcards.files]),
    script:
        "../scripts/fetch_files.py"


rule find_clusters:
    """Which subclasses do classes have? Clusters what a network, trained on images set apart, makes of the others."""
    input:
        files=files_of_clusters,
    output:
        "<data>/clusters/{clusters}/clusters.safetensors",
    log:
        "<logs>/find_clusters/{clusters}.log",
    benchmark:
        "<benchmarks>/find_clusters/{clusters}.jsonl"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    params:
        source=clustering_settings,
        code=lambda wildcards: hash_of(
            "find_clusters", registry.MODULES[clustering_settings(wildcards)["kind"]], MODULES["resnet18"]
        ),
    script:
        "../scripts/find_clusters.py"


for kind, module in registry.MODULES.items():

    rule:
        """Which n examples does a seed train on, and which judge it? Draws them from a source of one kind."""
        name:
            f"draw_{kind}"
        input:
            files=files_of_dataset,
        output:
            splits=expand(
                "<data>/{{dataset}}/examples/n{{n}}/seed{{seed}}/{split}.safetensors", split=registry.splits(kind)
            ),
        log:
            "<logs>/draw_examples/{dataset}/n{n}/seed{seed}.log",
        benchmark:
            "<benchmarks>/draw_examples/{dataset}/n{n}/seed{seed}.jsonl"
        wildcard_constraints:
            dataset=datasets_of(kind),
        conda:
            "../../envs/data.yaml"
        params:
            source=generator_settings,
            code=code("draw_examples", module),
        script:
            "../scripts/draw_examples.py"
