"""What does not fit is refused in one line: networks, datasets, continued runs and tables."""

import copy
from pathlib import Path

import pytest
import yaml

from causalgrok.config import Run, parent_of
from causalgrok.validation import ConfigError, check_config, check_subset

ROOT = Path(__file__).parents[2]
RAW = yaml.safe_load((ROOT / "config.yaml").read_text())
SMALL = ("studies", "modular_small")
CONTINUED = ("tasks", "modular_small_continued")


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
        (
            (*SMALL, "tables"),
            ["metrics", "dynamics", "geometry", "probing", "neurons"],
            "studies.modular_small.tables: no task here has hospitals for probing, neurons; take metrics, dynamics, "
            "geometry, checkpoints (",
        ),
        (
            ("tasks", "tissue", "model"),
            {"name": "transformer"},
            "tasks.tissue.model.name: transformer reads tokens or vectors, dataset tissue holds images; take another (",
        ),
        (
            ("tasks", "modular", "model"),
            {"name": "resnet18"},
            "tasks.modular.model.name: resnet18 reads images, dataset modular holds tokens; take another (",
        ),
        (
            ("tasks", "modular", "model"),
            {"name": "mlp"},
            "tasks.modular.model.name: mlp reads vectors, dataset modular holds tokens; take another (",
        ),
        (
            ("tasks", "modular", "label_hospital_correlation"),
            0.5,
            "tasks.modular.label_hospital_correlation: dataset modular has no hospitals; leave it out (",
        ),
        (
            ("tasks", "modular", "model"),
            {"name": "transformer", "width": 100, "heads": 3},
            "tasks.modular.model: width 100 is not a multiple of heads 3 (",
        ),
        (
            ("tasks", "modular", "model", "head"),
            3,
            "tasks.modular.model.head: unknown key; did you mean 'heads'? (",
        ),
        (
            ("datasets", "modular", "source", "modulus"),
            12.5,
            "datasets.modular.source.modulus: 12.5: should be a valid integer",
        ),
        (
            ("datasets", "modular_division", "source", "modulus"),
            90,
            "datasets.modular_division.source: modulus 90 is not prime",
        ),
        (
            ("datasets", "modular", "source", "modulo"),
            12,
            "datasets.modular.source.modulo: unknown key; did you mean 'modulus'? (",
        ),
        (
            ("datasets", "tissue", "source", "kind"),
            "modullar",
            "datasets.tissue.source: kind 'modullar' is unknown: did you mean 'modular'? (",
        ),
        (
            ("tasks", "mnist_cross_entropy", "model"),
            {"name": "mlp", "output": "sigmoid"},
            "tasks.mnist_cross_entropy.model.output: sigmoid, but the loss is cross_entropy, which has its own ",
        ),
        (("datasets", "modular", "image_size"), 12, "datasets.modular.image_size: unknown key; "),
        (
            ("datasets", "modular", "source", "kind"),
            "modullar",
            "datasets.modular.source: kind 'modullar' is unknown: did you mean 'modular'? (",
        ),
        (
            (*CONTINUED, "continues", "task"),
            "modular_smal",
            "tasks.modular_small_continued.continues.task: 'modular_smal' is not one of tasks: did you mean",
        ),
        (
            (*CONTINUED, "continues", "recipe"),
            "small_decai",
            "tasks.modular_small_continued.continues.recipe: 'small_decai' is not one of recipes: did you mean",
        ),
        (
            (*CONTINUED, "continues", "task"),
            "modular_small_continued",
            "tasks.modular_small_continued.continues.task: modular_small_continued continues another run itself; ",
        ),
        (
            (*CONTINUED, "model"),
            {"name": "embedding_mlp"},
            "tasks.modular_small_continued.model: differs from that of tasks.modular_small, which is continued (",
        ),
        (
            ("studies", "ungrokking", "runs", 1, "n"),
            [1393],
            "studies.ungrokking.runs[1].n[0]: 1393 is above the 1392 examples of the run that is continued; ",
        ),
        (
            ("studies", "ungrokking", "runs", 0, "seeds"),
            [0, 1, 2, 3, 4],
            "studies.ungrokking.runs: the run modular_small/small_decay/n1392/seed5, which is continued, is missing ",
        ),
        (
            (*SMALL, "ungrokking"),
            {},
            "studies.modular_small.ungrokking: no run of the study continues another; ",
        ),
        (
            ("studies", "ungrokking", "tables"),
            ["dynamics"],
            "studies.ungrokking.tables: ungrokking is judged from metrics; add it (",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(path, value, expected):
    lines = message(changed(path, value)).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"config: {expected}")


def test_too_large_a_subset_is_refused_where_it_is_asked_for():
    config = check_config(changed((*CONTINUED, "continues", "n"), 2000) | {"studies": {}, "build": []})
    with pytest.raises(ConfigError, match=r"tasks.modular_small_continued.continues.n: n = 2000 is above the 1392 "):
        check_subset(config, None, Run("modular_small", "small_decay", 2000, 0))


def test_a_run_that_no_study_has_is_refused_by_its_path():
    config = check_config(RAW)
    with pytest.raises(ConfigError, match=r"^config: modular_small/small_decay/n1393/seed0: n = 1393 is above"):
        check_subset(config, None, Run("modular_small", "small_decay", 1393, 0))
    with pytest.raises(ConfigError, match=r"^config: modular_small/small_decay/n0/seed3: n = 0 leaves"):
        check_subset(config, None, Run("modular_small", "small_decay", 0, 3))


def test_a_continued_run_is_refused_a_last_batch_of_one():
    raw = changed(("tasks", "tissue_short", "continues"), {"task": "tissue", "n": 193}) | {"studies": {}, "build": []}
    with pytest.raises(
        ConfigError, match=r"continues.n: 193 leaves a last batch of 1 \(recipe standard, batch_size 32"
    ):
        check_subset(check_config(raw), None, Run("tissue", "standard", 193, 0))


def test_a_run_continues_its_own_recipe_unless_another_is_named():
    config = check_config(RAW)
    run = Run("modular_small_continued", "small_tenth_decay", 348, 4)
    assert parent_of(config, run) == Run("modular_small", "small_decay", 1392, 4)
    raw = changed((*CONTINUED, "continues"), {"task": "modular_small", "n": 1392})
    raw["studies"].pop("ungrokking")
    assert parent_of(check_config(raw), run).recipe == "small_tenth_decay"
    assert parent_of(config, Run("modular_small", "small_decay", 1392, 4)) is None


def test_a_study_may_mix_tasks_with_and_without_hospitals():
    runs = [*RAW["studies"]["demo"]["runs"], RAW["studies"]["modular_small"]["runs"][0]]
    assert check_config(changed(("studies", "demo", "runs"), runs))


def test_figures_about_hospitals_are_left_out_where_there_are_none():
    study = check_config(RAW).studies["modular_small"]
    drawn = study.drawn(hospitals=False)
    assert {"trajectories", "weight_norm", "effective_rank"} <= set(drawn)
    assert "domain_gap" not in drawn and "domain_gap" in study.drawn(hospitals=True)
