"""The words of the library for a page that is no Python: each as a pattern with {names} where values stand.

Nothing is written a second time. The library is asked about made-up predictions and counts whose values occur once in
its answer, and these are replaced by their names; if they do not, its words have changed in a way that needs a look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from leukoscope import Classifier
from leukoscope.biology.attributes import FITTING, JOINED, LOOKS, Attribute
from leukoscope.biology.cells import CELL_TYPES, CELLS, NOT_A_MEDICAL_DEVICE, RANGE_NOTE
from leukoscope.counting.counted import CountedCell
from leukoscope.counting.differential import Differential
from leukoscope.counting.tally import Tally, many
from leukoscope.errors import ImageError
from leukoscope.model.prediction import Prediction, no_cell
from leukoscope.pictures import images, kinds
from leukoscope.showing import about, charts, draw, wording
from leukoscope.smear import blank

SHARES = dict.fromkeys(CELL_TYPES, 0.167 / (len(CELL_TYPES) - 2)) | {"monocyte": 0.611, "neutrophil": 0.222}


def pattern(text: str, **values: str) -> str:
    """A text with each value, which must occur in it once, replaced by its name in braces.

    A value may be given with what stands beside it: "(«3» %)".
    """
    for name, value in values.items():
        before, mark, rest = value.partition("«")
        inside, _, after = rest.partition("»") if mark else (value, "", "")
        around = (before, after) if mark else ("", "")
        found = inside.join(around)
        if text.count(found) != 1:
            raise ValueError(f"{found!r} is not once in {text!r}")
        text = text.replace(found, f"{{{name}}}".join(around))
    return text


def answered(verdict: str, **given: Any) -> Prediction:
    """A made-up answer: monocyte, then neutrophil."""
    return Prediction("monocyte", SHARES, SHARES["monocyte"], (1, 2, 3, 4), verdict, **given)


def library_texts(classifier: Classifier, pinned: str | None = None) -> dict[str, Any]:
    """All words that the library says on a page, by place."""
    return {
        "types": {name: {"name": name, "title": name.capitalize(), "plural": CELLS[name].plural} for name in CELLS},
        "tagline": wording.TAGLINE,
        "disclaimer": NOT_A_MEDICAL_DEVICE,
        "not_a_diagnosis": wording.NOT_A_DIAGNOSIS,
        "decisions": wording.DECISIONS,
        "as_the_model": wording.AS_THE_MODEL,
        "leave": wording.LEAVE,
        "verdict": {"html": unstyled(wording.message_html("", "", colour="#000000")), **verdicts()},
        "bars": {"plain": unstyled(wording.bars_html()), "open": unstyled(wording.bars_html(answered("review")))},
        "percent": {"least": wording.percent(1e-9), "most": wording.percent(1 - 1e-9), "one": one_percent()},
        "cards": {name: unstyled(wording.card_html(cell)) for name, cell in CELLS.items()},
        "refusals": refusals(),
        "count": count_texts(),
        "about": {"html": about_html(classifier, pinned)},
    }


def about_html(classifier: Classifier, pinned: str | None) -> str:
    """What the model is, how it scored, where it ends; `pinned` is where it is from, if that is not where it lies."""
    model = about.model_html(classifier)
    if pinned:
        model = model.replace(about.model_name(classifier), f"{classifier.spec.name} ({pinned})")
    results = about.results_html(about.own_results(classifier))
    return unstyled(model + results + about.list_html("Limits", (NOT_A_MEDICAL_DEVICE, *about.LIMITS)))


def unstyled(html: str) -> str:
    """HTML whose inline styles wait in `data-style`: the page's security policy lets none stand in HTML."""
    return html.replace(" style=", " data-style=")


def one_percent() -> str:
    return pattern(wording.percent(0.611), value="61.1")


