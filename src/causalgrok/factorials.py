"""Factorials between two recipes: each setting in which they differ is a factor, each combination a recipe of its own.

A run set with ``between: [standard, grokking]`` stands for these 2^k recipes. The two themselves are the ends of the
design, so that their runs are shared with other studies; the others are called after the low end and the factors that
are at the high end's setting: ``standard_init_scale_grokfast``.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from causalgrok.config import Config, RunSet
from causalgrok.config_file import KeyPath
from causalgrok.refusals import nearest
from causalgrok.training.recipe import Recipe


class Design(NamedTuple):
    """What the recipes of a factorial are made of."""

    levels: dict[str, tuple[str, str]]
    """Factor (a setting of `Recipe`) -> its low and high setting, in words."""

    recipes: dict[str, tuple[str, ...]]
    """Recipe -> the factors that are high in it, the low end first."""


def factors_between(low: Recipe, high: Recipe) -> list[str]:
    """The settings in which two recipes differ, in the order of `Recipe`."""
    return [name for name in Recipe.model_fields if getattr(low, name) != getattr(high, name)]


def design_between(recipes: Mapping[str, Recipe], low: str, high: str) -> Design:
    """The factorial between two recipes.

    Args:
        recipes: recipe name -> settings.
        low: name of the recipe with every factor low.
        high: name of the one with every factor high.
    """
    factors = factors_between(recipes[low], recipes[high])
    chosen = [
        tuple(itertools.compress(factors, taken)) for taken in itertools.product((False, True), repeat=len(factors))
    ]
    named = {(): low, tuple(factors): high}
    levels = {
        factor: (_words(getattr(recipes[low], factor)), _words(getattr(recipes[high], factor))) for factor in factors
    }
    return Design(levels, {named.get(taken) or "_".join([low, *taken]): taken for taken in chosen})


def generated_recipes(recipes: Mapping[str, Recipe], low: str, high: str) -> dict[str, Recipe]:
    """The recipes of the factorial between two recipes, by name."""
    return {
        name: recipes[low].model_copy(update={factor: getattr(recipes[high], factor) for factor in taken})
        for name, taken in design_between(recipes, low, high).recipes.items()
    }


def expand(config: Config) -> Config:
    """The config with every factorial's recipes written out, in `recipes` and in its run sets; twice is once.

    Run sets that `factorial_problems` complains about are left as they are.
    """
    recipes = dict(config.recipes)
    studies = {}
    for name, study in config.studies.items():
        runs = []
        for part in study.runs:
            if _usable(config, part):
                generated = generated_recipes(config.recipes, *part.between)
                recipes |= generated
                part = part.model_copy(update={"recipes": list(generated)})
            runs.append(part)
        studies[name] = study.model_copy(update={"runs": runs})
    return config.model_copy(update={"recipes": recipes, "studies": studies})


def factorial_problems(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the factorials of a config: key path and message."""
    known = dict(config.recipes)
    for name, study in config.studies.items():
        pairs = [part.between for part in study.runs if part.between]
        for i, part in enumerate(study.runs):
            if not part.between:
                continue
            path = ("studies", name, "runs", i, "between")
            unknown = [(j, recipe) for j, recipe in enumerate(part.between) if recipe not in config.recipes]
            for j, recipe in unknown:
                yield (*path, j), f"{recipe!r} is not one of recipes: {nearest(recipe, config.recipes)}"
            if unknown:
                continue
            if part.between != pairs[0]:
                yield path, f"a study has one factorial, and another run set has {' to '.join(pairs[0])}"
            ends = [config.recipes[recipe] for recipe in part.between]
            if len(factors_between(*ends)) < 2:
                yield path, f"{' and '.join(part.between)} differ in fewer than 2 settings: no factorial lies between"
                continue
            generated = generated_recipes(config.recipes, *part.between)
            if part.recipes and part.recipes != list(generated):
                yield path, "its recipes are generated: leave out the key recipes, or give them a run set of their own"
            for recipe, made in generated.items():
                if known.setdefault(recipe, made) != made:
                    yield path, f"{recipe!r}, which it generates, is a recipe with other settings; rename that one"
        if pairs and "metrics" not in study.tables:
            yield ("studies", name, "tables"), "a factorial needs the table metrics"


def _usable(config: Config, part: RunSet) -> bool:
    """Whether a run set has a factorial between two recipes that there are."""
    return part.between is not None and set(part.between) <= set(config.recipes)


def _words(setting: object) -> str:
    """A setting as figures name it: ``0.005``, ``off``, ``decay 0.98, amplification 2``."""
    if setting is None:
        return "off"
    if hasattr(setting, "model_dump"):
        return ", ".join(f"{key} {_words(value)}" for key, value in setting.model_dump().items())
    return f"{setting:g}" if isinstance(setting, float) else str(setting)
