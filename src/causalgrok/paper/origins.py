"""Where a paper's numbers come from: runs with their hashes, settings, data, environments, checksums of files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from causalgrok.files import sha256
from causalgrok.paper.wording import count, number, span
from causalgrok.provenance import settings_hash

LISTED_RUNS = 60
"""Runs, at most, that have a row each; of more there is a row an arm."""

LISTED_FILES = 60
"""Data files, at most, that are named one by one; of more there is a line a folder."""

DIGITS = 12
"""Digits of a checksum that are shown."""

Record = Mapping[str, object]


def read_records(paths: Iterable[str | Path]) -> dict[str, Record]:
    """Folder of a run, under results/runs/ -> its run.json."""
    records = {}
    for path in map(Path, paths):
        records["/".join(path.parts[-5:-1])] = json.loads(path.read_text())
    return records


def run_rows(records: Mapping[str, Record]) -> list[dict[str, str]]:
    """A row a run, or where these are many a row an arm, whose hashes are those of its runs' hashes together."""
    runs = [{"run": folder, "runs": 1} | _hashes(record) | _spent(record) for folder, record in records.items()]
    if len(runs) > LISTED_RUNS:
        arms: dict[str, list[dict]] = {}
        for run in runs:
            arms.setdefault(run["run"].rsplit("/", 1)[0], []).append(run)
        runs = [_together(arm, rows) for arm, rows in arms.items()]
    return [
        {
            name: value if isinstance(value, str) else span(value) if isinstance(value, list) else f"{value}"
            for name, value in run.items()
        }
        for run in runs
    ]


def _hashes(record: Record) -> dict[str, str]:
    config = record.get("config_hash") or settings_hash(record.get("config", record.get("architecture")))
    return {
        "config": config[:DIGITS],
        "code": str(record.get("code_hash", ""))[:DIGITS],
        "data": settings_hash(record.get("data"))[:DIGITS],
        "environment": settings_hash(record.get("environment"))[:DIGITS] if "environment" in record else "",
    }


def _spent(record: Record) -> dict[str, object]:
    spent = {name: [record[name]] if name in record else [] for name in ("steps", "exposure", "seconds")}
    return spent | {"device": str(record.get("device", ""))}


def _together(arm: str, rows: Sequence[dict]) -> dict[str, object]:
    joined = {"run": arm, "runs": len(rows)}
    for name in ("config", "code", "data", "environment"):
        found = sorted({row[name] for row in rows})
        joined[name] = found[0] if len(found) == 1 else settings_hash(found)[:DIGITS]
    for name in ("steps", "exposure", "seconds"):
        joined[name] = [value for row in rows for value in row[name]]
    return joined | {"device": ", ".join(sorted({row["device"] for row in rows}))}


def settings_rows(records: Mapping[str, Record]) -> list[dict[str, str]]:
    """A row a task and recipe: network, loss, epochs, optimisation; what somebody else trained has none."""
    rows = {}
    for folder, record in records.items():
        task, recipe, *_ = folder.split("/")
        if "config" in record:
            rows.setdefault((task, recipe), _settings(task, recipe, record["config"]))
    return list(rows.values())


def _settings(task: str, recipe: str, config: Record) -> dict[str, str]:
    optimised, grokfast = config["recipe"], config["recipe"].get("grokfast")
    network = ", ".join(f"{key} {value}" for key, value in config["model"].items() if key != "name")
    return {
        "task": task,
        "recipe": recipe,
        "network": f"{config['model']['name']} ({network})" if network else config["model"]["name"],
        "loss": config["loss"].replace("_", " "),
        "epochs": f"{config['schedule']['epochs']:,}",
        "optimiser": optimised["optimiser"],
        "learning_rate": number(optimised["learning_rate"]),
        "weight_decay": number(optimised["weight_decay"]),
        "batch": f"{optimised['batch_size']:,}",
        "init_scale": number(optimised["init_scale"]),
        "grokfast": f"{number(grokfast['decay'])}, {number(grokfast['amplification'])}" if grokfast else "off",
    }


def environments(records: Mapping[str, Record]) -> list[dict[str, str]]:
    """A row an environment that runs were trained in: its hash, the number of runs, versions and machine."""
    found: dict[str, tuple[Record, int]] = {}
    for record in records.values():
        if environment := record.get("environment"):
            key = settings_hash(environment)[:DIGITS]
            found[key] = (environment, found.get(key, (None, 0))[1] + 1)
    return [
        {
            "hash": key,
            "runs": count(runs, "run"),
            "versions": ", ".join([f"python {told['python']}", *(f"{k} {v}" for k, v in told["versions"].items())]),
            "machine": f"{told['processor'] or told['machine']}, {told['cores']} cores, {told['system']}",
        }
        for key, (told, runs) in found.items()
    ]


def data_rows(records: Mapping[str, Record]) -> list[dict[str, str]]:
    """The data files that runs were trained on, or their folders, each with the start of its checksum."""
    files = {path: digest for record in records.values() for path, digest in sorted(record.get("data", {}).items())}
    if len(files) <= LISTED_FILES:
        return [{"file": path, "sha256": digest[:DIGITS]} for path, digest in sorted(files.items())]
    folders: dict[str, list[str]] = {}
    for path, digest in sorted(files.items()):
        folders.setdefault(str(Path(path).parent.parent), []).append(digest)
    return [
        {"file": f"{folder}/ ({len(digests)} files)", "sha256": settings_hash(digests)[:DIGITS]}
        for folder, digests in folders.items()
    ]


def file_rows(paths: Iterable[str | Path]) -> list[dict[str, str]]:
    """The files that a paper is made from, each with the start of its checksum."""
    named = {"/".join(Path(path).parts[-3:]): path for path in paths}
    return [{"file": name, "sha256": sha256(path)[:DIGITS]} for name, path in sorted(named.items())]


def fingerprint(files: Sequence[Mapping[str, str]], records: Mapping[str, Record]) -> str:
    """16 digits that change with any table, any figure, or the config, code or data of any run."""
    return settings_hash([list(files), {folder: _hashes(record) for folder, record in records.items()}])[:16]
