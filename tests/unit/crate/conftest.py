"""A small project that looks as Snakemake leaves it: sources, one run, a table, a figure, and their records."""

import base64
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from causalgrok.crate.archive import opened
from causalgrok.crate.code import Sources
from causalgrok.crate.export import export_study
from causalgrok.crate.names import METADATA
from causalgrok.files import sha256
from causalgrok.provenance import settings_hash

RECORDS = Path(".snakemake/metadata")
RUN = "results/runs/t/r/n1/seed0"
TRAIN = "results/data/d/train.safetensors"
TABLE, FIGURE = "results/s/tables/metrics.parquet", "results/s/figures/curve.svg"
TARGETS = [TABLE, FIGURE, f"{RUN}/run.json"]
CONFIG = {"seed": 0, "decay": 0.5}
SOURCES = {
    "Snakefile": "rule all:\n",
    "config.yaml": "build: [s]\n",
    "requirements.lock": "torch==1\n",
    "README.md": "# A project\n",
    "workflow/rules/all.smk": "",
    "workflow/scripts/draw.py": "from causalgrok.data import pack\n",
    "workflow/scripts/train.py": "import causalgrok.data\n",
    "workflow/scripts/collect.py": "from causalgrok import stack\n",
    "workflow/scripts/plot.py": "import causalgrok.plotting\n",
    "workflow/scripts/unused.py": "",
    "src/causalgrok/__init__.py": "",
    "src/causalgrok/data/__init__.py": "",
    "src/causalgrok/data/pack.py": "SIZE = 8\n",
    "src/causalgrok/models/net.py": "WIDTH = 2\n",
    "src/causalgrok/models/__init__.py": "",
    "src/causalgrok/plotting/__init__.py": "",
    "src/causalgrok/plotting/curve.py": "import causalgrok.stack\n",
    "src/causalgrok/stack.py": '"""Stack."""\nORDER = 1\n',
}


@dataclass(frozen=True)
class Study:
    """The project; its folder is the working directory."""

    root: Path

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def record(self, rule: str, outputs: list[str], inputs: list[str], params: list[object], *modules: str) -> None:
        """Write a job's records as Snakemake does."""
        code = Sources(self.root).code_hash(f"{rule}.py", *modules)
        content = {
            "rule": rule,
            "input": sorted(inputs),
            "log": [f"logs/{rule}.log"],
            "params": sorted([repr(code), *map(repr, params)]),
            "code": f'        "../scripts/{rule}.py"\n',
            "conda_env": base64.b64encode(b"dependencies:\n- torch==1\n").decode(),
            "container_img_url": None,
            "software_stack_hash": "d41d8cd98f00b204e9800998ecf8427e",
            "job_hash": 7,
            "starttime": 1000.0 + len(rule),
            "endtime": 2000.0 + len(inputs),
            "incomplete": False,
            "input_checksums": {path: f"sha256:{sha256(path)}" for path in inputs if Path(path).is_file()},
        }
        for output in outputs:
            name = base64.urlsafe_b64encode(output.encode()).decode()
            self.write(str(RECORDS / name), json.dumps(content))

    def export(self, output: str = "results/s/crate.zip") -> Path:
        export_study("s", TARGETS, output, root=self.root, config={"studies": {"s": CONFIG}}, records=RECORDS)
        return self.root / output


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    study = Study(root)
    for path, text in SOURCES.items():
        study.write(path, text)
    study.write(TRAIN, "arrays")
    study.write("images/source.csv", "from before")
    study.record("draw", [TRAIN], ["images/source.csv"], [{"n": 1}])
    code = Sources(root).code_hash("train.py", "causalgrok.models.net")
    provenance = {
        "config": CONFIG,
        "config_hash": settings_hash(CONFIG),
        "code_hash": code,
        "data": {TRAIN: sha256(TRAIN)},
        "environment": {"python": "3.11", "versions": {"torch": "1"}},
    }
    study.write(f"{RUN}/run.json", json.dumps(provenance))
    study.write(f"{RUN}/metrics.parquet", "metrics")
    study.write(f"{RUN}/checkpoints/epoch0.safetensors", "weights")
    study.write(f"{RUN}/checkpoints/.snakemake_timestamp", "")
    made = [f"{RUN}/{name}" for name in ("run.json", "metrics.parquet", "checkpoints")]
    study.record("train", made, [TRAIN], [CONFIG], "causalgrok.models.net")
    study.write(TABLE, "table")
    study.record("collect", [TABLE], [f"{RUN}/metrics.parquet", f"{RUN}/checkpoints"], [["t", "r", 1, 0]])
    study.write(FIGURE, "<svg/>")
    study.write(FIGURE.replace("svg", "pdf"), "%PDF")
    study.record("plot", [FIGURE, FIGURE.replace("svg", "pdf")], [TABLE], ["curve"], "causalgrok.plotting.curve")
    return study


@dataclass(frozen=True)
class Unpacked:
    """A crate in a folder far from what it was made from, to be damaged."""

    folder: Path

    def edit(self, change) -> None:
        """Change the entities of the metadata, by identifier."""
        path = self.folder / METADATA
        content = json.loads(path.read_bytes())
        entities = {entity["@id"]: entity for entity in content["@graph"]}
        change(entities)
        path.write_text(json.dumps(content | {"@graph": list(entities.values())}))

    def rewrite(self, path: str, pattern: str, new: str) -> None:
        """Change a file, and what the metadata say of it: what is left is what only its meaning betrays."""
        file = self.folder / path
        text, count = re.subn(pattern, new, file.read_text())
        assert count
        file.write_text(text)
        new_facts = {"sha256": sha256(file), "contentSize": str(file.stat().st_size)}
        self.edit(lambda entities: entities[path].update(new_facts))


@pytest.fixture
def unpacked(study, tmp_path) -> Unpacked:
    crate = study.export()
    with opened(crate) as folder:
        shutil.copytree(folder, tmp_path / "elsewhere")
    shutil.rmtree(study.root)
    (tmp_path / "away").mkdir()
    return Unpacked(tmp_path / "elsewhere")
