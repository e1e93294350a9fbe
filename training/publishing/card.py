"""The cards on the Hub: `model_card.md` filled in from a checkpoint's spec and metrics, and the data set's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from leukoscope import __version__
from leukoscope.model.checkpoint import FIGURES_FOLDER, Spec, read_spec
from leukoscope.showing.about import SETS, TEST, in_order
from training.data.sources import LABELS
from training.data.table import summary
from training.scoring.metrics import read_metrics

if TYPE_CHECKING:
    pass

TEMPLATE = Path(__file__).parents[2] / "model_card.md"

DATA_TEMPLATE = Path(__file__).parent / "data_card.md"

LABS = {
    "bccd": "BCCD, the photos of the Kaggle set `paultimothymooney/blood-cells`, from github.com/Shenggan/BCCD_Dataset "
    "and github.com/dhruvp/wbc-classification; MIT licence",
    "barcelona": "PBC, Hospital Clínic de Barcelona, CellaVision DM96: Acevedo et al. 2020, doi 10.17632/snkd93bnjr.1; "
    "CC BY 4.0",
    "raabin": "Raabin-WBC, Iran, telephone cameras on two microscopes: Kouzehkanan et al. 2022, "
    "doi 10.1038/s41598-021-04426-x; free public data by its site, the paper CC BY 4.0",
    "munich_marrow": "bone marrow of the Munich Leukemia Laboratory: Matek et al. 2021, doi 10.7937/TCIA.AXH3-T579; "
    "CC BY 4.0",
    "lisc": "LISC, Tehran: Rezatofighi & Soltanian-Zadeh 2011; research only: scored, never trained on",
    "synthetic": "cells drawn by leukoscope/drawn/synthetic.py",
}

IN_SHORT = {
    "bccd": "the Kaggle photos",
    "barcelona": "PBC",
    "raabin": "Raabin-WBC",
    "munich_marrow": "the Munich bone marrow",
    "lisc": "LISC",
}


class CardError(ValueError):
    """A checkpoint whose numbers cannot be put on a card; the message says what is missing."""


def render_card(checkpoint: Path, repo_id: str, *, dataset: str | None = None, template: Path = TEMPLATE) -> str:
    """Fill in the card.

    Args:
        checkpoint: a checkpoint folder that was scored.
        repo_id: "user/name" on the Hub.
        dataset: "user/name" of the data set pushed beside it, if any.
        template: Jinja2 text with Hub metadata at its top.

    Returns:
        The README.md of the model repo.

    Raises:
        CardError: if there are no metrics, they are of other weights, or a field of the template stays unfilled.
    """
    import jinja2

    spec = read_spec(checkpoint)
    metrics = read_metrics(checkpoint)
    metrics["results"] = in_order(metrics["results"])
    environment = _environment()
    try:
        return environment.from_string(template.read_text()).render(
            card_data=_metadata(metrics, repo_id, dataset).to_yaml(),
            repo_id=repo_id,
            framing=spec.framing,
            thresholds=spec.thresholds,
            sizes=spec.sizes,
            temperature=spec.temperature,
            trained=spec.trained,
            lab_texts={lab: LABS.get(lab, lab) for lab in spec.trained["labs"]},
            data_licences="; ".join(LABS.get(lab, lab) for lab in spec.trained["labs"]),
            weights=metrics["model_sha256"],
            lab_rows=_lab_rows(metrics),
            rows=_rows(metrics),
            unseen=unseen_labs(spec),
            results=_by_type(metrics),
            attributes=metrics.get("attributes", {}),
            version=__version__,
        )
    except (jinja2.UndefinedError, KeyError) as error:
        raise CardError(f"the card has a field that cannot be filled in: {error}") from None


def _environment():
    import jinja2

    # A card is Markdown: there is no HTML to escape for.
    return jinja2.Environment(  # nosec B701
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )


def render_data_card(photos) -> str:
    """The README.md of the data set repo, for a table of photos."""
    environment = _environment()
    return environment.from_string(DATA_TEMPLATE.read_text()).render(
        photos=f"{len(photos):,}",
        labels=", ".join(f"`{label}`" for label in LABELS),
        summary=summary(photos),
        labs=[LABS.get(lab, lab) for lab in sorted(set(photos["lab"]))],
    )


def unseen_labs(spec: Spec) -> list[dict]:
    """How models of the default's recipe did on a lab that they were trained without; none of another recipe.

    Returns:
        For each lab its row of the comparison, its name in `LABS` (lab) and in short (name), and confident (share,
        accuracy) by thresholds fitted on the other labs.
    """
    from training.studies.compare import UNSEEN, configured, read_table
    from training.studies.verdicts import fitted_on_others

    if spec.offsets:  # these models were not tuned to a lab
        return []
    found, marked = [], fitted_on_others()
    for row in read_table():
        lab = UNSEEN.get(row["trial"])
        if lab and row["variant"] == "default" and _same_recipe(spec, configured("default", row["trial"])):
            found.append({**row, "lab": lab, "name": IN_SHORT.get(lab, lab), **marked.get(lab, {})})
    return sorted(found, key=lambda row: row["lab"])


def _same_recipe(spec: Spec, config) -> bool:
    """Whether a checkpoint was trained as these settings say, but for its name, labs, fold and arithmetic."""
    ours, theirs = dict(spec.trained.get("config", {})), config.model_dump()
    for settings in (ours, theirs):
        settings["fit"] = {key: value for key, value in settings.get("fit", {}).items() if key != "precision"}
    parts = ("framing", "network", "augment", "fit")
    return all(ours.get(part) == theirs[part] for part in parts) and ours["data"]["kind"] == theirs["data"]["kind"]


def _metadata(metrics: dict, repo_id: str, dataset: str | None):
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for name, result in metrics["results"].items():
        score = result["images"]["all"]
        for metric, value in (("accuracy", score["accuracy"]), ("f1", score["macro_f1"])):
            results.append(
                EvalResult(
                    task_type="image-classification",
                    task_name="White blood cell classification",
                    dataset_type=_dataset_type(name),
                    dataset_name=SETS.get(name, name),
                    dataset_config=name,  # or the Hub's client would lay results of one data set together
                    metric_type=metric,
                    metric_name="accuracy" if metric == "accuracy" else "macro-F1",
                    metric_value=round(value, 4),
                )
            )
    return ModelCardData(
        language="en",
        license="mit",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["leukoscope", "hematology", "microscopy", "white-blood-cells", "onnx"],
        datasets=[dataset] if dataset else None,
        model_name=repo_id.split("/")[-1],
        eval_results=results,
    )


def _dataset_type(name: str) -> str:
    return "paultimothymooney/blood-cells" if name.startswith("bccd") else name


def _lab_rows(metrics: dict) -> list[dict]:
    """A line for each lab: how many types are told right, and how far `confident` can be trusted."""
    return [
        {
            "what": SETS.get(name, name),
            "n": f"{score['n']:,}",
            "slides": f"{score['slides']:,}",
            "balanced": _with_interval(score["balanced_accuracy"], score["balanced_accuracy_95"]),
            "share": f"{score['confident']['share']:.1%}",
            "right": _with_interval(score["confident"]["accuracy"], score["confident"]["accuracy_95"]),
        }
        for name, result in metrics["results"].items()
        for score in [result["images"]["all"]]
        if not name.startswith(TEST)
    ]


def _rows(metrics: dict) -> list[dict]:
    """A line of the table for each result: pictures and photos, with and without doubtful labels."""
    rows = []
    for name, result in metrics["results"].items():
        levels = ("images", "photos") if result["images"]["all"]["n"] != result["photos"]["all"]["n"] else ("images",)
        for level in levels:
            for subset, words in (("all", ""), ("without_doubtful", ", without doubtful labels")):
                score = result[level][subset]
                if subset != "all" and score["n"] == result[level]["all"]["n"]:
                    continue
                whose = ", by photo (most of its copies)" if level == "photos" else ""
                rows.append(
                    {
                        "what": SETS.get(name, name) + whose + words,
                        "n": f"{score['n']:,}",
                        "accuracy": _with_interval(score["accuracy"], score["accuracy_95"]),
                        "macro_f1": _with_interval(score["macro_f1"], score["macro_f1_95"]),
                        "ece": f"{score['expected_calibration_error']:.3f}",
                        "share": f"{score['confident']['share']:.1%}",
                        "right": f"{score['confident']['accuracy']:.1%}",
                    }
                )
    return rows


def _with_interval(value: float, interval: list[float]) -> str:
    return f"{value:.4f} ({interval[0]:.3f}-{interval[1]:.3f})"


def _by_type(metrics: dict) -> list[dict]:
    return [
        {
            "what": SETS.get(name, name),
            "per_class": result["images"]["all"]["per_class"],
            "doubtful": result["doubtful_photos"],
            "missed": result["photos_missed"],
            "unfamiliarity": result["unfamiliarity"],
            "figures": f"{FIGURES_FOLDER}/{name}",
        }
        for name, result in metrics["results"].items()
    ]
