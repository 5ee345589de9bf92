"""Where examples lie: data/<dataset>, or data/<dataset>/examples/n<n>/seed<seed> where they are drawn for each."""

from pathlib import Path


def dataset_of(folder: Path) -> str:
    """The dataset whose examples a folder holds."""
    drawn = len(folder.parts) > 3 and folder.parts[-3] == "examples"
    return folder.parts[-4] if drawn else folder.name
