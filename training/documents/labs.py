"""Tables of labs: those never seen, those of the embedded model, TEST, cells of other kinds, a lab of one's own."""

from __future__ import annotations

from typing import Any

from leukoscope.model.checkpoint import METRICS_FILE, SPEC_FILE, read_json, read_spec
from leukoscope.model.hub import EMBEDDED
from leukoscope.showing.about import SETS, TEST
from training.documents.lines import (
    Lines,
    between,
    labs,
    listed,
    paragraph,
    percent,
    sure,
    with_interval,
)
from training.publishing.card import IN_SHORT, unseen_labs
from training.scoring.tables import head, row
from training.studies.compare import RESULTS, UNSEEN, read_table
from training.studies.verdicts import fitted_on_others

# Recipes that the table of labs left out shows.
COMPARED = ("default", "one-way-up", "larger-steps", "other-colours", "rules")


def never_seen() -> dict[str, dict[str, Any]]:
    """Lab -> what the model of the present recipe that never saw it answered, judged by the other labs' verdicts; those
    whose verdicts are not fitted yet are left out."""
    fitted = fitted_on_others()
    return {line["lab"]: line for line in unseen_labs(read_spec(EMBEDDED)) if line["lab"] in fitted}


def short() -> Lines:
    """The README's summary."""
    unseen, scored = never_seen(), labs()
    lisc = scored.pop("lisc-test-photo")["images"]["all"]
    said = [
        f"{result['images']['all']['balanced_accuracy']:.3f} ({IN_SHORT[name.removesuffix('-test-photo')]})"
        for name, result in scored.items()
    ]
    yield from paragraph(
        f"**Labs that it learned from**, on cells held out: balanced accuracy {listed(said)}.", "- ", "  "
    )
    said = [f"{line['balanced_accuracy']:.3f} ({IN_SHORT[lab]})" for lab, line in unseen.items()]
    yield from paragraph(
        f"**Labs never seen**: {listed(said)}, each by a model trained without that lab{located(unseen)}; "
        f"{lisc['balanced_accuracy']:.3f} (LISC), by the model in this package.",
        "- ",
        "  ",
    )
    marked = [line["confident"] for line in (*unseen.values(), lisc)]
    shares, right = sorted(m["share"] for m in marked), sorted(m["accuracy"] for m in marked)
    yield from paragraph(
        f"**Marked `confident`** in labs never seen: {between(shares)} of the cells, depending on the lab; "
        f"{between(right)} of these are right.",
        "- ",
        "  ",
    )
    yield f"- **Left to a person** in labs never seen: the other {between([1 - share for share in shares[::-1]])}."


def unseen() -> Lines:
    """Recipes on labs left out."""
    yield from head(
        "recipe", "lab left out", "cells", "cell found", "balanced accuracy", "marked `confident`", "of these right"
    )
    table, ours = read_table(), never_seen()
    for variant in COMPARED:
        of = {line["trial"]: line for line in table if line["variant"] == variant}
        for trial, lab in UNSEEN.items():
            if line := ours.get(lab) if variant == "default" else of.get(trial):
                found = percent(line["found"]) if "found" in line else "–"
                balanced = with_interval(line, "balanced_accuracy")
                yield row(variant, IN_SHORT[lab], f"{line['n']:,}", found, balanced, *sure(line))
    yield ""
    if missing := [IN_SHORT[lab] for lab in UNSEEN.values() if lab not in ours]:
        yield f"Not measured yet with the recipe as it is: models without {', '.join(missing)}."
        yield ""
    yield from paragraph(f"Each model of `default` was trained without the lab{located(ours)}.")


def located(unseen: dict[str, dict[str, Any]]) -> str:
    """On cells that which locator found the models answered, after "trained without the lab"."""
    saw = [IN_SHORT[lab] for lab, line in unseen.items() if not line["locator"]]
    if not saw:
        return ", and so was the locator that found the cells"
    if len(saw) == len(unseen):
        return ", on cells that a locator found which had seen it"
    return f", and so was the locator that found the cells, but for that of {listed(saw)}"


def of_labs() -> Lines:
    """The embedded model on each lab."""
    yield from head(
        "lab", "cells", "slides or fields", "balanced accuracy", "accuracy", "marked `confident`", "of these right"
    )
    for name, result in labs().items():
        score = result["images"]["all"]
        numbers = f"{score['n']:,}", f"{score['slides']:,}"
        yield row(
            SETS[name],
            *numbers,
            with_interval(score, "balanced_accuracy"),
            with_interval(score, "accuracy"),
            *sure(score),
        )


