"""Configs with something wrong in them, for the tests of what is made of them."""

import copy
import datetime
import functools
from pathlib import Path

import yaml
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
WHOLE = yaml.load((ROOT / "config.yaml").read_text(), yaml.CSafeLoader)
TINY, PLAIN = (yaml.safe_load((ROOT / f"tests/workflow/{name}.yaml").read_text()) for name in ("tiny", "plain"))


def part_of(name: str, *names: str) -> dict:
    """A few entries of a section, and those of the workflow tests' configs."""
    return {key: WHOLE[name][key] for key in names} | TINY.get(name, {}) | PLAIN.get(name, {})


def aliases_written_out(node: object) -> object:
    """Without shared parts: a mutation is to change one place."""
    if isinstance(node, dict):
        return {key: aliases_written_out(value) for key, value in node.items()}
    return [aliases_written_out(value) for value in node] if isinstance(node, list) else node


SMALL = aliases_written_out(
    WHOLE
    | {
        "build": ["tiny"],
        "datasets": part_of(
            *("datasets", "camelyon17", "camelyon17_48", "modular_small", "wine", "wine_bundled", "nuclei"),
            *("equidistant_f0", "gaussians", "nuclei_hospitals"),
        ),
        "recipes": part_of(
            *("recipes", "standard", "grokking", "small_decay", "small_tenth_decay", "small_no_decay_grokfast"),
            *("omnigrok", "modular_minibatch", "nuclei_decay"),
        ),
        "measurements": part_of("measurements", "full", "quick", "nuclei"),
        "tasks": part_of(
            *("tasks", "camelyon17", "camelyon17_48", "modular_small", "modular_small_continued", "wine", "nuclei"),
            "nuclei_hospitals",
        ),
        "studies": part_of("studies", "calibration", "ungrokking")
        | {
            "validation": {"description": "Planted truth.", "planted": {"repeats": 20}},
            "factorial": {
                "description": "Between two recipes.",
                "runs": [{"task": "tiny", "between": ["standard", "grokking"], "n": [24], "seeds": [0, 1]}],
            },
            "wine": {
                "description": "Reported figures.",
                "reported": True,
                "runs": [{"task": "wine", "recipes": ["omnigrok"], "n": [5197], "seeds": [0, 1]}],
                "tables": ["metrics", "dynamics"],
            },
        },
    }
)
WHOLE = aliases_written_out(WHOLE)

ODD = (
    *("", " ", "~", "-x", "--config", "../../x", "/etc/passwd", "a/b", "a|b", ".*", "{study}", "{", "{{ 1 }}", "$(id)"),
    *("<script>alert(1)</script>", ".. raw:: html", "naïve", "Demo", "a b", "a\nb", "a\0b", "\x1b[2J", "\u202eb"),
    *("1e400", "-1e400", "9" * 15, "9" * 40, "1e-3", "yes", "null", "nan", ".inf", "__use_yte__", "a" * 70, "a" * 5000),
    *("all", "data", "inspect", "train", "<<", "&a", "!!python/name:os.system", "standard_init_scale", "default"),
)
NUMBERS = (
    *(0, -1, 1, 2, 3, 10**6, 10**9, 10**9 + 1, 2**31, 2**63, 10**30, -(10**30), 16**3000, 10**12),
    *(0.0, -0.0, 0.5, 1.0, 1e-300, 5e-324, 1e300, float("nan"), float("inf"), -float("inf")),
)
ITSELF: list = []
ITSELF.append(ITSELF)
LAUGHS = functools.reduce(lambda inner, _: [inner] * 10, range(9), "x")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.integers(-5, 5000),
    st.sampled_from(ODD),
    st.text(max_size=12),
    st.sampled_from([datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), b"\xff", (1, 2), {"a"}, 1j]),
)
KEYS = st.one_of(st.sampled_from(ODD), SCALARS.filter(lambda key: not isinstance(key, set)))
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(KEYS, SCALARS, max_size=3),
    st.sampled_from([[], {}, ITSELF, [[[[[]]]]], [1] * 200_000, LAUGHS]),
)


def places(node: object, path: tuple = ()) -> list[tuple]:
    """The path of everything in a config."""
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [(*path, key) for key, _ in below] + [
        place for key, child in below if isinstance(child, dict | list) for place in places(child, (*path, key))
    ]


def at(node: object, path: tuple) -> object:
    return functools.reduce(lambda node, key: node[key], path, node)


@st.composite
def mutated(draw: st.DrawFn, base: dict) -> dict:
    """The config with one to three things replaced, taken out, added, renamed, doubled, or brought from elsewhere."""
    raw = copy.deepcopy(base)
    everywhere = places(raw)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(everywhere))
        try:
            holder, key = at(raw, path[:-1]), path[-1]
            value = holder[key]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken it away
        change = draw(st.sampled_from(["replace", "replace", "take", "add", "rename", "nearly", "scale", "elsewhere"]))
        if change == "replace":
            holder[key] = draw(VALUES)
        elif change == "take":
            del holder[key]
        elif change == "add" and isinstance(value, list):
            value.append(copy.deepcopy(value[0]) if value and draw(st.booleans()) else draw(VALUES))
        elif change == "add" and isinstance(value, dict):
            value[draw(st.sampled_from(ODD))] = draw(VALUES)
        elif change == "rename" and isinstance(holder, dict):
            holder[draw(st.one_of(st.sampled_from(ODD), st.just(f"{key}s")))] = holder.pop(key)
        elif change == "nearly" and isinstance(value, str) and value:
            i = draw(st.integers(0, len(value) - 1))
            holder[key] = value[:i] + draw(st.sampled_from(["", "x", value[i] * 2])) + value[i + 1 :]
        elif change == "scale" and isinstance(value, int | float):
            holder[key] = value * draw(st.sampled_from([-1, 0, 0.5, 2, 3, 10, 1000, 10**9, 10**30]))
        elif change == "elsewhere":
            holder[key] = copy.deepcopy(at(base, draw(st.sampled_from(everywhere))))
    return raw
