"""From a source's settings to its splits, for datasets without hospitals.

A new one is a module with `SETTINGS`, its settings with a literal `kind`, and a function
``draw(settings, *, n, seed)``, and a line here and in the union `PlainDataset.source` of `causalgrok.config`.
"""

import importlib

from causalgrok.data.splits import Split

MODULES = {
    "modular": "causalgrok.data.modular",
    "subclass_shift": "causalgrok.data.subclass_shift",
}
"""Kind of source -> the module that draws it; imported when asked for, so that one's edit redraws no other."""

SPLITS = ("train", "test")
"""What is drawn for each n and seed: the training subset, and the examples a run is evaluated on."""


def draw(source: dict, *, n: int, seed: int) -> dict[str, Split]:
    """Draw the splits of `SPLITS` by name.

    Args:
        source: the settings as plain JSON.
        n: size of the training subset.
        seed: seed of the draw; the subset of a smaller n is a part of a larger one's, and `test` is the same.

    Raises:
        ValueError: there are fewer than n training examples.
    """
    module = importlib.import_module(MODULES[source["kind"]])
    return module.draw(module.SETTINGS(**source), n=n, seed=seed)
