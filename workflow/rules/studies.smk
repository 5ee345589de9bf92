"""What a study is made of: its runs, tables and figures, and the functions that ask for them."""


def runs_of_study(study):
    return inspected_runs if study == INSPECT else settings.studies[study].all_runs


def collected_tables(study):
    """The tables of single runs that a study stacks; somebody else's networks have no training to look at."""
    if study == INSPECT:
        return [table for table in RUN_TABLES if table != "dynamics"]
    return settings.studies[study].tables


def tables_of(study):
    if study == INSPECT:
        return [table for table in with_derived(collected_tables(study)) if table != "claims"]
    return settings.studies[study].all_tables


def figures_of(study):
    if study == INSPECT:
        return drawable(tables_of(study))
    return settings.studies[study].drawn(hospitals=bool(about_hospitals(study)))


def about_hospitals(study):
    """The runs of a study whose data have hospitals."""
    return [run for run in runs_of_study(study) if run.task == INSPECT or has_hospitals(settings, run)]


def collected_together(study):
    """Rule -> the tables it makes of a run, those of them that a study stacks: they are there at the same time."""
    collected = collected_tables(study)
    chosen = {rule: [table for table in tables if table in collected] for rule, tables in TABLES_OF_RULES.items()}
    return {rule: tables for rule, tables in chosen.items() if tables}


def runs_with_table(study, table):
    """The runs of a study that have a table: what asks about hospitals is asked of those that have some."""
    return about_hospitals(study) if table in HOSPITAL_TABLES else runs_of_study(study)


def run_tables(wildcards, table):
    return [f"<results>/runs/{run.folder}/{table}.parquet" for run in runs_with_table(wildcards.study, table)]


def runs_of_tables(wildcards, tables):
    return {table: [list(run) for run in runs_with_table(wildcards.study, table)] for table in tables}


def figures_by_category(study):
    """Heading of the report -> the figures of a study under it."""
    found = {}
    for figure in map(FIGURES.get, figures_of(study)):
        found.setdefault(figure.category, []).append(figure)
    return found


def tables_of_figures(figures):
    return list(dict.fromkeys(table for figure in figures for table in figure.tables))


def modules_of_figures(figures):
    return sorted({f"causalgrok.plotting.{figure.module}" for figure in figures})


def subsets_of_study(wildcards):
    return [subset_of_run(SimpleNamespace(**run._asdict())) for run in runs_of_study(wildcards.study)]


def judging_splits_of_study(wildcards):
    """The split that judges each run of a study."""
    paths = [splits_of_run(SimpleNamespace(**run._asdict())) for run in runs_of_study(wildcards.study)]
    return [next(path for path in of_run if Path(path).stem in ("ood_test", "test")) for of_run in paths]


def recipes_of_study(wildcards):
    """The settings of every task and recipe that a study trains."""
    pairs = dict.fromkeys((run.task, run.recipe) for run in runs_of_study(wildcards.study))
    return [
        {"task": task, "recipe": recipe, "normalisation": getattr(settings.tasks[task].model, "norm", "none")}
        | settings.recipes[recipe].model_dump(mode="json")
        for task, recipe in pairs
    ]


def shown_examples(study):
    """Of every dataset with hospitals in a study, the folder of its first run's examples."""
    return list({dataset_of(run.task): examples_of_run(run) for run in reversed(about_hospitals(study))}.values())[::-1]


def study_figures(study):
    """What the report shows: the page of claims, patches or clusters of the study's datasets, and its figures as SVG."""
    folders = shown_examples(study)
    patches = [f"<data>/{examples}/patches.svg" for examples in folders]
    if "counterfactual" in tables_of(study):
        patches += [f"<data>/{examples}/restaining.svg" for examples in folders]
    claims = [f"<results>/{study}/claims.html"] if "claims" in tables_of(study) else []
    found = dict.fromkeys(clustered(dataset_of(run.task)) for run in runs_of_study(study))
    clusters = [f"{folder}/clusters.svg" for folder in found if folder]
    return [*claims, *patches, *clusters, *(f"<results>/{study}/figures/{figure}.svg" for figure in figures_of(study))]


def pictures_of_paper(wildcards):
    """The same figures as PDF, which is what a paper takes."""
    figures = [path for path in study_figures(wildcards.study) if path.endswith(".svg")]
    return [path.removesuffix(".svg") + ".pdf" for path in figures]


def captions_of_paper(wildcards, input):
    """The captions of its figures, which are those of the report."""
    names = sorted({Path(picture).stem for picture in input.pictures})
    return [os.path.relpath(Path(workflow.basedir, "workflow/report", f"{name}.rst")) for name in names]


def templates_of_paper(wildcards, input):
    """What a paper is set by: its templates and captions, whose edits set it anew."""
    return [sha256(path) for path in (*PAPER, *captions_of_paper(wildcards, input))]


def records_of_study(wildcards):
    return [f"<results>/runs/{run.folder}/run.json" for run in runs_of_study(wildcards.study)]


def study_tables(study):
    return [f"<results>/{study}/tables/{table}.parquet" for table in tables_of(study)]


def figures_of_study(wildcards):
    return study_figures(wildcards.study)


def tables_of_study(wildcards):
    return study_tables(wildcards.study)


def tables_of_claims(wildcards):
    """The tables that the claims on a study are measured on, those of them that it has."""
    named = [claim for claim in ledger.claims.values() if wildcards.study in claim.studies.all]
    needed = {"outcomes", *(table for claim in named for table in claim.measure.tables)}
    return [f"<tables>/{table}.parquet" for table in tables_of(wildcards.study) if table in needed]


