"""Config files that are broken, endless or not config at all: named with file and line, and nothing in them runs."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from causalgrok.config_file import MOST_VALUES, PlainLoader, file_problems, size_problem
from causalgrok.refusals import one_line, shown
from causalgrok.validation import ConfigError, check_config

ROOT = Path(__file__).parents[2]
RAW = yaml.load((ROOT / "config.yaml").read_text(), yaml.CSafeLoader)

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
)
MERGED = "\n".join(["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60)])

FILES = {
    "broken": (b"build: [1\ntasks: 2\n", "is no YAML in line 2: "),
    "tab": (b"tasks:\n\ttissue: 1\n", "is no YAML in line 2: found character that cannot start any token; indent with"),
    "latin-1": ("x: 1\ndata_root: Köln\n".encode("latin-1"), "is not UTF-8 in line 2; save it as UTF-8"),
    "NUL": (b'data_root: "a\0b"', "is no YAML"),
    "nothing": (b"", "is no mapping of keys to values"),
    "list": (b"- 1", "is no mapping of keys to values"),
    "long": (b"#" * 10_000_001, "is longer than 10 MB"),
    "deep": (b"build: " + b"[" * 200_000 + b"]" * 200_000, "is nested more than 20 levels deep"),
    "laughs": (LAUGHS.encode(), f"holds more than {MOST_VALUES:,} values; mind aliases of aliases"),
    "merges": (MERGED.encode(), "is nested more than 20 levels deep, or holds itself"),
    "itself": (b"tasks: &a {tissue: *a}", "is nested more than 20 levels deep, or holds itself"),
    "digits": (b"save_seconds: " + b"9" * 5000, "holds what no config can: Exceeds the limit"),
    "tag": (b"save_seconds: !!python/object/apply:os.system [id]", "holds what no config can in line 1: could not"),
    "list as key": (b"? [a, b]\n: 2\n", "holds what no config can in line 1: found unhashable key"),
    "merge of a number": (b"tasks: {<<: 3}", "holds what no config can in line 1: expected a mapping"),
    "template": (b"__use_yte__: true\nx: ?open('ran', 'w')", "config: __use_yte__: would let Snakemake run code"),
    "twice": (b"a: {b: 1, c: 2,\n  b: 3}\na: 3\n", "config: a: stands twice; keep one of them ("),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_before_anything_in_it_is_used(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content, said = FILES[name]
    (tmp_path / "theirs.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        check_config(RAW, ["theirs.yaml"])
    lines = str(error.value).split("\n")
    assert said in lines[0] and "theirs.yaml" in lines[0]
    assert all(line.startswith("config: ") and line.isprintable() for line in lines)
    assert not (tmp_path / "ran").exists()


def test_every_repeated_key_is_told_with_its_line(tmp_path):
    path = tmp_path / "theirs.yaml"
    path.write_text("a: {b: 1, c: 2,\n  b: 3}\na: 3\nd: [{e: 1, e: 2}]\n")
    found = {key: text[-7:-1] for key, text in file_problems(path)}
    assert found == {("a",): "line 3", ("a", "b"): "line 2", ("d", 0, "e"): "line 4"}


def test_our_own_files_are_plain():
    files = [ROOT / "config.yaml", *(ROOT / "tests/workflow").glob("*.yaml"), ROOT / "workflow/claims.yaml"]
    assert len(files) >= 4
    for file in files:
        assert not list(file_problems(file)), file


def test_the_loader_makes_plain_values_alone():
    assert issubclass(PlainLoader, yaml.constructor.SafeConstructor)
    assert not issubclass(PlainLoader, yaml.constructor.FullConstructor)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((1, 2), "a tuple is not plain YAML"),
        (b"\xff", "a bytes is not plain YAML"),
        ({"a"}, "a set is not plain YAML"),
        (functools.reduce(lambda inner, _: [inner] * 10, range(9), 1), "holds more than 100,000 values"),
        ([0] * 100_001, "holds more than 100,000 values"),
    ],
)
def test_what_is_not_plain_is_refused_wherever_it_came_from(value, said):
    assert said in size_problem({"build": value})[1]


@pytest.mark.parametrize(
    "name", ["a|b", ".*", "../x", "-x", "a b", "a\nb", "naïve", "{study}", "$(id)", "", "A", "a" * 65]
)
@pytest.mark.parametrize("section", ["datasets", "recipes", "measurements", "detectors", "tasks", "studies"])
def test_a_name_is_nothing_but_a_name(section, name):
    raw = RAW | {section: RAW[section] | {name: next(iter(RAW[section].values()))}}
    with pytest.raises(ConfigError) as error:
        check_config(raw)
    (line,) = str(error.value).split("\n")
    assert line.startswith(f"config: {section}.") and ("names are" in line or "at most 64 characters" in line)


@pytest.mark.parametrize(
    ("section", "change", "said"),
    [
        ("recipes", {"weight_decay": float("inf")}, "should be a finite number"),
        ("recipes", {"weight_decay": float("nan")}, "should be a finite number"),
        ("recipes", {"weight_decay": 16**6000}, "a number of thousands of digits: should be"),
        ("recipes", {"weight_decay": True}, "should be a valid number"),
        ("recipes", {"weight_decay": 2000, "learning_rate": 1e-3}, "2000 x learning_rate is 2 of the weights a step"),
        ("recipes", {"batch_size": 10**30}, "should be less than or equal to 1000000000"),
        (
            "tasks",
            {"schedule": {"epochs": 10**9, "evaluate_every": 1, "checkpoint_every": 1}},
            "1000000000 times, above",
        ),
        ("tasks", {"threads": 10**6}, "should be less than or equal to 1024"),
    ],
)
def test_numbers_are_bounded(section, change, said):
    name = "tissue" if section == "tasks" else "grokking"
    raw = RAW | {section: RAW[section] | {name: RAW[section][name] | change}}
    with pytest.raises(ConfigError) as error:
        check_config(raw)
    assert said in str(error.value).split("\n")[0]


def test_more_runs_than_can_be_planned_are_not_listed():
    runs = [{"task": "gaussians_linear", "recipes": ["standard"], "n": [*range(1, 20_001)], "seeds": [*range(20_000)]}]
    raw = RAW | {"studies": RAW["studies"] | {"huge": {"description": "", "runs": runs, "tables": ["metrics"]}}}
    with pytest.raises(
        ConfigError, match=r"config: studies.huge.runs: with these there are [\d,]+ runs, above 100,000"
    ):
        check_config(raw)


def test_a_thousand_problems_are_not_a_thousand_lines():
    raw = RAW | {"build": [f"study{i}" for i in range(1000)]}
    with pytest.raises(ConfigError) as error:
        check_config(raw)
    lines = str(error.value).split("\n")
    assert len(lines) == 51 and lines[-1] == "config: top level: 950 more problems; mend these first"


def test_a_strangers_config_is_checked_without_snakemake_and_without_running_it(tmp_path):
    def checked(text: str) -> subprocess.CompletedProcess:
        (tmp_path / "theirs.yaml").write_text(text)
        command = [sys.executable, "-m", "causalgrok.validation", str(tmp_path / "theirs.yaml")]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = checked(f"__use_yte__: true\nsave_seconds: ?open({str(tmp_path / 'ran')!r}, 'w')")
    assert done.returncode == 1 and done.stderr.startswith("config: __use_yte__: would let Snakemake run code")
    assert not (tmp_path / "ran").exists()
    done = checked("recipes: {grokking: {weight_decai: 1}}")
    assert (
        done.returncode == 1 and "did you mean 'weight_decay'?" in done.stderr and "theirs.yaml line 1" in done.stderr
    )
    assert checked("recipes: {grokking: {weight_decay: 1e-2}}").returncode == 0


def test_messages_are_one_printable_line_of_bounded_length():
    assert one_line("a\nb\x1b[2J\u202ec\ud800") == r"a b\x1b[2J\u202ec\ud800"
    assert len(one_line("x" * 10**6)) <= 1000 and len(shown("x" * 10**6)) <= 60
    assert shown("Köln") == "'Köln'" and shown(10**5000) == "a number of thousands of digits"
