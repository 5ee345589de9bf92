"""The whole pipeline, small: what is made, what is made again, and what is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from causalgrok.columns import COLUMNS, RUN, RUN_TABLES, TABLES_OF_RULES, with_derived
from causalgrok.config import drawable
from causalgrok.config_names import RESERVED, RESERVED_BEGINNINGS
from causalgrok.data.splits import Split
from causalgrok.plotting import FIGURES

ROOT = Path(__file__).parents[2]
TABLES = with_derived(RUN_TABLES)
FIGURES_OF_RUNS = drawable(TABLES)

# One worker builds the small study for all tests that use it.
pytestmark = pytest.mark.xdist_group("finished")


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_a_study_ends_with_tables_figures_and_report(finished):
    results = finished.folder / "results/tiny"
    for table in TABLES:
        frame = pd.read_parquet(results / f"tables/{table}.parquet")
        if table == "reliance":
            assert frame.empty, "two runs cannot be correlated"
            continue
        if table == "statistics":
            assert set(frame["a"]) | set(frame["b"]) == {"standard", "grokking"}
            continue
        if table == "claims":
            assert list(frame.columns) == list(COLUMNS["claims"])
            assert set(frame["verdict"]) == {"not_run"}, "no claim is about this study"
            continue
        of_run = [] if table == "arms" else RUN  # an arm is what several runs share
        assert list(frame.columns) == list(dict.fromkeys([*of_run, *COLUMNS[table]])), table
        # Six evaluations of eight epochs are too few for the detector and for a decline.
        assert set(frame["recipe"]) == {"standard", "grokking"} or table in ("sensitivity", "decline")
    for figure in FIGURES_OF_RUNS:
        assert (results / f"figures/{figure}.pdf").read_bytes().startswith(b"%PDF")
        assert "<svg" in (results / f"figures/{figure}.svg").read_text()[:2000]
    report = (results / "report.html").read_text()
    assert all(FIGURES[figure].title in report for figure in FIGURES_OF_RUNS)
    assert "Verdicts on the sources" in report
    assert "Reproduction: " in (results / "claims.html").read_text()
    explorer = (results / "explorer.html").read_text()
    assert "Reproduction: " in explorer and "tumour, hospital 2, row" in explorer
    assert len(explorer) < 15e6
    assert (finished.folder / "results/runs/tiny/grokking/n24/seed0/run.json").exists()


def test_what_the_docs_read_from_a_study_can_be_read(finished):
    pages = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    shown = re.findall(r"""^python -c "(.*)"$""", pages, flags=re.MULTILINE)
    assert shown
    for code in shown:
        command = [sys.executable, "-c", code.replace("results/demo", "results/tiny")]
        done = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_logs_hold_what_was_printed(finished):
    log = (finished.folder / "logs/train/tiny/grokking/n24/seed0.log").read_text()
    assert "learning rate x weight decay x steps = 4e-05" in log
    assert "epoch 8/8  train" in log
    assert "ETA 0:00:00" in log


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.snakemake("tiny", "--cores", "2").stdout


def test_a_paper_is_set_when_it_is_asked_for(finished):
    paper = "results/tiny/paper.pdf"
    assert "typeset_paper" not in finished.planned("tiny")
    assert finished.planned(paper) == {"typeset_paper": 1}
    done = finished.snakemake(paper, "--cores", "2")
    assert done.returncode == 0, done.stdout
    assert (finished.folder / paper).read_bytes().startswith(b"%PDF")
    assert (finished.folder / "logs/typeset_paper/tiny.log").read_text() == "", "Typst warns of nothing"


def test_a_deleted_figure_is_redrawn_with_those_under_its_heading(finished):
    figures = finished.folder / "results/tiny/figures"
    before = contents(figures, "*")
    assert len(before) == 2 * len(FIGURES_OF_RUNS)
    (figures / "steering.pdf").unlink()
    assert finished.planned("results/tiny/figures/steering.pdf") == {"plot_tiny_interventions": 1}
    assert finished.snakemake("results/tiny/figures/steering.pdf", "--cores", "2").returncode == 0
    assert contents(figures, "*") == before
    finished.snakemake("tiny", "--cores", "2")


def test_one_figure_asks_for_no_more_than_is_under_its_heading(project):
    """Curves need no probes, and one probe needs no other."""
    training = project.planned("results/tiny/figures/trajectories.svg")
    assert training["train"] == 2 and "extract_features" not in training
    probing = project.planned("results/tiny/figures/probing.svg")
    assert probing["probe_layers"] == 2 and probing["collect_tiny_probe_layers"] == probing["plot_tiny_probing"] == 1
    assert not {"ablate_features", "steer_activations", "measure_features"} & set(probing)


def test_an_error_says_which_figure_it_was(finished):
    module = finished.folder / "src/causalgrok/plotting/probing.py"
    text, kept = module.read_text(), contents(finished.folder, "results/tiny/figures/probing.*")
    try:
        module.write_text(text.replace("def probing(", "def probing(*, absent, "))
        done = finished.snakemake("results/tiny/figures/probing.svg", "--cores", "1")
    finally:
        module.write_text(text)
        for path, content in kept.items():
            (finished.folder / path).write_bytes(content)
    assert done.returncode == 1
    assert "plot_tiny_probing failed: figure probing: TypeError(" in done.stdout
    finished.snakemake("tiny", "--cores", "2")


MEASURED = (
    *("probe_layers", "ablate_features", "measure_erasure", "steer_activations"),
    *("measure_features", "measure_counterfactuals"),
)
SUMMARISED = (
    "summarise_outcomes",
    "summarise_sensitivity",
    "summarise_decline",
    "summarise_mechanism",
    "summarise_arms",
    "compare_recipes",
)
DRAWN = {f"plot_tiny_{FIGURES[figure].category.lower()}": 1 for figure in FIGURES_OF_RUNS}
COLLECTED = {f"collect_tiny_{rule}": 1 for rule in TABLES_OF_RULES}
CLAIMED = {"test_claims": 1, "present_claims": 1}
EXPLORED = {"draw_explorer": 1}
COMPARED = {"summarise_verdicts": 1, "correlate_reliance": 1}
AFTER_TRAINING = {
    **{"collect_seeds": 2, "name_checkpoints": 2, "extract_features": 2},
    **COLLECTED,
    **dict.fromkeys(SUMMARISED, 1),
    **dict.fromkeys(MEASURED, 2),
    **COMPARED,
    **CLAIMED,
    **EXPLORED,
    **DRAWN,
}


@pytest.mark.parametrize(
    ("file", "old", "new", "planned"),
    [
        ("config.yaml", "# Optimisation settings.", "# Other words.", {}),
        ("src/causalgrok/training/trainer.py", "import os\n", "# a comment\nimport os\n", {}),
        ("src/causalgrok/training/adamw.py", "amsgrad=False", "amsgrad=True", {"train": 2, **AFTER_TRAINING}),
        (
            "src/causalgrok/plotting/trajectories.py",
            '"linewidth": 0.8',
            '"linewidth": 0.7',
            {"plot_tiny_training": 1},
        ),
        (
            "src/causalgrok/interventions/neurons.py",
            "import numpy as np\n",
            "import numpy as np\n\nOTHER = 1\n",
            {
                **{"ablate_features": 2, "collect_tiny_ablate_features": 1},
                **COMPARED,
                **CLAIMED,  # it reads steering as verdicts do
                **EXPLORED,
                "plot_tiny_interventions": 1,
                "plot_tiny_verdicts": 1,
            },
        ),
    ],
    ids=["config-comment", "trainer-comment", "trainer", "plotting", "intervention"],
)
def test_an_edit_reruns_what_depends_on_it(finished, file, old, new, planned):
    path = finished.folder / file
    text = path.read_text()
    assert old in text
    try:
        path.write_text(text.replace(old, new))
        got = finished.planned("tiny")
    finally:
        path.write_text(text)
    assert got == ({**planned, "report": 1, "tiny": 1} if planned else {})


@pytest.mark.parametrize("file", ["explorer.js", "explorer.css"])
def test_an_edit_of_the_explorers_script_or_style_draws_it_anew(finished, file):
    path = finished.folder / "src/causalgrok/explorer" / file
    text = path.read_text()
    try:
        path.write_text(text + "/* changed */\n")
        got = finished.planned("tiny")
    finally:
        path.write_text(text)
    assert got == {"draw_explorer": 1, "tiny": 1}


def test_a_recipe_edit_retrains_its_own_runs(finished, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    text = (Path(__file__).with_name("tiny.yaml")).read_text()
    overlay.write_text(text + "\nrecipes:\n  grokking: {weight_decay: 6e-3}\n")
    got = finished.planned("tiny", overlay=overlay)
    assert got["train"] == 1
    assert got["measure_features"] == 1


def test_one_core_gives_the_same_bytes_as_two(finished, tmp_path):
    run = "results/runs/tiny/grokking/n24/seed0"
    targets = [f"{run}/{table}.parquet" for table in RUN_TABLES]
    done = finished.snakemake(*targets, "--cores", "1", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stdout
    for pattern in (f"{run}/**/*.parquet", f"{run}/checkpoints/*", "results/data/**/*.safetensors"):
        expected = contents(finished.folder, pattern)
        assert len(expected) > 2
        assert contents(tmp_path, pattern) == expected


def test_the_paper_study_is_planned_from_the_download_on(finished):
    planned = finished.planned(overlay=None)
    assert planned["fetch_camelyon17"] == 1
    assert planned["train"] == planned["extract_features"] == planned["probe_layers"] == 11
    # Recipes of one seed share their subset: five draws of 1000 and three of 300.
    assert planned["draw_subset"] == 8
    assert planned["all"] == 1


def test_the_studies_of_the_next_steps_are_planned_and_share_runs(project):
    planned = project.planned("factorial", "critical_size", "camelyon17_rotation", overlay=None)
    # 8 recipes x 2 sizes x 3 correlations, and of 2 recipes 5 more sizes: 10 seeds each; 4 more pairs: 5 seeds each.
    assert planned["train"] == 8 * 2 * 3 * 10 + 2 * 5 * 10 + 2 * 4 * 5
    assert planned["pack_splits"] == 5
    assert planned["estimate_factorial"] == planned["fit_critical_size"] == 1


def test_names_of_rules_are_reserved(finished):
    done = finished.snakemake("--list-rules")
    names = set(re.findall(r"^([a-z]\w*) \(", done.stdout, flags=re.MULTILINE))
    assert "train" in names
    studies = {*yaml.safe_load((finished.folder / "config.yaml").read_text())["studies"], "tiny", "tiny_long"}
    assert {name for name in names - studies if not name.startswith(RESERVED_BEGINNINGS)} <= RESERVED


def test_a_gpu_study_is_refused_where_there_is_no_gpu(finished, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = finished.snakemake("camelyon17", "--cores", "2", overlay=None)
    assert done.returncode == 1
    assert "config: tasks.camelyon17.device: 'cuda', but this machine shows no GPU" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.skipif("CAUSALGROK_TEST_DATA" not in os.environ, reason="CAUSALGROK_TEST_DATA names no real patches")
def test_real_patches_are_read_in_place_and_reported_beside_the_official_counts(project):
    root = Path(os.environ["CAUSALGROK_TEST_DATA"], "camelyon17_standin").resolve()
    subset = "results/data/camelyon17_48/subsets/correlation0.0/n1000/seed0"
    done = project.snakemake(f"{subset}.parquet", "--cores", "2", "--config", f"data_root={root}", overlay=None)
    assert done.returncode == 0, done.stdout
    source = json.loads((project.folder / "results/data/wilds/source.json").read_text())
    assert source["root"] == str(root)
    assert not source["matches_official"]
    assert source["official"]["splits"]["train"] == 302_436
    assert source["census"]["patches"] == 3000
    manifest = pd.read_parquet(project.folder / f"{subset}.parquet")
    assert manifest.groupby(["hospital", "label"]).size().between(166, 167).all()
    assert manifest["mutual_information"].iloc[0] == pytest.approx(0, abs=1e-4)
    evaluated = pd.read_parquet(project.folder / "results/data/camelyon17_48/splits.parquet")["row"]
    assert not set(manifest["row"]) & set(evaluated)
    again = project.planned(f"{subset}.safetensors", overlay=None)
    assert not again, "the root is remembered"
    assert Split.load(project.folder / f"{subset}.safetensors").inputs.shape == (1000, 48, 48, 3)