def sources_of_study(wildcards):
    """Where the patches of a study come from, and whether they are the official ones; what is drawn comes from nowhere."""
    datasets = {dataset_of(run.task) for run in about_hospitals(wildcards.study)}
    datasets = sorted(name for name in datasets if name == INSPECT or not settings.datasets[name].drawn)
    sources = {name: source_of_dataset(SimpleNamespace(dataset=name)) for name in datasets}
    return list(dict.fromkeys(source.format(dataset=name) for name, source in sources.items()))


def files_of_study(wildcards):
    """The published files that examples of a study are drawn from."""
    datasets = {dataset_of(run.task) for run in runs_of_study(wildcards.study)} - {INSPECT}
    drawn = [settings.datasets[name] for name in datasets if settings.datasets[name].drawn]
    return sorted({dataset.reads for dataset in drawn} - {None})


def ledger_settings(wildcards):
    """The claims as they stand in workflow/claims.yaml; planned are those studies alone that do not exist."""
    absent = [study for study in ledger.planned if study not in settings.studies]
    return ledger.model_dump(mode="json", exclude_unset=True) | {"planned": absent}


def titles_of_claims(wildcards):
    return {"sources": {key: source.title for key, source in ledger.sources.items()}, "families": ledger.families}


def explorers(study):
    """The explorer of a study, which has one if there are runs to look at."""
    panels = {panel.table for panel in PANELS.values()}
    return [f"<results>/{study}/explorer.html"] if runs_of_study(study) and panels & set(tables_of(study)) else []


def tables_of_explorer(wildcards):
    return [f"<tables>/{table}.parquet" for table in tables_of(wildcards.study) if table in (*EXPLORED, "claims")]


def splits_of_gallery(wildcards):
    """The splits whose patches the explorer shows, of every dataset with hospitals."""
    return [path for examples in shown_examples(wildcards.study) for path in splits_in(examples)]


def about_study(wildcards):
    """What the explorer says of a study besides its tables."""
    description = "" if wildcards.study == INSPECT else settings.studies[wildcards.study].description
    return {"study": wildcards.study, "description": description, "titles": titles_of_claims(wildcards)}


def planted_settings(wildcards):
    return settings.studies[wildcards.study].planted.model_dump(mode="json")


def calibration_settings(wildcards):
    return settings.studies[wildcards.study].calibration.model_dump(mode="json")


def factorial_inputs(wildcards):
    """The tables of a study that the factorial's outcomes are taken from."""
    return [f"<tables>/{table}.parquet" for table in FACTORIAL_INPUTS if table in tables_of(wildcards.study)]


def factorial_design(wildcards):
    """The factors of a study's factorial, and which of them are high in which recipe."""
    pair = next(part.between for part in settings.studies[wildcards.study].runs if part.between)
    return design_between(settings.recipes, *pair)._asdict()


def critical_size_settings(wildcards):
    return settings.studies[wildcards.study].critical_size.model_dump(mode="json")


def stopping_settings(wildcards):
    return settings.studies[wildcards.study].stopping.model_dump(mode="json")


def ungrokking_settings(wildcards):
    """How a study's continued runs are judged, which runs they continue, and what decay was theirs."""
    study = settings.studies[wildcards.study]
    continued = [
        {
            "run": list(run),
            "parent": list(parent),
            "decay": settings.recipes[run.recipe].exposure(1),
        }
        for run in study.all_runs
        if (parent := parent_of(settings, run))
    ]
    return {"protocol": study.ungrokking.model_dump(mode="json"), "continued": continued}


def reported_figures(wildcards):
    return published[wildcards.study]


def report_targets(wildcards, input):
    return list(input.figures)


def report_config(wildcards):
    """What the nested Snakemake must know to find one study; other studies' edits leave its report alone."""
    if wildcards.study == INSPECT:
        chosen = {"checkpoints", "images", "held_out", "image_size", "measurement", "measurements", "detectors"}
        return settings.model_dump(mode="json", include=chosen)
    runs = settings.studies[wildcards.study].all_runs
    runs += tuple(parent for run in runs if (parent := parent_of(settings, run)))
    tasks = {run.task: settings.tasks[run.task] for run in runs}
    chosen = {
        "studies": {wildcards.study},
        "comparisons": True,
        "tasks": set(tasks),
        "recipes": {run.recipe for run in runs},
        "datasets": {task.dataset for task in tasks.values()},
        "measurements": {task.measurement for task in tasks.values()},
        "detectors": {task.detector for task in tasks.values()} | {"default"},
    }
    return settings.model_dump(mode="json", include=chosen)


def report_overlay(wildcards):
    """The config file that the nested Snakemake is given; another workflow's reads its own, and what was laid over it."""
    return dict(workflow.config_settings.overwrite_config) if IS_MODULE else report_config(wildcards)


def study_targets(study):
    """Everything of one study: its tables, figures, provenance, explorer and report."""
    provenance = [f"<results>/runs/{run.folder}/run.json" for run in runs_of_study(study)]
    pages = [*explorers(study), f"<results>/{study}/report.html"]
    return [*study_tables(study), *provenance, *study_figures(study), *pages]


def results_of_study(wildcards):
    return study_targets(wildcards.study)


def inspect_targets(wildcards):
    if not inspection:
        sys.exit("inspect: nothing to inspect; give --config checkpoints=FOLDER images=TABLE")
    return study_targets(INSPECT)
