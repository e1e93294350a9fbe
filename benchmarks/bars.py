"""The bars: ratios within one run, each met or not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training.fitting.run_folder import kept_epoch, read_history

ROOT = Path(__file__).parents[1]
PASS = 0.8601  # accuracy on TEST that the reference's author reports


@dataclass(frozen=True)
class Bar:
    """One line of the table. `met` is None where a value is missing, and `note` says which."""

    what: str
    value: float | None
    limit: float
    at_least: bool
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        said = {True: "met", False: "NOT MET", None: "not measured"}[self.met]
        value = "-" if self.value is None else f"{self.value:.3g}"
        return (
            f"{self.what:<66}{value:>9} {sign} {self.limit:<8.3g}{said}{'  (' + self.note + ')' if self.note else ''}"
        )


def bars(rows: dict[str, dict], training: dict[str, dict]) -> list[Bar]:
    """Every bar, from the medians of the rows; a row that is missing leaves its bars undecided."""

    def ratio(above: str, below: str) -> float | None:
        return rows[above]["median"] / rows[below]["median"] if above in rows and below in rows else None

    def alone(name: str) -> float | None:
        return rows[name]["median"] if name in rows else None

    return [
        Bar("one picture, of the reference by Keras predict", ratio("predict", "keras_predict"), 1 / 25, False),
        Bar("one picture, of MobileNetV3-Small at 224 px", ratio("predict", "mobilenet_v3_small"), 1.0, False),
        Bar("ResNet-50 by ONNX Runtime, of one picture", ratio("resnet_50", "predict"), 10, True),
        Bar("one picture, of decoding it alone", ratio("predict", "decode"), 3.5, False),
        Bar("the same, 320x240", ratio("predict_copies", "decode_copies"), 3.5, False),
        Bar("bulk with 2 workers, of decoding with 2", ratio("bulk_2", "decode_bulk_2"), 0.25, True),
        Bar("bulk with 2 workers, of 1", ratio("bulk_2", "bulk_1"), 1.7, True),
        Bar("cold start, of importing TensorFlow", ratio("cold_start", "import_tensorflow"), 1 / 8, False),
        Bar("cold start, s", alone("cold_start"), 0.6, False),
        Bar("peak memory of serving, MB", alone("memory"), 250, False),
        training_bar(training),
    ]


def training_bar(training: dict[str, dict]) -> Bar:
    """Time to pass on TEST, of the reference's, as far as the recorded runs tell.

    TEST is scored once a run, by the weights that it kept: a run whose weights score above the mark had passed it when
    that epoch ended. It may have passed earlier; that was not measured.
    """
    what = f"time to pass {PASS:.2%} on TEST, of the reference's"
    ours, theirs = training.get("default"), training.get("reference")
    if not ours or not theirs:
        return Bar(what, None, 0.2, False, "a run's history or score is missing")
    if ours["accuracy"] < PASS:
        return Bar(what, None, 0.2, False, f"the default ended at {ours['accuracy']:.4f}")
    note = f"to the epoch that was kept: {ours['seconds']:,.0f} s, and {theirs['seconds']:,.0f} s of the reference"
    if theirs["accuracy"] < PASS:
        note += f", which ended at {theirs['accuracy']:.4f} and would have needed longer"
    return Bar(what, ours["seconds"] / theirs["seconds"], 0.2, False, note)


def recorded_training() -> dict[str, dict]:
    """{name: {seconds, epochs, accuracy}} of the recorded runs of the default and the reference, up to the epoch whose
    weights were kept."""
    folders = {"default": ROOT / "leukoscope/pretrained", "reference": ROOT / "training/results/reference"}
    found = {}
    for name, folder in folders.items():
        try:
            patience = json.loads((folder / "classifier.json").read_text())["trained"]["config"]["fit"]["patience"]
            score = json.loads((folder / "metrics.json").read_text())["results"]["bccd-test-copy"]["images"]["all"]
        except (OSError, KeyError, ValueError):
            continue
        if not (history := read_history(folder)):
            continue
        epochs = kept_epoch(history, patience)
        seconds = sum(row["seconds"] for row in history[:epochs])
        found[name] = {"seconds": seconds, "epochs": epochs, "accuracy": score["accuracy"]}
    return found
