"""Table, figure and probe scripts start quickly: none imports a library that it does not need, or not at once."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "workflow/scripts").glob("*.py"))

NETWORK = {"extract_features", "find_clusters", "measure_counterfactuals", "steer_activations", "train"}
"""Scripts that run a network."""

STATISTICAL = {"validate_probes"}
"""Scripts that need the distributions of scipy all along."""


def imported_by(script: Path, *names: str) -> set[str]:
    """Which of these modules a script's own import statements load."""
    statements = [
        node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    program = "\n".join([*map(ast.unparse, statements), "import sys", f"print(*{set(names)!r} & set(sys.modules))"])
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.stem not in NETWORK], ids=lambda path: path.stem)
def test_a_script_without_a_network_starts_without_heavy_libraries(script):
    heavy = {"torch", "torchvision", "sklearn", "seaborn", "matplotlib.pyplot"}
    if script.stem not in STATISTICAL:
        heavy.add("scipy.stats")
    if not script.stem.startswith("plot_"):
        heavy.add("matplotlib.figure")
    assert not imported_by(script, *heavy)


def test_a_script_that_runs_a_network_imports_torch():
    """Otherwise the test above would find nothing wherever it looked."""
    train = next(path for path in SCRIPTS if path.stem == "train")
    assert imported_by(train, "torch", "pandas", "seaborn") == {"torch", "pandas"}
