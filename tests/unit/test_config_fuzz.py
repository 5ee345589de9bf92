"""A config that somebody mistyped, edited halfway or wrote to do harm: settings or one line a problem, nothing else.

Every accepted config then goes through what the rules do with it while they are read, with their own functions.
"""

import ast
import functools
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutated_config import ODD, SMALL, VALUES, WHOLE, mutated

from causalgrok.claims_file import read_claims
from causalgrok.config import Config, parent_of
from causalgrok.known_hashes import KnownHashes
from causalgrok.reported_file import read_reported
from causalgrok.validation import ConfigError, check_config

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"(config: (top level|[^\s:].*?)|\S+reported\.csv line \d+): \S.*")
"""What a refusal says: where, and what is wrong there."""

MOST_STUDIES = 8

PATH = re.compile(r"<\w+>(/[\w.{}-]+)+")
"""What a rule may make of names: below one of its folders, and nothing that a shell or a pattern reads otherwise."""


@functools.cache
def known_hashes() -> KnownHashes:
    return KnownHashes(ROOT / "workflow/scripts")


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
    rules |= {"IS_MODULE": False, "CONFIG_SOURCES": (), "RESULTS": Path("results"), "ROOT": ROOT}
    rules |= {
        "known_hashes": known_hashes(),
        "ledger": claims(),
        "published": read_reported(ROOT / "workflow/reported.csv", config),
    }
    asked: list = []
    for name in config.datasets:
        wildcards = SimpleNamespace(dataset=name)
        for function in ("generator_settings", "packing_settings"):
            plain(rules[function](wildcards))
        asked.append(rules["splits_in"](name))
        if not config.datasets[name].drawn:
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
            asked.append(rules["run_tables"](wildcards, table))
        for tables in rules["collected_together"](name).values():
            plain(rules["runs_of_tables"](wildcards, tables))
        for figures in rules["figures_by_category"](name).values():
            assert set(rules["tables_of_figures"](figures)) <= set(rules["tables_of"](name))
        for key in ("planted", "calibration", "critical_size", "stopping", "ungrokking"):
            if getattr(study, key):
                rules[f"{key}_settings"](wildcards)
        if study.reported:
            rules["reported_figures"](wildcards)
        if any(part.between for part in study.runs):
            rules["factorial_design"](wildcards)
        if study.shift:
            asked += [rules["subsets_of_study"](wildcards), rules["judging_splits_of_study"](wildcards)]
        runs = study.all_runs[:4]
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
                asked.append(rules["seeds_of_run"](wildcards))
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
