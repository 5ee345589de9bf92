"""A config that somebody mistyped, edited halfway or wrote to do harm: settings or one line a problem, nothing else.

Every accepted config then goes through what the rules do with it while they are read, with their own functions.
"""

import ast
import copy
import datetime
import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from causalgrok.claims_file import read_claims
from causalgrok.config import Config, parent_of
from causalgrok.reported_file import read_reported
from causalgrok.validation import ConfigError, check_config

ROOT = Path(__file__).parents[2]
WHOLE = yaml.load((ROOT / "config.yaml").read_text(), yaml.CSafeLoader)
TINY, PLAIN = (yaml.safe_load((ROOT / f"tests/workflow/{name}.yaml").read_text()) for name in ("tiny", "plain"))


def part_of(name: str, *names: str) -> dict:
    """A few entries of a section, and those of the workflow tests' configs."""
    return {key: WHOLE[name][key] for key in names} | TINY.get(name, {}) | PLAIN.get(name, {})


def aliases_written_out(node: object) -> object:
    """Without shared parts: a mutation is to change one place."""
    if isinstance(node, dict):
        return {key: aliases_written_out(value) for key, value in node.items()}
    return [aliases_written_out(value) for value in node] if isinstance(node, list) else node


SMALL = aliases_written_out(
    WHOLE
    | {
        "build": ["tiny"],
        "datasets": part_of(
            *("datasets", "camelyon17", "camelyon17_48", "modular_small", "wine", "wine_bundled", "nuclei"),
            *("equidistant_f0", "gaussians"),
        ),
        "recipes": part_of(
            *("recipes", "standard", "grokking", "small_decay", "small_tenth_decay", "small_no_decay_grokfast"),
            *("omnigrok", "modular_minibatch"),
        ),
        "measurements": part_of("measurements", "full", "quick"),
        "tasks": part_of(
            *("tasks", "camelyon17", "camelyon17_48", "modular_small", "modular_small_continued", "wine", "nuclei"),
        ),
        "studies": part_of("studies", "calibration", "ungrokking")
        | {
            "validation": {"description": "Planted truth.", "planted": {"repeats": 20}},
            "factorial": {
                "description": "Between two recipes.",
                "runs": [{"task": "tiny", "between": ["standard", "grokking"], "n": [24], "seeds": [0, 1]}],
            },
            "wine": {
                "description": "Reported figures.",
                "reported": True,
                "runs": [{"task": "wine", "recipes": ["omnigrok"], "n": [5197], "seeds": [0, 1]}],
                "tables": ["metrics", "dynamics"],
            },
        },
    }
)
WHOLE = aliases_written_out(WHOLE)

LINE = re.compile(r"(config: (top level|[^\s:].*?)|\S+reported\.csv line \d+): \S.*")
"""What a refusal says: where, and what is wrong there."""

MOST_STUDIES = 8

PATH = re.compile(r"<\w+>(/[\w.{}-]+)+")
"""What a rule may make of names: below one of its folders, and nothing that a shell or a pattern reads otherwise."""

