"""What the Snakemake workflow catalogue reads."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_catalogue_finds_what_it_looks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment.keys() == {"conda", "apptainer", "apptainer+conda"}
    assert {type(value) for value in (*deployment.values(), usage["report"])} == {bool}
    assert deployment["conda"] == any("conda:" in path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))


def test_a_repository_like_this_is_listed():
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (ROOT / "Snakefile").exists() and [*(ROOT / "workflow/rules").glob("*.smk")]