def trained() -> Lines:
    """What the embedded model learned from, and where its verdicts are from."""
    spec = read_spec(EMBEDDED)
    yield from paragraph(
        f"The embedded model learned from {spec.trained['photos']:,} photos of its labs, "
        f"{spec.trained['validation_pictures']:,} more were held out by slide or field. Its temperature and "
        "thresholds were fitted on answers of the models above to labs that they had never seen."
    )
    yield f"An answer is `confident` from a probability of {spec.thresholds.confident:.2f} on."


def test() -> Lines:
    """TEST, beside what others have on it."""
    folders = {
        "**default** (embedded)": EMBEDDED,
        "reference recipe, trained here": RESULTS / "reference",
    }
    scored = {words: read_json(folder / METRICS_FILE)["results"][f"{TEST}copy"] for words, folder in folders.items()}
    yield from head("", "accuracy", "macro-F1", "without 8 photos of doubtful label", "by photo (71)", "parameters")
    for words, result in scored.items():
        images = result["images"]
        cells = [
            with_interval(images["all"], "accuracy"),
            with_interval(images["all"], "macro_f1"),
            with_interval(images["without_doubtful"], "accuracy"),
            with_interval(result["photos"]["all"], "accuracy"),
        ]
        yield row(words, *cells, f"{read_json(folders[words] / SPEC_FILE)['trained']['parameters']:,}")
    yield row("reference, as its author reports", "0.860", "0.86", "", "", "")
    yield row("EfficientNet-B4, 384 px, nine views: best published that could be verified", "0.893", "", "", "", "")
    yield ""
    ours, theirs = scored.values()
    photos = ours["photos"]["all"]["n"]
    right = [photos - len(each["photos_missed"]) for each in (ours, theirs)]
    missed = {name: round(score["n"] * (1 - score["accuracy"])) for name, score in ours["images"].items()}
    yield from paragraph(
        f"On TEST it is right on {right[0]} of {photos} photos, the reference on {right[1]}. Of the {missed['all']:,} "
        f"images that it misses {missed['all'] - missed['without_doubtful']:,} are of the eight photos of doubtful "
        "label. One photo is about a quarter of the monocyte images."
    )


def kinds() -> Lines:
    """Cells of other kinds."""
    yield from head("kind", "lab", "cells", "AUROC")
    for name, result in labs().items():
        for kind, found in result["unfamiliarity"].items():
            yield row(kind.replace("_", " "), SETS[name], f"{found['n']:,}", f"{found['auroc']:.3f}")


def own_lab() -> Lines:
    """What cells of a new lab bring."""
    yield from head("new lab", "other cells of it", "before", "after", "labs that it knew, before and after")
    for file in sorted(RESULTS.glob("own_lab*.json")):
        values = read_json(file)
        new = values["new_lab"]
        kept = (f"{what}: {old['before']:.3f} to {old['after']:.3f}" for what, old in values["old_labs"].items())
        numbers = f"{new['n']:,}", f"{new['before']:.3f}", f"{new['after']:.3f}"
        yield row(IN_SHORT[values["lab"]], *numbers, "; ".join(kept))


def tuned() -> Lines:
    """What offsets learned from a few cells of a new lab bring."""
    models: dict[str, list[dict[str, Any]]] = {}
    for name, values in read_json(RESULTS / "tuned.json")["labs"].items():
        models.setdefault(name.partition(",")[0], []).append(values)  # "lab, without another": one by each model
    each = ("untuned", "3", "5", "10", "20")
    columns = (f"{count} of each" for count in each[1:])
    yield from head("new lab", "its cells", "as it is", *columns, "`confident`, and right: as it is", "with 10 of each")
    for lab, scored in models.items():
        by = f", by {len(scored)} models" if len(scored) > 1 else ""
        right = (_right([values[count] for values in scored if count in values]) for count in each)
        marked = (_marked([values[count] for values in scored if count in values]) for count in ("untuned", "10"))
        yield row(f"{IN_SHORT[lab]}{by}", f"{scored[0]['n']:,}", *right, *marked)


def _right(rows: list[dict[str, Any]]) -> str:
    """The mean of balanced accuracies, and the lowest that was drawn; nothing where there are none."""
    if not rows:
        return ""
    mean = sum(values["balanced_accuracy"] for values in rows) / len(rows)
    lowest = min(values["lowest"] for values in rows)
    return f"{mean:.3f} ({lowest:.3f})" if lowest < mean else f"{mean:.3f}"


def _marked(rows: list[dict[str, Any]]) -> str:
    """The share of confident answers, and of these right; nothing where there are none."""
    if not rows:
        return ""
    shares = [values["confident"]["share"] for values in rows]
    hits = sum(values["confident"]["share"] * values["confident"]["accuracy"] for values in rows)
    return f"{percent(sum(shares) / len(rows))}, {percent(hits / max(sum(shares), 1e-9))}"