ODD = (
    *("", " ", "~", "-x", "--config", "../../x", "/etc/passwd", "a/b", "a|b", ".*", "{study}", "{", "{{ 1 }}", "$(id)"),
    *("<script>alert(1)</script>", ".. raw:: html", "naïve", "Demo", "a b", "a\nb", "a\0b", "\x1b[2J", "\u202eb"),
    *("1e400", "-1e400", "9" * 15, "9" * 40, "1e-3", "yes", "null", "nan", ".inf", "__use_yte__", "a" * 70, "a" * 5000),
    *("all", "data", "inspect", "train", "<<", "&a", "!!python/name:os.system", "standard_init_scale", "default"),
)
NUMBERS = (
    *(0, -1, 1, 2, 3, 10**6, 10**9, 10**9 + 1, 2**31, 2**63, 10**30, -(10**30), 16**3000, 10**12),
    *(0.0, -0.0, 0.5, 1.0, 1e-300, 5e-324, 1e300, float("nan"), float("inf"), -float("inf")),
)
ITSELF: list = []
ITSELF.append(ITSELF)
LAUGHS = functools.reduce(lambda inner, _: [inner] * 10, range(9), "x")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.integers(-5, 5000),
    st.sampled_from(ODD),
    st.text(max_size=12),
    st.sampled_from([datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), b"\xff", (1, 2), {"a"}, 1j]),
)
KEYS = st.one_of(st.sampled_from(ODD), SCALARS.filter(lambda key: not isinstance(key, set)))
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(KEYS, SCALARS, max_size=3),
    st.sampled_from([[], {}, ITSELF, [[[[[]]]]], [1] * 200_000, LAUGHS]),
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """The path of everything in a config."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(*path, key) for key, _ in below] + [
        place for key, child in below if isinstance(child, dict | list) for place in places(child, (*path, key))
    ]


def at(node: object, path: tuple) -> object:
    return functools.reduce(lambda node, key: node[key], path, node)


@st.composite
def mutated(draw: st.DrawFn, base: dict) -> dict:
    """The config with one to three things replaced, taken out, added, renamed, doubled, or brought from elsewhere."""
    raw = copy.deepcopy(base)
    everywhere = places(raw)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(everywhere))
        try:
            holder, key = at(raw, path[:-1]), path[-1]
            value = holder[key]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken it away
        change = draw(st.sampled_from(["replace", "replace", "take", "add", "rename", "nearly", "scale", "elsewhere"]))
        if change == "replace":
            holder[key] = draw(VALUES)
        elif change == "take":
            del holder[key]
        elif change == "add" and isinstance(value, list):
            value.append(copy.deepcopy(value[0]) if value and draw(st.booleans()) else draw(VALUES))
        elif change == "add" and isinstance(value, dict):
            value[draw(st.sampled_from(ODD))] = draw(VALUES)
        elif change == "rename" and isinstance(holder, dict):
            holder[draw(st.one_of(st.sampled_from(ODD), st.just(f"{key}s")))] = holder.pop(key)
        elif change == "nearly" and isinstance(value, str) and value:
            i = draw(st.integers(0, len(value) - 1))
            holder[key] = value[:i] + draw(st.sampled_from(["", "x", value[i] * 2])) + value[i + 1 :]
        elif change == "scale" and isinstance(value, int | float):
            holder[key] = value * draw(st.sampled_from([-1, 0, 0.5, 2, 3, 10, 1000, 10**9, 10**30]))
        elif change == "elsewhere":
            holder[key] = copy.deepcopy(at(base, draw(st.sampled_from(everywhere))))
    return raw


@functools.cache
def functions_of_rules() -> object:
    """The functions of the rules' own files, compiled; without what these files do when they are read."""
    source = "\n".join((ROOT / f"workflow/rules/{name}.smk").read_text() for name in ("common", "studies"))
    source = re.sub(r"^(pathvars|wildcard_constraints):\n(    .*\n)+", "", source, flags=re.MULTILINE)
    tree = ast.parse(source)
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef)
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, kept) or (isinstance(node, ast.Assign) and node.targets[0].id == "NOT_PACKED")
    ]
    return compile(tree, "rules", "exec")


@functools.cache
def claims():
    return read_claims(ROOT / "workflow/claims.yaml", check_config(WHOLE))


def plain(settings: object) -> str:
    """What a job is handed can be written down, for its params and its provenance."""
    return json.dumps(settings, allow_nan=False)


