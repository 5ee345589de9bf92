import copy
from pathlib import Path

import pytest
import yaml

from causalgrok.config import Run
from causalgrok.validation import ConfigError, check_config, check_subset

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path: tuple, value: object) -> dict:
    raw = copy.deepcopy(RAW)
    node = raw
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return raw


def message(raw: dict) -> str:
    with pytest.raises(ConfigError) as error:
        check_config(raw, [ROOT / "config.yaml"])
    return str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("recipes", "grokking", "weight_decay"), -0.1, "recipes.grokking.weight_decay: -0.1: should be greater than"),
        (("recipes", "grokking", "betas"), [0.9], "recipes.grokking.betas[1]: missing"),
        (("tasks", "tissue", "schedule", "epochs"), "many", "tasks.tissue.schedule.epochs: 'many': should be a valid"),
        (
            ("tasks", "tissue", "schedule", "epochs"),
            3.5,
            "tasks.tissue.schedule.epochs: 3.5: should be a valid",
        ),
        (("tasks", "tissue", "dataset"), "tisue", "tasks.tissue.dataset: 'tisue' is not one of datasets: did you mean"),
        (("tasks", "tissue", "device"), "gpu", "tasks.tissue.device: 'gpu' is not allowed; expected 'auto', 'cpu' or"),
        (("datasets", "tissue", "source", "kind"), "wsi", "datasets.tissue.source: "),
        (("datasets", "tissue", "source", "sise"), 3, "datasets.tissue.source.sise: unknown key; "),
        (("datasets", "tissue"), None, "datasets.tissue: None: should be a mapping"),
        (("datasets", "tissue", "image_size"), 300, "datasets.tissue.image_size: 300 is above the source's"),
        (
            ("datasets", "tissue", "ood_test_hospital"),
            1,
            "datasets.tissue.ood_test_hospital: 1 is the ood_val",
        ),
        (("studies", "train"), RAW["studies"]["demo"], "studies.train: 'train' is taken by the workflow"),
        (
            ("studies", "plot_demo_data"),
            RAW["studies"]["demo"],
            "studies.plot_demo_data: 'plot_demo_data' is taken by ",
        ),
        (("studies", "Demo"), RAW["studies"]["demo"], "studies.Demo: 'Demo': names are lower-case letters"),
        (("studies", "demo", "runs", 0, "n"), [97], "studies.demo.runs[0].n[0]: 97 leaves a last batch of 1"),
        (("studies", "demo", "runs", 0, "n"), [33], "studies.demo.runs[0].n[0]: 33 leaves a last batch of 1"),
        (("recipes", "standard", "batch_size"), 1, "studies."),
        (("recipes", "standard", "betas"), [0.9, 1.5], "recipes.standard.betas[1]: 1.5: should be less than 1"),
        (
            ("measurements", "quick", "neuron_counts"),
            [64, 128],
            "tasks.tissue.measurement: 'quick' has no neuron",
        ),
        (
            ("studies", "stain_distance", "figures"),
            ["weight_norm"],
            "studies.stain_distance.figures[0]: weight_norm needs the tables dynamics",
        ),
        (("build",), ["dem"], "build[0]: 'dem' is not one of studies: did you mean 'demo'?"),
        (("nonsense",), 1, "nonsense: unknown key; expected one of build, checkpoints"),
    ],
)
def test_each_problem_is_one_line_that_names_it(path, value, expected):
    lines = message(changed(path, value)).splitlines()
    assert lines[0].startswith(f"config: {expected}")


def test_all_problems_come_at_once_with_their_lines():
    raw = changed(("recipes", "grokking", "weight_decay"), -1)
    raw["tasks"]["tissue"]["threads"] = 0
    lines = message(raw).splitlines()
    assert len(lines) == 2
    source = (ROOT / "config.yaml").read_text().splitlines()
    number = int(lines[0].rpartition("line ")[2].rstrip(")"))
    assert source[number - 1].strip().startswith("weight_decay: 5e-3")


