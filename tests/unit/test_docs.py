"""README and docs: links lead somewhere, and commands name what there is."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from causalgrok.columns import COLUMNS
from causalgrok.config import Config
from causalgrok.config_names import RESERVED
from causalgrok.plotting import FIGURES

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
]
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"[A-Z]+|.*<\w+>.*|\.\.\.")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), flags=re.MULTILINE)
    slugs: list[str] = []
    for heading in headings:
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
        slugs.append(slug if slug not in slugs else f"{slug}-{slugs.count(slug)}")
    return set(slugs)


def links(page: Path) -> list[str]:
    """Where a page's links and images lead, those in code left out."""
    text = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", page.read_text()))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)


def commands(page: Path, name: str) -> list[str]:
    """The commands of a page that begin with a name, in blocks and between backticks."""
    text = page.read_text()
    lines = [line.strip() for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`]+)`", BLOCK.sub("", text))
    found = [" ".join(command.split()) for command in (*lines, *inline)]
    return [command.split(" | ")[0].split(" && ")[0] for command in found if command.startswith(f"{name} ")]


def named(pattern: str) -> list:
    """Parameters for the pages with such commands."""
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if commands(page, pattern)]


def own_studies() -> set[str]:
    """The studies of config.yaml, and those that blocks of YAML in the docs define."""
    studies = {*yaml.safe_load((ROOT / "config.yaml").read_text())["studies"]}
    for page in PAGES:
        for block in re.findall(r"^```yaml[^\n]*\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL):
            content = yaml.safe_load(block)
            studies |= {*(content.get("causalgrok", content).get("studies") or {})}
    return studies


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in links(page):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_another():
    reached = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)}
    assert not [page.name for page in PAGES if page.parent != ROOT and page not in reached]


OF_STUDIES = re.findall(
    r'"<results>/\{study\}/([\w.]+)"', "".join(path.read_text() for path in ROOT.glob("workflow/rules/*.smk"))
)

TUTORIAL_FIGURES = re.findall(r'^\+ *FigureSpec\("(\w+)"', "".join(map(Path.read_text, PAGES)), flags=re.MULTILINE)


def is_target(target: str, studies: set[str]) -> bool:
    """Whether a target is a study, a rule or a file of results."""
    if PLACEHOLDER.fullmatch(target) or target.removeprefix("causalgrok_") in studies | RESERVED:
        return True
    folder, _, rest = target.partition("/")
    study, _, rest = rest.partition("/")
    known = study in studies | {"runs", "data", "inspect"} or PLACEHOLDER.fullmatch(study)
    if folder != "results" or not known:
        return False
    kind, _, name = rest.partition("/")
    stem, _, ending = name.partition(".")
    if kind in ("figures", "tables"):
        known, endings = (FIGURES, ("pdf", "svg")) if kind == "figures" else (COLUMNS, ("parquet",))
        return stem in {*known, *TUTORIAL_FIGURES} and ending in endings
    return study in ("runs", "data") or rest in OF_STUDIES


@pytest.mark.parametrize("page", named("snakemake"))
def test_snakemake_commands_can_be_run(page):
    parser, studies = get_argument_parser(), own_studies()
    for command in commands(page, "snakemake"):
        arguments = parser.parse_args(shlex.split(command.replace("...", "PLACE"), comments=True)[1:])
        assert not [target for target in arguments.targets if not is_target(target, studies)], command
        keys = {pair.partition("=")[0] for pair in arguments.config or []}
        assert keys <= {*Config.model_fields, "PLACE"}, command


def test_all_shown_targets_of_our_own_studies_can_be_planned(tmp_path):
    parser, studies = get_argument_parser(), yaml.safe_load((ROOT / "config.yaml").read_text())["studies"]
    shown = [
        target
        for page in PAGES
        for command in commands(page, "snakemake")
        for target in parser.parse_args(shlex.split(command.replace("...", "PLACE"), comments=True)[1:]).targets
    ]
    # Those of a tutorial's study are run by tests/workflow/test_tutorials.py.
    own = {target for target in shown if target in studies or target.split("/")[:2][-1] in {*studies, "runs"}}
    targets = sorted(target.replace("$task", "linear") for target in own)
    assert len(targets) > 20
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--directory", str(tmp_path)]
    done = subprocess.run([*command, "--snakefile", str(ROOT / "Snakefile"), *targets], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not [*tmp_path.glob("results")]


@pytest.mark.parametrize("page", named("make"))
def test_make_commands_have_a_target(page):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for command in commands(page, "make"):
        words = command.partition("#")[0].split()[1:]
        assert {word for word in words if "=" not in word} <= {*targets, "make"}, command


MODULE = re.compile(r"python -m (causalgrok[\w.]*)")


@pytest.mark.parametrize("module", sorted({name for page in PAGES for name in MODULE.findall(page.read_text())}))
def test_modules_that_are_called_exist(module):
    path = ROOT.joinpath("src", *module.split("."))
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()