def verdicts() -> dict[str, Any]:
    first, second = wording.percent(SHARES["monocyte"]), wording.percent(SHARES["neutrophil"])
    names = {"first": "monocyte", "second": "neutrophil"}
    shares = {"p_first": first, "p_second": second}
    none = no_cell()
    sure, review, unfamiliar = map(answered, ("confident", "review", "unfamiliar"))
    cut = wording.explanation(answered("review", cut=True)).removeprefix(wording.explanation(review))
    return {
        "tag": {p.verdict: _tag(p) for p in (sure, review, unfamiliar, none)},
        "headline": {
            "confident": pattern(wording.headline(sure), First="Monocyte"),
            "review": pattern(wording.headline(review), First="Monocyte", second="neutrophil"),
            "unfamiliar": wording.headline(unfamiliar),
            "no_cell": wording.headline(none),
        },
        "explanation": {
            "confident": pattern(wording.explanation(sure), second="neutrophil", **shares),
            "review": pattern(wording.explanation(review), **names, **shares),
            "unfamiliar": wording.explanation(unfamiliar),
            "no_cell": pattern(wording.explanation(none), reason=wording.NOTHING_LIKE_IT),
            "cut": cut,
        },
        "short": {
            "confident": pattern(wording.short(sure), first="monocyte", p_first=first),
            "review": pattern(wording.short(review), **names, p_first=first),
            "unfamiliar": pattern(wording.short(unfamiliar), first="monocyte"),
            "no_cell": wording.short(none),
        },
        "seen": seen_texts(),
        "nothing": wording.NOTHING_LIKE_IT,
        "blank": {name: wording.sentence(reason) for name, reason in _blank_reasons().items()},
    }


def seen_texts() -> dict[str, Any]:
    """What is seen in a cell: the words of each value, and what fits a type (see `leukoscope.biology.attributes`)."""
    seen = {"nucleus_shape": Attribute("unsegmented-round", 1.0, True)}
    said = {
        label: wording.seen_text(Prediction(label, SHARES, 0.9, (1, 2, 3, 4), "confident", attributes=seen))
        for label in ("neutrophil", "eosinophil")
    }
    size = wording.seen_text(Prediction("neutrophil", SHARES, 0.9, (1, 2, 3, 4), "confident", wide=1.8))
    (part, _, a), (_, _, an) = (text.partition(". ") for text in said.values())
    return {
        "lead": wording.SEEN,
        "looks": LOOKS,
        "fitting": FITTING,
        "joined": {name: of for name, (of, _) in JOINED.items()},
        "part": pattern(f"{part}.", part="Nucleus", words="round"),
        "size": pattern(size, wide="1.8"),
        "odd": {
            "a": pattern(a, name="neutrophil", odd="nucleus (round)"),
            "an": pattern(an, name="eosinophil", odd="nucleus (round)"),
        },
        "one": pattern("nucleus (round)", part="nucleus", words="round"),
    }


def _tag(prediction: Prediction) -> str:
    return re.search('<p class="lk-tag">(.*?)</p>', wording.verdict_html(prediction))[1]


def _blank_reasons() -> dict[str, str]:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    pictures = {"black": ramp * 0, "even": ramp * 0 + 128, "grey": ramp}
    return {name: blank.why_blank(picture) for name, picture in pictures.items()}


def refusals() -> dict[str, Any]:
    """Why a file is no picture that can be read, as `images.read_image` says it."""
    small = _refusal(np.zeros((17, 4001, 3), np.uint8))
    large = _refusal(np.broadcast_to(np.uint8(0), (99_991, 4001, 3)))
    (start, kind), *_ = kinds._BEGINNINGS.items()
    title, text, tag = re.search(
        '<p class="lk-tag">(?P<c>.*?)</p><h2>(?P<a>.*?)</h2><p>(?P<b>.*?)</p>', wording.unreadable(ImageError("x"))
    ).group("a", "b", "c")
    pattern(text, reason="X.")  # nothing but the reason stands there
    return {
        "title": title,
        "tag": tag,
        "empty": _refusal(b""),
        "too_many_bytes": _refusal(bytes(images.MAX_BYTES + 1)),
        "too_small": pattern(small, width="4001", height="17"),
        "too_large": pattern(large, width="4001", height="99991"),
        "foreign": pattern(_refusal(start + bytes(200)), kind=kind),
        "damaged": _refusal(draw.png(np.zeros((64, 64, 3), np.uint8))[:60]).partition(" (")[0],
        "unknown": _refusal(b"no picture"),
    }


def _refusal(source: Any) -> str:
    try:
        images.read_image(source)
    except ImageError as error:
        return str(error)
    raise ValueError("the library reads what it should refuse")


