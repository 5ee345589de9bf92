"""The colours of the figures and of the explorer, which needs no matplotlib for them."""

from collections.abc import Iterable, Sequence

_FIXED = {"standard": "#0072B2", "grokking": "#D55E00"}
# Okabe & Ito's colours that the fixed ones leave (yellow is too pale for a thin line), then three of Tol's "muted".
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933", "#332288")
# Tol's "muted", for seeds: none of them is a recipe's fixed colour.
DISTINCT = ("#332288", "#44AA99", "#CC6677", "#DDCC77", "#AA4499", "#88CCEE", "#117733", "#882255", "#999933")
"""Colours that are told apart without an order, for what is not a recipe."""


def colours(names: Iterable[str]) -> dict[str, str]:
    """Recipe -> colour: standard and grokking have theirs, the others take the rest in the order of their names."""
    names = sorted(set(names))
    others = [name for name in names if name not in _FIXED]
    palette = _OTHERS if len(others) <= len(_OTHERS) else hues(len(others))
    mapping = _FIXED | dict(zip(others, palette, strict=False))
    return {name: mapping[name] for name in names}


def hues(count: int) -> Sequence[str]:
    """Colours around the wheel, where more are wanted than the palettes have."""
    import seaborn as sns  # a third of a second in every figure's job, for the few that need so many

    return sns.husl_palette(count).as_hex()
