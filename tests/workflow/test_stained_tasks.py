"""A task with hospitals whose examples are drawn for each n and seed: everything that is asked about hospitals."""

from pathlib import Path

import numpy as np
import pytest

from causalgrok.columns import HOSPITAL_TABLES, RUN_TABLES, with_derived
from causalgrok.data.counterfactuals import load
from causalgrok.data.splits import Split
from causalgrok.plotting import FIGURES
from causalgrok.tables import read_table
from causalgrok.verify import damage

pytestmark = pytest.mark.xdist_group("stained")

OVERLAY = Path(__file__).with_name("stained.yaml")  # what the fixture `stained` was built with
EXAMPLES = "results/data/tiny_stained/examples/n24/seed0"


def test_the_study_ends_with_every_table_about_hospitals_and_every_figure(stained, monkeypatch):
    results = stained.folder / "results/stained"
    for table in with_derived(RUN_TABLES):
        frame = read_table(results / f"tables/{table}.parquet")
        assert not HOSPITAL_TABLES & {table} or set(frame["recipe"]) == {"nuclei_decay", "nuclei_no_decay"}, table
    figures = {path.stem for path in (results / "figures").glob("*.svg")}
    assert figures == {name for name, figure in FIGURES.items() if set(figure.tables) <= set(with_derived(RUN_TABLES))}
    report = (results / "report.html").read_text()
    assert "Patches by hospital and label" in report and "The same tissue as every hospital" in report
    explorer = (results / "explorer.html").read_text()
    assert "<h3>tiny_stained</h3>" in explorer and "label 1, hospital 2, row" in explorer
    monkeypatch.chdir(stained.folder)
    assert not list(damage(Path("results")))


def test_probes_and_interventions_look_at_the_networks_own_stages(stained):
    tables = stained.folder / "results/stained/tables"
    probing, steering = (read_table(tables / f"{name}.parquet") for name in ("probing", "steering"))
    assert set(probing["stage"]) == set(steering["stage"]) == {"conv", "code", "pooled"}
    assert set(steering["split"]) == {"train", "id_val", "ood_val", "ood_test"}
    hospital = probing[(probing["stage"] == "conv") & (probing["target"] == "hospital")]
    assert hospital.groupby("control")["accuracy"].mean()["none"] > 0.7, "hospitals differ in stain"


def test_images_are_shown_as_all_five_hospitals_and_their_own_is_left_as_it_is(stained):
    shown = load(stained.folder / EXAMPLES / "counterfactuals.safetensors")
    assert set(shown) == {"id_val", "ood_val", "ood_test"}
    for name, one in shown.items():
        split = Split.load(stained.folder / EXAMPLES / f"{name}.safetensors")
        assert one.targets.tolist() == [0, 1, 2, 3, 4]
        own = one.inputs["rendered"][split.domains, np.arange(len(split))]
        np.testing.assert_array_equal(own, split.inputs)
    table = read_table(stained.folder / "results/stained/tables/counterfactual.parquet")
    moved = table[table["moved"] > 0]
    assert set(moved["target_hospital"]) == {0, 1, 2, 3, 4} and moved["logit_shift"].notna().all()


def test_a_second_run_does_nothing(stained):
    assert "Nothing to be done" in stained.snakemake("stained", "--cores", "2", overlay=OVERLAY).stdout


def test_another_seed_draws_and_renders_its_own_examples(stained):
    asked = "results/runs/tiny_stained/nuclei_decay/n24/seed1/counterfactual.parquet"
    planned = stained.planned(asked, overlay=OVERLAY)
    assert planned == dict.fromkeys(("draw_stained_nuclei", "restain_examples", "train", "measure_counterfactuals"), 1)
