import copy
import io
from pathlib import Path

import pytest
import yaml

from causalgrok.claims_file import read_claims
from causalgrok.validation import ConfigError, check_config

ROOT = Path(__file__).parents[2]
CONFIG = check_config(yaml.safe_load((ROOT / "config.yaml").read_text()))
RAW = {
    "sources": {"s0": "A study", "s1": "Another"},
    "families": {"decline": "Does it decline?"},
    "planned": ["not_yet"],
    "claims": {
        "ungrokking": {
            "source": ["s0"],
            "sentence": "It declines.",
            "family": "decline",
            "studies": {"reproduction": ["camelyon17"], "analogue": ["demo"]},
            "runs": {"recipe": ["grokking"], "n": "largest"},
            "measure": {
                "name": "value",
                "table": "metrics",
                "column": "accuracy",
                "where": {"split": "ood_test"},
                "at": "last",
            },
            "test": {"name": "mean", "direction": "above"},
            "reported": "11 of 11",
        }
    },
}


def changed(path: tuple, value: object) -> dict:
    raw = copy.deepcopy(RAW)
    node = raw
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return raw


def written(folder: Path, raw: dict | str) -> Path:
    path = folder / "claims.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw, sort_keys=False))
    return path


def message(folder: Path, raw: dict | str) -> str:
    with pytest.raises(ConfigError) as error:
        read_claims(written(folder, raw), CONFIG)
    return str(error.value)


def test_the_shipped_claims_are_read():
    ledger = read_claims(ROOT / "workflow/claims.yaml", CONFIG)
    assert len(ledger.claims) > 60
    assert ledger.alpha == 0.05


MEASURE, TEST = ("claims", "ungrokking", "measure"), ("claims", "ungrokking", "test")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            (*MEASURE, "table"),
            "metric",
            "measure.table: 'metric' is not one of the tables of runs: did you mean 'metrics'",
        ),
        ((*MEASURE, "table"), "reliance", "measure.table: 'reliance' is not one of the tables of runs: "),
        (
            (*MEASURE, "column"),
            "accuracyy",
            "measure.column: 'accuracyy' is not one of the columns of metrics: did you mean",
        ),
        ((*MEASURE, "against_column"), "los", "measure.against_column: 'los' is not one of the columns of metrics: "),
        ((*MEASURE, "where"), {"splt": 1}, "measure.where.splt: 'splt' is not one of the columns of metrics: did you"),
        ((*MEASURE, "where"), {"split": {}}, "measure.where.split: expected a value, a list of values, or {share"),
        ((*MEASURE, "against"), {"where": {"stage": 1}}, "measure.against.where.stage: 'stage' is not one of the col"),
        ((*MEASURE, "at"), "lst", "measure.at: 'lst': expected one of first, last, init, memorised"),
        ((*MEASURE, "name"), "valuee", "measure: 'valuee' is unknown; did you mean 'value'?"),
        ((*MEASURE, "columnx"), "x", "measure.columnx: unknown key; did you mean 'column'?"),
        (MEASURE, {"table": "metrics"}, "measure: has no name, which says what kind it is"),
        ((*MEASURE, "ratio"), "perhaps", "measure.ratio: 'perhaps': should be a valid boolean"),
        ((*TEST, "name"), "means", "test: 'means' is unknown; did you mean 'mean'?"),
        ((*TEST, "direction"), "up", "test.direction: 'up' is not allowed; expected 'above', 'below' or 'within'"),
        ((*TEST, "direction"), "within", "test: direction within needs margin"),
        ((*TEST, "margin"), 0.1, "test: direction above takes no margin"),
        ((*TEST, "margin"), -1, "test.margin: -1: should be greater than 0"),
        (TEST, {"name": "count", "holds": {"above": 0}}, "test.chance: missing: the measure value has no controls"),
        (TEST, {"name": "count", "holds": {}, "chance": 0.5}, "test.holds: give one of above, at_least, below and at"),
        (("claims", "ungrokking", "source"), ["s9"], "source[0]: 's9' is not one of sources: expected one of s0, s1"),
        (
            ("claims", "ungrokking", "family"),
            "declin",
            "family: 'declin' is not one of families: did you mean 'decline'?",
        ),
        (
            ("claims", "ungrokking", "studies", "analogue"),
            ["dem"],
            "studies.analogue[0]: 'dem' is not one of studies, neither of config nor planned: did you mean 'demo'?",
        ),
        (("claims", "ungrokking", "studies", "reproduction"), [], "studies.reproduction: []: "),
        (
            ("claims", "ungrokking", "runs", "recipe"),
            ["groking"],
            "runs.recipe[0]: 'groking' is not one of recipes: did you mean 'grokking'?",
        ),
        (
            ("claims", "ungrokking", "runs", "task"),
            ["tisue"],
            "runs.task[0]: 'tisue' is not one of tasks: did you mean",
        ),
        (("claims", "ungrokking", "reported"), None, "reported: None: should be a valid string"),
        (("claims", "ungrokking", "sentencee"), "x", "sentencee: unknown key; did you mean 'sentence'?"),
    ],
)
def test_each_problem_is_one_line_that_names_it(tmp_path, path, value, expected):
    lines = message(tmp_path, changed(path, value)).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"claims: claims.ungrokking.{expected}")
    assert lines[0].endswith(")") and "claims.yaml line" in lines[0]


def test_arms_are_looked_up_too(tmp_path):
    arms = {
        "name": "difference",
        "of": {"recipe": ["groking"]},
        "against": {"recipe": ["standard"]},
        "direction": "above",
    }
    assert "test.of.recipe[0]: 'groking' is not one of recipes" in message(tmp_path, changed(TEST, arms))


def test_claims_about_studies_that_do_not_exist_are_no_error(tmp_path):
    raw = changed(("claims", "ungrokking", "studies"), {"reproduction": ["not_yet"]})
    raw["claims"]["ungrokking"]["runs"] = {"task": ["mnist_linear"], "recipe": ["mse"]}
    assert read_claims(written(tmp_path, raw), CONFIG).planned == ["not_yet"]


def test_several_problems_come_at_once(tmp_path):
    raw = changed((*MEASURE, "column"), "accuracyy")
    raw["claims"]["ungrokking"]["family"] = "x"
    assert len(message(tmp_path, raw).splitlines()) == 2


def test_what_is_repeated_may_stand_among_the_anchors(tmp_path):
    text = io.StringIO()
    yaml.safe_dump(RAW | {"anchors": {"anything": [1, {"at": "all"}]}}, text)
    assert list(read_claims(written(tmp_path, text.getvalue()), CONFIG).claims) == ["ungrokking"]


def test_a_claim_that_stands_twice_is_refused(tmp_path):
    text = yaml.safe_dump(RAW, sort_keys=False)
    again = text + text[text.index("  ungrokking:") :]
    assert message(tmp_path, again) == (
        f"claims: top level: cannot be read: 'ungrokking' stands twice, again in line {text.count(chr(10)) + 1}"
    )


@pytest.mark.parametrize("text", ["claims: [", "", "claims: {}\n", "- 1\n"])
def test_a_file_that_holds_no_claims_is_one_line_a_problem(tmp_path, text):
    for line in message(tmp_path, text).splitlines():
        assert line.startswith("claims: ")
        assert len(line) < 200


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"^claims: top level: cannot be read: .*No such file"):
        read_claims(tmp_path / "none.yaml", CONFIG)