def count_texts() -> dict[str, Any]:
    """Table, chart and sentences of a differential: where its shares can be read, and where too much is undecided."""
    nothing, settled, unsettled = Differential(), _monocytes("confident"), _monocytes("review")
    return {
        "table": _of_both(charts.table_html, nothing, unsettled),
        "chart": _of_both(charts.chart_html, nothing, unsettled),
        "chart_text": {"settled": _chart_text(settled), "open": _chart_text(unsettled)},
        "chart_part": {
            "settled": _chart_part(settled, share="percent", low="low", high="high"),
            "open": _chart_part(unsettled, least="least", most="most"),
        },
        "flags": charts.FLAGS,
        "range_note": RANGE_NOTE,
        "nothing": charts.NOTHING_COUNTED,
        "cells": {"one": many(1, "cell").replace("1", "{n}"), "other": many(7, "cell").replace("7", "{n}")},
        "photos": {"one": many(1, "photo").replace("1", "{n}"), "other": many(7, "photo").replace("7", "{n}")},
        **_sentences(),
    }


def _of_both(html: Callable[[Differential], str], settled: Differential, unsettled: Differential) -> dict[str, str]:
    return {"settled": unstyled(html(settled)), "open": unstyled(html(unsettled))}


def _monocytes(verdict: str) -> Differential:
    """Eleven monocytes; the verdict is that of the last eight."""
    verdicts = ["confident"] * 3 + [verdict] * 8
    return Differential(("a",), tuple(CountedCell("a", i, answered(v)) for i, v in enumerate(verdicts, 1)))


def _chart_text(differential: Differential) -> str:
    text = charts.chart_text(differential)
    return pattern(text, parts=text.partition(": ")[2].removesuffix("."))


def _chart_part(differential: Differential, **values: str) -> str:
    (part,) = re.findall(r"monocyte .*? %(?: \(.*?\))?(?=, )", charts.chart_text(differential))
    row = differential.rows()[CELL_TYPES.index("monocyte")]
    shown = {name: f"{getattr(row, value):.1f}" for name, value in values.items()}
    if "high" in shown:  # what stands beside each: the share is 100.0 % and so is the upper limit
        shown = {"high": f"–«{shown['high']}»", "low": f"«{shown['low']}»–", "share": f"«{shown['share']}» % ("}
    return pattern(part, type="monocyte", **shown)


def _sentences() -> dict[str, Any]:
    none = dict.fromkeys(CELL_TYPES, 0)
    counts = none | {"eosinophil": 101, "lymphocyte": 102, "monocyte": 103, "neutrophil": 701}
    counted, undecided, decided, limits, scope = Tally(3, counts, 11, 13, 17, 5).sentences()
    low, high = re.search(r"is (\S+)-(\S+) %;", limits).groups()
    few, share = re.search(r"for (\S+ cells) \((\S+) %\) is", limits).groups()
    at_100 = Tally(1, none | {"neutrophil": 100}, 0, 0).sentences()
    only_review, only_unfamiliar = (Tally(1, none, *n).sentences()[1] for n in ((11, 0), (0, 13)))
    only_decided = Tally(1, none, 0, 0, 17).sentences()[1]
    unsettled, uneven = Tally(3, counts, 500, 600, nearest={"monocyte": 1100}).sentences()[2:4]
    return {
        "counted": pattern(counted, cells=many(1007, "cell"), photos=many(3, "photo")),
        "undecided": {
            "both": pattern(undecided, cells=many(24, "cell"), review="11", unfamiliar="13"),
            "review": pattern(only_review, cells=many(11, "cell"), review="«11» to review"),
            "unfamiliar": pattern(only_unfamiliar, cells=many(13, "cell"), unfamiliar="«13» unfamiliar"),
        },
        "unsettled": unsettled,
        "uneven": pattern(uneven, parts="monocyte 103 of 1,203"),
        "uneven_part": pattern("monocyte 103 of 1,203", type="monocyte", count="«103» ", all="1,203"),
        "decided": pattern(only_decided, cells=many(17, "cell")),
        "decided_none": pattern(decided, cells=many(17, "cell"), none=" «5» of"),
        "limits": pattern(limits, total="1,007", few=few, share=f"(«{share}» %)", low=low, high=high),
        "limits_100": pattern(
            at_100[1], total="n = «100» ", few="3 cells", share="(«3» %)", low="«0.6»-", high="-«8.5»"
        ),
        "scope": scope,
    }