def plan(config: Config) -> list[str]:
    """Do what the rules do with a config before any job; the paths they ask for."""
    rules: dict = {}
    exec(functions_of_rules(), rules)
    here = SimpleNamespace(basedir=ROOT, configfiles=[], executor_plugin=None, non_local_exec=False, dryrun=True)
    rules |= {"settings": config, "workflow": here, "inspection": None, "inspected_runs": [], "DATA_ROOT": None}
    rules |= {"ledger": claims(), "published": read_reported(ROOT / "workflow/reported.csv", config)}
    asked: list = []
    for name in config.datasets:
        wildcards = SimpleNamespace(dataset=name)
        for function in ("generator_settings", "packing_settings"):
            plain(rules[function](wildcards))
        asked.append(rules["splits_of_dataset"](wildcards))
        if config.datasets[name].has_hospitals:
            asked.append(rules["source_of_dataset"](wildcards).format(dataset=name))
            rules["counterfactual_settings"](wildcards)
        else:
            asked.append(rules["files_of_dataset"](wildcards))
    rules["camelyon17_settings"]()
    for kind in (*rules["registry"].MODULES, "tissue", "camelyon17"):
        re.compile(rules["datasets_of"](kind))
    for name, study in [*config.studies.items()][-MOST_STUDIES:]:
        wildcards = SimpleNamespace(study=name)
        asked += [rules["study_targets"](name), rules["tables_of_claims"](wildcards)]
        asked.append(rules["sources_of_study"](wildcards))
        plain([rules["report_config"](wildcards), rules["judgements"](name)])
        rules["recipes_of_study"](wildcards)
        for table in rules["collected_tables"](name):
            asked.append(rules["run_tables"](SimpleNamespace(study=name, table=table)))
        for key in ("planted", "calibration", "critical_size", "stopping", "ungrokking"):
            if getattr(study, key):
                rules[f"{key}_settings"](wildcards)
        if study.reported:
            rules["reported_figures"](wildcards)
        if any(part.between for part in study.runs):
            rules["factorial_design"](wildcards)
        if study.shift:
            asked += [rules["subsets_of_study"](wildcards), rules["judging_splits_of_study"](wildcards)]
        runs = study.all_runs()[:4]
        for run in dict.fromkeys([*runs, *(parent for run in runs if (parent := parent_of(config, run)))]):
            wildcards = SimpleNamespace(**run._asdict())
            for function in ("subset_of_run", "splits_of_run", "parent_of_run", "probe_pool_of_run"):
                asked.append(rules[function](wildcards))
            plain([rules["training_settings"](wildcards), rules["measurement_settings"](wildcards)])
            assert len(rules["kept_epochs"](wildcards)) < 20_000
            assert 1 <= rules["task_threads"](wildcards) <= 1024
            rules["network_code"]("train")(wildcards)
            rules["gpu_of_task"](wildcards)
            if run in runs:
                asked.append(rules["metrics_of_seeds"](wildcards))
    return [path for paths in asked for path in ([paths] if isinstance(paths, str) else paths)]


def survives(raw: dict) -> bool:
    """Whether a config is accepted; a refusal must be lines of the one form, an accepted one must be fit to plan."""
    try:
        config = check_config(raw)
        paths = plan(config)
    except (ConfigError, ValueError, SystemExit) as refusal:
        assert not isinstance(refusal, ValueError) or isinstance(refusal, ConfigError) or "reported" in str(refusal)
        for line in str(refusal).split("\n"):
            assert LINE.fullmatch(line), line
            assert line.isprintable() and len(line) < 1500, line
        return False
    for path in paths:
        assert PATH.fullmatch(path.format(study="s")) and ".." not in path, path
    return True


OPTIONS = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@settings(OPTIONS, max_examples=500)
@given(mutated(SMALL))
def test_a_mutated_config_is_accepted_or_refused_in_lines(raw):
    survives(raw)


@settings(OPTIONS, max_examples=60)
@given(mutated(WHOLE))
def test_so_is_the_paper_studys(raw):
    survives(raw)


@settings(OPTIONS, max_examples=60)
@given(st.one_of(VALUES, st.dictionaries(st.sampled_from([*SMALL, *ODD]), VALUES, max_size=4)))
def test_so_is_anything_else_that_yaml_can_say(raw):
    assert not survives(raw)


@pytest.mark.parametrize("base", [SMALL, WHOLE], ids=["small", "whole"])
def test_what_is_mutated_is_sound(base):
    assert survives(base)