def test_numbers_that_yaml_calls_strings_are_numbers():
    config = check_config(changed(("recipes", "grokking", "learning_rate"), "2e-3"))
    assert config.recipes["grokking"].learning_rate == 2e-3
    assert check_config(changed(("tasks", "tissue", "threads"), "2")).tasks["tissue"].threads == 2


def test_a_commits_hash_stays_a_string():
    revision = "1" * 40
    raw = changed(("datasets", "camelyon17", "source", "mirror"), {"revision": revision})
    raw["datasets"]["camelyon17_48"]["source"] = raw["datasets"]["camelyon17"]["source"]
    assert check_config(raw).datasets["camelyon17"].source.mirror.revision == revision


def test_datasets_that_share_a_download_must_agree_on_it():
    raw = changed(("datasets", "camelyon17", "source"), {"kind": "camelyon17", "sources": ["mirror"]})
    assert "differs from datasets.camelyon17.source; downloads are shared" in message(raw)


@pytest.mark.parametrize("name", ["demo", "camelyon17"])
def test_a_study_too_large_for_its_data_is_refused(name):
    raw = changed(("studies", name, "runs", 0, "n"), [400_000])
    config = check_config(raw)
    run = Run(config.studies[name].runs[0].task, "grokking", 400_000, 0)
    with pytest.raises(ConfigError, match=rf"config: studies.{name}.runs\[0\].n\[0\]: n = 400000 "):
        check_subset(config, None, run, [ROOT / "config.yaml"])


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("evaluation_images", 5, "5 images cannot hold 6 combinations of hospital and label"),
        ("probe_images", 6, "the probe pool has one slide of hospital"),
    ],
)
def test_a_dataset_cut_too_small_is_refused(key, value, expected):
    config = check_config(changed(("datasets", "tissue", key), value))
    with pytest.raises(ConfigError, match=expected):
        check_subset(config, None, Run("tissue", "standard", 180, 0))


def test_runs_that_leave_no_table_and_a_filter_without_memory_are_refused():
    with pytest.raises(ConfigError, match=r"studies.demo.tables: is empty; name one at least, or leave it out for all"):
        check_config(changed(("studies", "demo", "tables"), []))
    with pytest.raises(ConfigError, match=r"recipes.grokking.grokfast.decay: 0: should be greater than 0"):
        check_config(changed(("recipes", "grokking", "grokfast", "decay"), 0))


def test_a_data_root_one_folder_too_deep_is_told_what_it_may_hold(tmp_path):
    (tmp_path / "MNIST/raw").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"data_root: .* nor does it hold MNIST/raw or wine_quality"):
        check_config(RAW | {"data_root": str(tmp_path / "MNIST")})
    assert check_config(RAW | {"data_root": str(tmp_path)}).data_root


def test_the_paper_study_has_its_eleven_runs():
    config = check_config(RAW)
    runs = config.studies["camelyon17"].all_runs
    assert len(runs) == len(set(runs)) == 11
    assert [sum(run.recipe == recipe and run.n == n for run in runs) for recipe, n in
            (("grokking", 1000), ("standard", 1000), ("grokking", 300))] == [5, 3, 3]  # fmt: skip
    assert runs[0].folder == "camelyon17/grokking/n1000/seed0"


FEW = changed(("tasks", "tissue", "threads"), "few")


@pytest.mark.parametrize(
    ("raw", "given", "place"),
    [
        (FEW, {"tasks": {"tissue": {"threads": "few"}}}, r"config: tasks\.tissue\.threads: 'few': .* \(--config\)"),
        (FEW, {"data_root": "."}, r"config: tasks\.tissue\.threads: 'few': .*config\.yaml line \d+\)"),
        (RAW | {"sede": 1}, {"sede": 1}, r"config: sede: unknown key; .* \(--config\)"),
        (RAW | {"measurement": None}, {"measurement": None}, r"config: measurement: None: .* \(--config\)"),
    ],
)
def test_a_value_of_the_command_line_is_not_looked_for_in_a_file(raw: dict, given: dict, place: str):
    with pytest.raises(ConfigError, match=place):
        check_config(raw, [given, ROOT / "config.yaml"])
