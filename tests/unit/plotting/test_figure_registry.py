"""The registry: light to import, complete, and clear about what is missing."""

import ast
import subprocess
import sys
from pathlib import Path

import docutils.core
import jinja2
import pytest

from causalgrok.columns import COLUMNS
from causalgrok.plotting import FIGURES, draw

ROOT = Path(__file__).parents[3]


def test_the_registry_imports_neither_matplotlib_nor_pandas():
    code = "import sys, causalgrok.plotting; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "pandas", "seaborn"} & set(run.stdout.split())


@pytest.mark.parametrize("module", sorted({spec.module for spec in FIGURES.values()}))
def test_a_figures_module_imports_no_other_figures(module):
    """Or an edit of one would redraw the figures of the other."""
    tree = ast.parse((ROOT / f"src/causalgrok/plotting/{module}.py").read_text())
    imports = {
        f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    shared = {"causalgrok.plotting.style", "causalgrok.plotting.frames"}
    assert {name for name in imports if name.startswith("causalgrok.plotting")} <= shared


@pytest.mark.parametrize("spec", FIGURES.values(), ids=list(FIGURES))
def test_every_figure_has_tables_that_exist_and_a_caption_that_renders(spec):
    assert spec.tables and set(spec.tables) <= set(COLUMNS)
    template = jinja2.Template((ROOT / spec.caption).read_text(), undefined=jinja2.StrictUndefined)
    text = template.render(snakemake={"wildcards": {"study": "paper"}})
    assert "paper" in text
    # halt_level 2: a warning of the markup is an error.
    docutils.core.publish_string(text, writer="html", settings_overrides={"halt_level": 2})


def test_every_caption_belongs_to_a_figure():
    captions = {path.stem for path in (ROOT / "workflow/report").glob("*.rst")}
    assert set(FIGURES) <= captions


def test_an_unknown_figure_is_refused_with_the_known_ones(tables):
    with pytest.raises(ValueError, match=r"figure sterring: unknown, expected one of trajectories, .*steering"):
        draw("sterring", tables)


@pytest.mark.parametrize("spec", FIGURES.values(), ids=list(FIGURES))
def test_a_missing_table_is_named(spec, tables):
    without = {name: frame for name, frame in tables.items() if name != spec.tables[-1]}
    with pytest.raises(ValueError, match=rf"figure {spec.name}: missing tables \['{spec.tables[-1]}'\]"):
        draw(spec.name, without)


@pytest.mark.parametrize("spec", FIGURES.values(), ids=list(FIGURES))
def test_a_missing_column_is_named(spec, tables):
    for table in spec.tables:
        # Tables about many runs have no column of one.
        column = "recipe" if "recipe" in tables[table] else tables[table].columns[0]
        without = tables[table].drop(columns=[column])
        with pytest.raises(ValueError, match=rf"table {table}: missing columns \['{column}'\]"):
            draw(spec.name, tables | {table: without})


def test_a_table_without_rows_is_refused(tables):
    with pytest.raises(ValueError, match="table outcomes: no rows"):
        draw("peak_accuracy", tables | {"outcomes": tables["outcomes"].iloc[:0]})
