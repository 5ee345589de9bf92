"""What hostile and mutated configs make of the real command: an end in lines, no traceback, and no job."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from mutated_config import WHOLE, mutated

from causalgrok.validation import ConfigError, check_config

PLAIN = Path(__file__).with_name("plain.yaml")

LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
)

REFUSED = {
    "laughs": (LAUGHS, "config: top level: holds more than 100,000 values; mind aliases of aliases"),
    "template": ("__use_yte__: true\nsave_seconds: ?30 + 30", "config: __use_yte__: would let Snakemake run code"),
    "twice": ("build: [demo]\nbuild: [mnist]", "config: build: stands twice; keep one of them"),
    "traversal": (
        "recipes: {../../x: {weight_decay: 1}}",
        "config: recipes.'../../x': '../../x': names are lower-case",
    ),
}

SAID_BY_SNAKEMAKE = {
    "broken": (b"build: [1\n", "Config file is not valid JSON or YAML"),
    "tag": (b"x: !!python/object/apply:os.system [id]", "Config file is not valid JSON or YAML"),
    "latin-1": ("data_root: Köln".encode("latin-1"), "UnicodeDecodeError"),
    "itself": (b"tasks: &a {tissue: *a}", "RecursionError"),
}
"""Files of ``--configfile``, which it reads before any of ours; the last two with its own traceback."""


def refused(project, *arguments: str, overlay=None) -> str:
    done = project.snakemake("demo", "--cores", "1", *arguments, overlay=overlay)
    assert done.returncode == 1, done.stdout
    assert not (project.folder / "results").exists()
    assert not (project.folder / "logs").exists()
    return done.stdout


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_overlay_ends_in_a_line_before_any_job(project, tmp_path, name):
    text, said = REFUSED[name]
    (tmp_path / "theirs.yaml").write_text(text)
    shown = refused(project, overlay=tmp_path / "theirs.yaml")
    assert said in shown and "theirs.yaml" in shown
    assert "Traceback" not in shown


def test_a_slip_in_config_yaml_is_told_with_its_line(project):
    path = project.folder / "config.yaml"
    path.write_text(path.read_text() + "\nmeasurement:\n\tfull\n")
    lines = path.read_text().splitlines()
    shown = refused(project)
    assert f"config.yaml is no YAML in line {len(lines)}: found character that cannot start any token; indent" in shown
    assert "Traceback" not in shown


def test_a_key_on_the_command_line_that_is_none_starts_nothing(project):
    assert "Invalid config definition" in refused(project, "--config", "recipes.grokking=1")
    assert "config: data_root: 5: should be" in refused(project, "--config", "data_root=5")


@pytest.mark.reliability
@pytest.mark.parametrize("name", SAID_BY_SNAKEMAKE)
def test_what_snakemake_itself_refuses_starts_nothing_either(project, tmp_path, name):
    content, said = SAID_BY_SNAKEMAKE[name]
    (tmp_path / "theirs.yaml").write_bytes(content)
    assert said in refused(project, overlay=tmp_path / "theirs.yaml")


@pytest.mark.reliability
def test_a_description_is_text_in_the_report(project, tmp_path):
    hostile = "</script><script>alert('planted')</script>\n.. raw:: html\n\n   <b>planted</b> {{ 7 * 7 }}"
    overlay = yaml.safe_load(PLAIN.read_text())
    runs = [{"task": "tiny_mlp", "recipes": ["small_decay"], "n": [25], "seeds": [1]}]
    overlay["studies"] = {
        "plain": {"description": hostile, "runs": runs, "tables": ["metrics"], "figures": ["trajectories"]}
    }
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(overlay))
    done = project.snakemake("plain", "--cores", "2", overlay=tmp_path / "theirs.yaml")
    assert done.returncode == 0, done.stdout
    report = (project.folder / "results/plain/report.html").read_text()
    assert len(report) > 10_000 and "<script>alert('planted')" not in report and "<b>planted</b>" not in report


@pytest.mark.reliability
def test_mutated_configs_start_no_job_and_show_no_traceback(project):
    line = re.compile(r"(config|claims|\S+reported\.csv line \d+): \S.*")

    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(WHOLE))
    def run(raw):
        try:
            (project.folder / "config.yaml").write_text(yaml.safe_dump(raw))
        except yaml.representer.RepresenterError:
            return
        try:
            check_config(raw)
            done = project.snakemake("-n", "demo", overlay=None)
        except ConfigError:
            done = project.snakemake("demo", "--cores", "1", overlay=None)
            assert done.returncode == 1
        assert "Traceback" not in done.stdout
        assert not (project.folder / "results").exists()
        if done.returncode:
            assert any(line.fullmatch(shown) for shown in done.stdout.splitlines()), done.stdout

    run()
