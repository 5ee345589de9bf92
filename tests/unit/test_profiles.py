"""The profiles name rules that exist, and the one for Slurm keeps what the one it stands in for says."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = {
    name: body
    for file in (ROOT / "workflow/rules").glob("*.smk")
    for name, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), flags=re.MULTILINE | re.DOTALL)
}


@pytest.fixture(scope="module")
def profiles() -> dict[str, dict]:
    return {path.parent.name: yaml.safe_load(path.read_text()) for path in ROOT.glob("profiles/*/*.yaml")}


def test_resources_are_those_of_rules_that_are_submitted(profiles):
    assert len(RULES) > 30
    for rule in profiles["slurm"]["set-resources"]:
        assert rule in RULES
        assert "localrule: True" not in RULES[rule]


def test_every_rule_that_may_ask_for_a_gpu_has_its_time_and_memory_set(profiles):
    with_gpu = {name for name, body in RULES.items() if "gpu=gpu_of_task" in body}
    assert len(with_gpu) == 4
    for rule in with_gpu:
        assert {"runtime", "mem_mb"} <= profiles["slurm"]["set-resources"][rule].keys()


def test_time_and_memory_grow_with_each_attempt_to_the_last(profiles):
    slurm = profiles["slurm"]
    for resources in [slurm["default-resources"], *slurm["set-resources"].values()]:
        for expression in resources.values():
            asked = [eval(expression, {"attempt": attempt}) for attempt in range(1, slurm["retries"] + 2)]
            assert asked == sorted(asked) and asked[0] < asked[-1]


def test_the_profile_for_slurm_repeats_the_default_but_for_its_one_gpu(profiles):
    kept = {key: value for key, value in profiles["default"].items() if key != "resources"}
    assert {key: profiles["slurm"].get(key) for key in kept} == kept
