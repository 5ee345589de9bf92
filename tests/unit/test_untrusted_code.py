"""Nothing that comes from outside is ever run: no pickle, no eval, no shell, in the library, the scripts or the rules.

The source is walked rather than trusted: whoever adds a call of these kinds is told here.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("src", "workflow/scripts", "bench") for path in (ROOT / folder).rglob("*.py"))

PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
BUILTINS = {"eval", "exec", "compile", "__import__", "execfile"}
CALLS = {
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "code.interact"),
    *("pd.read_pickle", "pandas.read_pickle", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "yaml.unsafe_load_all", "yaml.full_load_all"),
    *("shutil.unpack_archive", "importlib.reload", "runpy.run_path", "runpy.run_module", "ctypes.CDLL.system"),
}
SAFE_LOADERS = {"PlainLoader", "_LOADER", "SafeLoader", "CSafeLoader"}


def problems(source: str) -> Iterator[str]:
    """What a file does that could run something from outside, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in names:
                if name.split(".")[0] in PICKLES:
                    yield f"line {node.lineno}: imports {name}"
        elif isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {reason}" for reason in call_problems(node))


def call_problems(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    given = {word.arg: word.value for word in call.keywords if word.arg}

    if name in BUILTINS or name in CALLS or last == "read_pickle" or last.startswith(("spawnl", "execv", "execl")):
        yield f"calls {name}"
    for key in ("shell", "allow_pickle"):
        if key in given and getattr(given[key], "value", True) is not False:
            yield f"{name} with {key}"
    if name == "torch.load" and getattr(given.get("weights_only"), "value", False) is not True:
        yield "torch.load without weights_only=True"
    if name == "yaml.load" and ast.unparse(given.get("Loader", call)).rpartition(".")[2] not in SAFE_LOADERS:
        yield "yaml.load without a safe loader"
    if last in ("extractall", "unpack_archive"):
        yield f"{name} unpacks whatever an archive says"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_it_reads(path):
    assert not list(problems(path.read_text()))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.FullLoader)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.run(text, shell=flag)",
        "tar.extractall(folder)",
    ],
)
def test_each_of_these_would_be_noticed(source):
    assert list(problems(source))


def test_what_is_safe_is_let_through():
    source = "model.eval()\ntorch.load(a, weights_only=True)\nyaml.load(b, Loader=PlainLoader)\nsubprocess.run([c])"
    assert not list(problems(source))


RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_rule_has_a_shell_or_code_of_its_own(path):
    directives = re.findall(r"^\s+(shell|run|wrapper|notebook|cwl|template_engine):", path.read_text(), re.MULTILINE)
    assert not directives
