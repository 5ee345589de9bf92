"""Write what is generated from the models, the claims and the lock: JSON schema, tables in documents, environments.

Run as ``python -m causalgrok.generate`` in the repository; a test fails where a file has drifted.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from causalgrok.analysis.claims.entries import Ledger
from causalgrok.claims_file import load_claims
from causalgrok.config import Config
from causalgrok.reference import tables_reference
from causalgrok.settings import LARGEST

README = "README.md"
SCHEMA = "workflow/schemas/config.schema.json"
LOCK = "requirements.lock"
BEGIN, END = "<!-- config table: generated -->", "<!-- config table: end -->"
CLAIMS, CLAIMS_PAGE = "workflow/claims.yaml", "docs/claims.md"
TABLES_PAGE = "docs/tables.md"
TABLES_BEGIN, TABLES_END = "<!-- reference of tables: generated -->", "<!-- reference of tables: end -->"
CLAIMS_BEGIN, CLAIMS_END = "<!-- table of claims: generated -->", "<!-- table of claims: end -->"

ENVIRONMENTS = {
    "data": (
        *(
            "huggingface-hub",
            "numpy",
            "pandas",
            "pillow",
            "pyarrow",
            "pydantic",
            "safetensors",
            "scikit-learn",
            "scipy",
        ),
        *("torchstain", "torchvision", "wilds"),
    ),
    "torch": (
        *("numpy", "pandas", "pillow", "pyarrow", "pydantic", "safetensors", "scipy", "torch", "torchstain"),
        "torchvision",
    ),
    "erasing": ("numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scikit-learn", "scipy", "threadpoolctl"),
    "clustering": ("numpy", "pandas", "pydantic", "safetensors", "scikit-learn", "scipy", "torch"),
    "analysis": (
        *("matplotlib", "numpy", "pandas", "pillow", "plotly", "pyarrow", "pydantic", "safetensors", "scipy"),
        *("seaborn", "statsmodels", "threadpoolctl", "torchstain"),
    ),
    "statistics": ("lifelines", "numpy", "pandas", "pyarrow", "pydantic", "safetensors", "scipy", "statsmodels"),
    "crate": ("rocrate",),
    "paper": ("numpy", "pandas", "pyarrow", "scipy", "typst"),
    "report": ("numpy", "pandas", "pydantic", "pyyaml", "safetensors", "scipy", "snakemake"),
}
"""Conda environment -> the packages that its rules' scripts import; the report's job plans the pipeline again."""


def generated_files(root: Path) -> Iterator[tuple[Path, str]]:
    """Each generated file and what should stand in it."""
    yield root / SCHEMA, json.dumps(Config.model_json_schema(), indent=2) + "\n"
    yield root / README, _between((root / README).read_text(), BEGIN, config_table(), END)
    table = claims_table(Ledger.model_validate(load_claims(root / CLAIMS)))
    yield root / CLAIMS_PAGE, _between((root / CLAIMS_PAGE).read_text(), CLAIMS_BEGIN, table, CLAIMS_END)
    page = (root / TABLES_PAGE).read_text()
    yield root / TABLES_PAGE, _between(page, TABLES_BEGIN, f"\n{tables_reference()}\n", TABLES_END)
    pins = locked_versions((root / LOCK).read_text())
    for name, packages in ENVIRONMENTS.items():
        yield root / f"envs/{name}.yaml", _environment(packages, pins)


def _between(text: str, begin: str, content: str, end: str) -> str:
    """The text with other content between two markers."""
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def claims_table(ledger: Ledger) -> str:
    """A Markdown table of every claim: name, sources, sentence, reported figure, studies."""
    lines = ["| claim | source | sentence | reported | reproduction (analogue) |", "|---|---|---|---|---|"]
    for name, claim in ledger.claims.items():
        studies = ", ".join(claim.studies.reproduction)
        if claim.studies.analogue:
            studies += f" ({', '.join(claim.studies.analogue)})"
        texts = (f"`{name}`", ", ".join(claim.source), claim.sentence, claim.reported, studies)
        lines.append(f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |")
    return "\n".join(lines)


def config_table() -> str:
    """A Markdown table of every config key: path, type, default, meaning."""
    schema = Config.model_json_schema()
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    lines += [f"| `{path}` | {kind} | {default} | {text} |" for path, kind, default, text in _keys(schema, schema, "")]
    return "\n".join(lines)


def locked_versions(lock: str) -> dict[str, str]:
    """Package -> version in a lock, for the oldest Python it serves where it gives several."""
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock, flags=re.MULTILINE)
    return dict(reversed(pins))


def _environment(packages: tuple[str, ...], pins: dict[str, str]) -> str:
    content = {
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": ["python=3.11", "pip", {"pip": [f"{name}=={pins[name]}" for name in packages]}],
    }
    return "# Generated from requirements.lock by `make schema`; the library itself is found through PYTHONPATH.\n" + (
        yaml.safe_dump(content, sort_keys=False)
    )


def _keys(node: dict, schema: dict, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        text = child.get("description", "").replace("\n", " ").replace("|", "\\|")
        yield path, _kind(child), _default(name, child, node), text
        yield from _below(child, schema, path)


def _below(child: dict, schema: dict, path: str) -> Iterator[tuple[str, str, str, str]]:
    if "$ref" in child:
        yield from _keys(schema["$defs"][child["$ref"].rsplit("/", 1)[1]], schema, f"{path}.")
    for option in [*child.get("anyOf", []), *child.get("oneOf", [])]:
        yield from _below(option, schema, path)
    # Mappings with names as keys: pydantic says additionalProperties for free names, patternProperties for ours.
    for option in [child.get("additionalProperties"), *child.get("patternProperties", {}).values()]:
        if isinstance(option, dict):
            yield from _below(option, schema, f"{path}.<name>")
    if isinstance(child.get("items"), dict):
        yield from _below(child["items"], schema, f"{path}[]")


def _default(name: str, child: dict, parent: dict) -> str:
    if name in parent.get("required", []):
        return "required"
    default = child.get("default")
    if default is None:
        return "empty"
    return "see below" if isinstance(default, dict) else f"`{json.dumps(default)}`"


def _kind(child: dict) -> str:
    if "enum" in child:
        return " or ".join(str(option) for option in child["enum"])
    if "const" in child:
        return str(child["const"])
    if "$ref" in child or "oneOf" in child:
        return "mapping"
    if "anyOf" in child:
        kinds = [_kind(option) for option in child["anyOf"]]
        return " or ".join(kind for kind in kinds if kind != "null") + (" or empty" if "null" in kinds else "")
    if child.get("type") == "array":
        return f"list of {_kind(child['items'])}" if "items" in child else "list"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    narrower = {key: sign for key, sign in bounds.items() if abs(child.get(key, LARGEST)) < LARGEST}
    limits = " and ".join(f"{sign} {child[key]:g}" for key, sign in narrower.items())
    kind = {"object": "mapping", "string": "text", "boolean": "true or false"}.get(child["type"], child["type"])
    return f"{kind} {limits}".strip()


def main() -> None:
    """Write every generated file."""
    for path, content in generated_files(Path.cwd()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
