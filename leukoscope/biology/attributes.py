"""What can be seen in a white cell, in words: eleven attributes that haematologists name, less one.

The names and values are those of WBCAtt (Tsutsui et al. 2023, arXiv 2306.13531). Its `cell_size` is left out: a cell is
framed by its own box, so the network is not shown how large it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from leukoscope.biology.cells import CELLS

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "cell_shape": ("round", "irregular"),
    "nucleus_shape": (
        "segmented-multilobed",
        "segmented-bilobed",
        "unsegmented-band",
        "unsegmented-indented",
        "unsegmented-round",
        "irregular",
    ),
    "nuclear_cytoplasmic_ratio": ("low", "high"),
    "chromatin_density": ("densely", "loosely"),
    "cytoplasm_vacuole": ("no", "yes"),
    "cytoplasm_texture": ("clear", "frosted"),
    "cytoplasm_colour": ("light blue", "blue", "purple blue"),
    "granule_type": ("nil", "small", "round", "coarse"),
    "granule_colour": ("nil", "pink", "red", "purple"),
    "granularity": ("no", "yes"),
}
"""Attribute -> its values, in the order of the network's output."""

JOINED: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "nucleus_lobes": (
        "nucleus_shape",
        {"no": ATTRIBUTES["nucleus_shape"][2:], "yes": ATTRIBUTES["nucleus_shape"][:2]},
    )
}
"""Attribute that is told by joining values of another -> that other, and its own values, each with those that it joins:
whether a nucleus is in lobes is sure in most cells, in which it is not how many there are."""

VALUES: dict[str, tuple[str, ...]] = ATTRIBUTES | {name: tuple(joins) for name, (_, joins) in JOINED.items()}
"""Attribute -> its values, those that are joined last."""

WIDTH = sum(map(len, ATTRIBUTES.values()))
"""Values of all attributes together."""


@dataclass(frozen=True)
class Attribute:
    """One attribute of a cell, as the model sees it.

    value: one of `VALUES` of its name. probability: of this value, 0-1. sure: whether it is sure enough to be said:
    on cells held out, values as probable were right in 97 of 100.
    """

    value: str
    probability: float
    sure: bool


def joined(name: str, value: str) -> str:
    """The value of an attribute of `JOINED` that joins a value of the other: "yes" that of "segmented-bilobed"."""
    return next(own for own, some in JOINED[name][1].items() if value in some)


def parts(logits: np.ndarray) -> dict[str, np.ndarray]:
    """Attribute -> its columns of an array (..., `WIDTH`)."""
    ends = np.cumsum([len(values) for values in ATTRIBUTES.values()])
    return dict(zip(ATTRIBUTES, np.split(logits, ends[:-1], axis=-1), strict=True))


# --- words -----------------------------------------------------------------------------------------------

LOOKS: dict[str, dict[str, dict[str, str]]] = {
    "Nucleus": {
        "nucleus_shape": {
            "segmented-multilobed": "in several lobes",
            "segmented-bilobed": "in two lobes",
            "unsegmented-band": "a band",
            "unsegmented-indented": "indented",
            "unsegmented-round": "round",
            "irregular": "irregular",
        },
        "nucleus_lobes": {"no": "not in lobes", "yes": "in lobes"},
        "chromatin_density": {"densely": "condensed chromatin", "loosely": "fine chromatin"},
    },
    "Granules": {
        "granularity": {"no": "none seen", "yes": "seen"},
        "granule_type": {"nil": "none seen", "small": "fine", "round": "coarse and round", "coarse": "coarse, uneven"},
        "granule_colour": {"nil": "none seen", "pink": "pink", "red": "red", "purple": "purple"},
    },
    "Cytoplasm": {
        "nuclear_cytoplasmic_ratio": {"low": "abundant", "high": "scant"},
        "cytoplasm_colour": {"light blue": "pale", "blue": "blue", "purple blue": "purple-blue"},
        "cytoplasm_texture": {"clear": "clear", "frosted": "like frosted glass"},
        "cytoplasm_vacuole": {"no": "no vacuoles", "yes": "vacuoles"},
    },
    "Outline": {"cell_shape": {"round": "round", "irregular": "irregular"}},
}
"""Part of a cell -> attribute -> value -> how it is said."""


def looks(attributes: Mapping[str, Attribute]) -> dict[str, str]:
    """What is sure enough of a cell, by its parts: {"Nucleus": "in two lobes, condensed chromatin", ...}.

    What is joined is said only where that of which it is joined is not.
    """
    sure = {name for name, attribute in attributes.items() if attribute.sure}
    sure -= {name for name, (of, _) in JOINED.items() if of in sure}
    said = {}
    for part, words in LOOKS.items():
        named = [words[name][attributes[name].value] for name in words if name in sure]
        if named:
            said[part] = ", ".join(dict.fromkeys(named))
    return said


# --- what fits a type ------------------------------------------------------------------------------------


def _with_joined(fitting: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The values that fit, and those joined that join one of them; not where all do."""
    every = dict(fitting)
    for name, (of, joins) in JOINED.items():
        fits = tuple(value for value, joined in joins.items() if set(joined) & set(fitting.get(of, joined)))
        if len(fits) < len(joins):
            every[name] = fits
    return every


FITTING: dict[str, dict[str, tuple[str, ...]]] = {name: _with_joined(cell.fitting) for name, cell in CELLS.items()}
"""Type -> attribute -> the values that fit it, by its card; an attribute that is not named fits whatever it is."""


def contradictions(label: str, attributes: Mapping[str, Attribute]) -> list[str]:
    """The attributes that are sure and do not fit a type."""
    fitting = FITTING[label]
    return [
        name
        for name, attribute in attributes.items()
        if attribute.sure and name in fitting and attribute.value not in fitting[name]
    ]
