"""Small studies to be set as papers: synthetic tables, pictures, run records and captions."""

import json

import matplotlib as mpl
from matplotlib.figure import Figure
from synthetic_explorer import claims
from synthetic_study import study_tables

from causalgrok.analysis.settings import DetectorSettings
from causalgrok.paper.document import document
from causalgrok.plotting import style

NASTY = '#read("/etc/passwd") $x$ *b* _e_ @ref <l> \\ // c /* d */ `r` = [#eval("1")] "q" ~ --- #{1+1}'
"""What would be Typst code if it were read as such; no space doubled, no line end, so that it is found again."""

CAPTION = """**What is drawn** (study *{{ snakemake.wildcards.study }}*): the ``table`` of :math:`\\kappa` and *more*,
over two lines.

*How to read it.* From left to right.

*What it cannot say.* Anything else.
"""

TITLES = {"sources": {"s0": "A source"}, "families": {"f": "Is it so?"}}


def tables():
    """Two recipes, two seeds, one size; three claims."""
    return study_tables(seeds=(0, 1), sizes=(300,)) | {"claims": claims()}


def judged(**thresholds):
    """The judgement of the only task."""
    return {"camelyon17": {"chance": 0.5, "detector": DetectorSettings(**thresholds).model_dump(mode="json")}}


def picture(folder, name, width=style.TWO_COLUMNS):
    """A figure's PDF file as the pipeline writes them."""
    figure = Figure(figsize=(width, 1))
    with mpl.rc_context(style.CONTEXT):
        figure.text(0.1, 0.5, f"drawn {name}")
    style.save_figure(figure, folder / f"{name}.pdf", folder / f"{name}.svg")
    return folder / f"{name}.pdf"


def record(**changes):
    """A run.json."""
    recipe = {"optimiser": "adamw", "learning_rate": 1e-3, "weight_decay": 5e-3, "init_scale": 4.0, "batch_size": 32}
    recipe |= {"grokfast": {"decay": 0.98, "amplification": 2.0}}
    config = {"model": {"name": "resnet18", "width": 8}, "loss": "cross_entropy", "schedule": {"epochs": 3000}}
    versions = {"python": "3.11.7", "versions": {"torch": "2.13.0"}, "processor": "a processor", "cores": 2}
    plain = {"config_hash": "c" * 64, "code_hash": "d" * 16, "device": "cpu", "steps": 96000, "exposure": 0.48}
    plain |= {
        "config": config | {"recipe": recipe},
        "seconds": 12.5,
        "data": {"results/data/x/y/z.safetensors": "e" * 64},
    }
    return plain | {"environment": versions | {"machine": "x86_64", "system": "Linux"}} | changes


def write_record(folder, run="camelyon17/grokking/n300/seed0", **changes):
    """A run.json where a run has it."""
    path = folder / "results/runs" / run / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record(**changes)))
    return path


def content(study_tables, **more):
    """The document of a study."""
    told = {"study": "small", "description": "What is it?", "titles": TITLES, "judgements": judged()}
    return document(study_tables, **told | more)
