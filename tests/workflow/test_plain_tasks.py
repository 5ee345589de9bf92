"""Tasks without hospitals: from a dataset's settings to the report, continued runs among them."""

import json
from pathlib import Path

import pytest

from causalgrok.data.splits import Split
from causalgrok.files import sha256
from causalgrok.tables import read_table
from causalgrok.verify import damage

pytestmark = pytest.mark.xdist_group("plain")

OVERLAY = Path(__file__).with_name("plain.yaml")  # what the fixture `plain` was built with
PARENT = "results/runs/tiny_mlp/small_decay/n25/seed1"
CHILD = "results/runs/tiny_mlp_continued/small_no_decay_grokfast/n10/seed1"


def test_the_study_ends_with_its_tables_and_figures(plain, monkeypatch):
    results = plain.folder / "results/plain"
    for table in ("metrics", "geometry"):
        frame = read_table(results / f"tables/{table}.parquet")
        assert set(frame["split"]) == {"train", "test"}, table
        assert frame.groupby(["task", "recipe", "seed"]).ngroups == 5
    assert {"embedding", "hidden", "head", "total"} <= set(read_table(results / "tables/dynamics.parquet")["group"])
    assert set(read_table(results / "tables/checkpoints.parquet")["name"]) <= {"init", "memorised", "final"}
    outcomes = read_table(results / "tables/outcomes.parquet")
    assert outcomes["final_accuracy"].notna().all() and outcomes["final_accuracy_ood_val"].isna().all()
    figures = {path.stem for path in (results / "figures").glob("*.svg")}
    assert {"trajectories", "weight_norm", "norm_growth", "effective_rank", "sensitivity", "ungrokking"} <= figures
    assert not figures & {"domain_gap", "peak_accuracy", "decline", "probing", "verdicts"}
    assert not list((plain.folder / "results/data").glob("*/patches.svg"))
    assert "Runs" in (results / "explorer.html").read_text()
    monkeypatch.chdir(plain.folder)  # run.json names its data from there
    assert not list(damage(Path("results")))


def test_a_second_run_does_nothing(plain):
    assert "Nothing to be done" in plain.snakemake("plain", "--cores", "2", overlay=OVERLAY).stdout


def test_a_continued_run_starts_where_its_parent_ended(plain):
    tables = [read_table(plain.folder / run / "metrics.parquet") for run in (PARENT, CHILD)]
    end, start = (
        table[(table["split"] == "test") & (table["epoch"] == epoch)][["loss", "accuracy"]].to_numpy()
        for table, epoch in zip(tables, (40, 0), strict=True)
    )
    assert (end == start).all()
    provenance = json.loads((plain.folder / CHILD / "run.json").read_text())
    checkpoint = f"{PARENT}/checkpoints/epoch40.safetensors"
    assert provenance["data"][checkpoint] == sha256(plain.folder / checkpoint)
    folder = plain.folder / "results/data/tiny_modular/examples"
    small, large, test = (
        Split.load(folder / path).rows.tolist()
        for path in ("n10/seed1/train.safetensors", "n25/seed1/train.safetensors", "n10/seed1/test.safetensors")
    )
    assert small == large[:10]
    assert len(set(large) | set(test)) == 7 * 6


def test_continued_runs_are_judged(plain):
    table = read_table(plain.folder / "results/plain/tables/ungrokking.parquet")
    assert len(table) == 2
    assert (table["parent_n"] == 25).all() and (table["parent_recipe"] == "small_decay").all()
    assert set(read_table(plain.folder / "results/plain/tables/ungrokking_contrasts.parquet")["pairs"]) <= {1}


def test_tables_about_hospitals_are_collected_from_runs_that_have_some(plain):
    planned = plain.planned("mixed", overlay=OVERLAY)
    assert planned["train"] == 1, "the other run is there"
    assert planned["probe_layers"] == planned["ablate_features"] == planned["measure_counterfactuals"] == 1
    assert planned["plot_patches"] == planned["restain_splits"] == 1
    assert planned["name_checkpoints"] == 1 and "draw_modular" not in planned


BAD = {
    "table": (
        "studies: {plain: {tables: [metrics, steering]}}",
        "studies.plain.tables: no task here has hospitals for steering; take metrics, dynamics, geometry, checkpoints",
    ),
    "n": (
        "studies: {plain: {runs: [{task: tiny_mlp, recipes: [small_decay], n: [26], seeds: [0]}], ungrokking: null}}",
        "studies.plain.runs[0].n[0]: n = 26 is above the 25 training pairs that train_fraction 0.6 of 42 leaves",
    ),
    "network": (
        "tasks: {tiny_transformer: {dataset: tiny}}",
        "tasks.tiny_transformer.model.name: transformer reads tokens or vectors, dataset tiny holds images; take ",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_one_line_before_any_job(plain, tmp_path, name):
    text, message = BAD[name]
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(text)
    done = plain.snakemake("plain", "--cores", "1", "--configfile", str(OVERLAY), str(overlay), overlay=None)
    lines = [line for line in done.stdout.splitlines() if line.startswith("config: ")]
    assert done.returncode == 1
    assert len(lines) == 1, done.stdout
    assert lines[0].startswith(f"config: {message}")
    assert "Traceback" not in done.stdout
