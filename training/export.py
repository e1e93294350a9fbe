"""A finished run -> a checkpoint folder that the library, the apps and Keras load.

    python -m training.export runs/default CHECKPOINT
    python -m training.export runs/default CHECKPOINT --verdicts training/results/verdicts.json     # from other labs
    python -m training.export runs/default-all FINAL --verdicts CHECKPOINT      # a run that held nothing out

Exports the weights that were kept to ONNX and to Keras's unpacked layout, compares the two on real crops, brings the
ONNX graph to integers of 8 bits, compares again, and records a golden pair. Temperature and thresholds are those that
`training.studies.verdicts` fitted on labs left out, if they are named, else they are fitted on the validation fold. A
run that held no fold out has nothing to fit them on: it takes the former, or those of a checkpoint of the same recipe
that did.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leukoscope.errors import CheckpointError
from leukoscope.model.calibration import Sizes
from leukoscope.model.checkpoint import (
    GOLDEN_PICTURE,
    HISTORY_FILE,
    KERAS_FILES,
    LOCATOR_FILE,
    ONNX_FILE,
    Spec,
    Thresholds,
    read_spec,
    replace_checkpoint,
    sha256,
    write_spec,
)
from training.attributes.scores import fit_sure
from training.data.attributes import fitting_rows, numbers, taught_rows
from training.data.sources import DRAWN, DataError
from training.data.table import NONE, add_data_arguments, data_words, examples_of, is_drawn, targets_of
from training.fitting.examples import first_cells, framed, framing_of, of_each_lab, on_all, training_rows
from training.fitting.integers import in_integers
from training.fitting.run_folder import RunError, precision_of, read_history, source_commit, weights_of
from training.recipe.config import Config, ConfigError, in_precision, read_config, recorded
from training.scoring.thresholds import Answered, VerdictsError, fit, read_verdicts

PARITY_CROPS = 256
PARITY_TOLERANCE = 1e-4  # of a probability
ROUNDED_CROPS = 256  # that show how far the values of each map reach, before they are integers
ROUNDED_TOLERANCE = 0.03  # of a probability, in the mean
CONFIDENT_ACCURACY = 0.99  # of answers marked confident on the validation fold, half a point above what is promised
ONNX_OUTPUTS = ("features", "feature_map")  # beside those of the heads
LEAST_CONFIDENT = 0.9  # probability of such an answer: in labs never seen they are less often right than held-out ones


class ExportError(RuntimeError):
    """An exported graph that does not answer as the Keras model does."""


def export(run: Path, checkpoint: Path, examples, verdicts: Path | None = None, before: Spec | None = None) -> Spec:
    """Write the checkpoint folder of a run; an older one there is replaced as a whole, once the new one stands.

    Args:
        run: run folder that `training.train` made.
        checkpoint: folder to write.
        examples: the table that the run trained on.
        verdicts: what gives temperature and thresholds: the file of `training.studies.verdicts`, or, for a run that
            held no fold out, a checkpoint of the same recipe that did; None: the validation fold.
        before: of a checkpoint with the same locator: its `sure_cell` and sizes, of which the fold says nothing.

    Raises:
        RunError: if the run has no weights yet, or `verdicts` is missing, not asked for, or of another recipe.
        VerdictsError: if the file is none, or of another recipe.
        ExportError: if ONNX Runtime and Keras differ by more than the tolerances above.
        CheckpointError: if the folder holds something that is no checkpoint.
    """
    import keras

    from leukoscope.smear.preprocess import normalise
    from training.recipe.heads import fit_head
    from training.recipe.networks import NORMALISATION, answering, build, types_alone

    config = read_config(run / "config.toml")
    if not (weights := weights_of(run)).exists():
        raise RunError(f"{run} holds no weights yet: no epoch was completed")
    lent = _lent_verdicts(config, verdicts, run / LOCATOR_FILE)
    model = build(config)  # float32, whatever the run trained in
    model.load_weights(weights)
    model = answering(model, config)

    train_rows, val_rows = training_rows(config, examples)
    framing, cells = framing_of(config), first_cells(config, run)
    if config.fit.attributes and len(seen := taught_rows(train_rows)):
        crops, seen = framed(seen, framing, 0, "attributes'", cells)
        fit_head(model, crops, numbers(seen), NORMALISATION)
    val_crops, val_rows = framed(val_rows, framing, 0, "validation", cells)

    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=f".{checkpoint.name}-") as workshop:
        folder = Path(workshop) / "checkpoint"
        folder.mkdir()
        # The types alone: what is fine-tuned for them sees attributes no longer as it was taught to.
        keras.saving.save_model(types_alone(model), folder / "keras", zipped=False)
        for name in KERAS_FILES:
            shutil.move(folder / "keras" / name, folder / name)
        shutil.rmtree(folder / "keras")
        export_onnx(model, folder / ONNX_FILE)
        if cells:
            shutil.copyfile(run / LOCATOR_FILE, folder / LOCATOR_FILE)
        shutil.copyfile(run / "history.csv", folder / HISTORY_FILE)

        more = train_rows.select(range(min(max(0, PARITY_CROPS - len(val_crops)), len(train_rows))))
        parity_crops = np.concatenate([val_crops, framed(more, framing, 0, "parity", cells)[0]])[:PARITY_CROPS]
        difference = float(differences(model, folder / ONNX_FILE, parity_crops).max())
        if difference > PARITY_TOLERANCE:
            raise ExportError(f"ONNX Runtime and Keras differ by {difference:.2g} in a probability")
        reaching, _ = framed(of_each_lab(train_rows, ROUNDED_CROPS), framing, 0, "calibration", cells)
        levels = normalise(reaching, NORMALISATION)
        in_integers(folder / ONNX_FILE, "image", np.split(levels, range(16, len(levels), 16)))
        rounded = float(differences(model, folder / ONNX_FILE, parity_crops).mean())
        if rounded > ROUNDED_TOLERANCE:
            raise ExportError(f"in integers the graph differs from Keras by {rounded:.2g} of a probability in the mean")

        sure = {}
        if config.fit.attributes and len(rows := fitting_rows(examples)):
            crops, rows = framed(rows, framing, 0, "attributes'", cells)
            sure = fit_sure(run_onnx(folder / ONNX_FILE, crops, "attributes"), numbers(rows))
        lent = lent or Lent(1.0, Thresholds(1.0, cell=config.locator.threshold), before and before.sizes, "")
        spec = Spec(
            name=config.name,
            framing=framing,
            normalisation=NORMALISATION,
            temperature=lent.temperature,
            thresholds=lent.thresholds,
            sizes=lent.sizes,
            attributes=sure,
            files={
                name: sha256(folder / name)
                for name in (ONNX_FILE, LOCATOR_FILE, *KERAS_FILES)
                if (folder / name).exists()
            },
            trained={
                "labs": config.data.labs,
                "others": config.data.others,
                "kind": config.data.kind,
                "pictures": len(train_rows),
                "photos": len(set(train_rows["photo"])),
                "validation_pictures": len(val_rows),
                "on_all": config.data.folds == 1,
                "verdicts": lent.source or "what was held out",
                "drawn": "synthetic" in config.data.labs,
                "epochs": len(read_history(run)),
                "parameters": model.count_params(),
                "parity": {
                    "crops": len(parity_crops),
                    "largest_difference": difference,
                    "mean_difference_in_integers": rounded,
                },
                "config": config.model_dump(),
                "precision": precision_of(run, config),  # what "auto" meant where it was trained
                "commit": source_commit(),
                "versions": {name: version(name) for name in ("keras", "tensorflow", "onnxruntime", "numpy")},
            },
        )
        write_spec(folder, spec)
        if not lent.source:
            spec = with_own_verdicts(folder, spec, val_rows, before.thresholds.sure_cell if before else 0.0)
            write_spec(folder, spec)
        write_golden(folder, config)
        replace_checkpoint(folder, checkpoint)
    return spec


class Lent(NamedTuple):
    """Verdicts from elsewhere: the temperature, the thresholds, what widths say, and in words what they were fitted
    on; "" if they are the run's own to fit."""

    temperature: float
    thresholds: Thresholds
    sizes: Sizes | None
    source: str


def _lent_verdicts(config: Config, verdicts: Path | None, locator: Path) -> Lent | None:
    """Temperature and thresholds from elsewhere; None for a run that fits its own."""
    if verdicts and verdicts.is_file():
        fitted = read_verdicts(verdicts, config)
        limits = {name: fitted[name] for name in ("confident", "unfamiliar", "sure_cell")}
        thresholds = Thresholds(cell=config.locator.threshold, **limits)
        source = f"answers of models of the same recipe to a lab that each had never seen: {', '.join(fitted['labs'])}"
        return Lent(fitted["temperature"], thresholds, fitted["sizes"], source)
    if config.data.folds > 1:
        if verdicts:
            raise RunError(f"the run held a fold out to fit its verdicts on: those of {verdicts} are not needed")
        return None
    if not verdicts:
        raise RunError(
            "the run held no fold out: name, by --verdicts, a checkpoint of the same recipe that did, or the file of "
            "training.studies.verdicts"
        )
    spec = read_spec(verdicts)
    theirs = recorded(spec.trained, str(verdicts))
    if theirs.data.folds == 1:
        raise RunError(f"{verdicts} held no fold out either")
    ours, theirs = (in_precision(c, "auto").model_dump(exclude={"name"}) for c in (config, on_all(theirs)))
    if changed := [part for part in ours if ours[part] != theirs[part]]:
        raise RunError(f"{verdicts} is of another recipe: it differs in {', '.join(changed)}")
    if locator.exists() and spec.files.get(LOCATOR_FILE) != sha256(locator):
        raise RunError(f"{verdicts} has another locator, so it frames cells in another way")
    held_out = spec.trained["validation_pictures"]
    return Lent(spec.temperature, spec.thresholds, spec.sizes, f"{held_out:,} pictures that an earlier run held out")


def export_onnx(model, path: Path) -> None:
    """Write the graph with outputs logits, features, feature_map, and attributes if they are taught; the batch axis is
    free.

    Where the features are the feature map's mean, further outputs are `class_map` (N, h, w, C) and `attribute_map`: the
    last layer applied at every place, whose mean over the places is the logits.
    """
    import keras
    import onnx

    heads = {"logits": "class_map", "attributes": "attribute_map"}
    heads = {name: its for name, its in heads.items() if name in {layer.name for layer in model.layers}}
    outputs = {name: model.get_layer(name).output for name in (*heads, *ONNX_OUTPUTS)}
    if outputs["features"].shape[-1] == outputs["feature_map"].shape[-1]:  # then they are its mean
        outputs |= {its: model.get_layer(name)(outputs["feature_map"]) for name, its in heads.items()}
    many = keras.Model(model.input, outputs)
    many(np.zeros((1, *model.input.shape[1:]), np.float32))  # Keras exports only what has been called
    many.export(path, format="onnx", verbose=False)
    graph = onnx.load(path)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    names = [v.name for v in graph.graph.input], {v.name for v in graph.graph.output}
    if names != (["image"], set(outputs)):
        raise ExportError(f"the graph's inputs and outputs came out as {names}")
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def run_onnx(path: Path, crops: np.ndarray, output: str = "logits") -> np.ndarray:
    """Run a graph by ONNX Runtime as serving does: framed crops, uint8 (N, S, S, 3) -> one output, float32 (N, ...)."""
    from leukoscope.model.graphs import open_graph
    from leukoscope.smear.preprocess import normalise
    from training.recipe.networks import NORMALISATION

    session = open_graph(path, "image", output)
    parts = np.array_split(crops, -(-len(crops) // 64))
    return np.concatenate([session.run([output], {"image": normalise(part, NORMALISATION)})[0] for part in parts])


def differences(model, path: Path, crops: np.ndarray) -> np.ndarray:
    """The largest difference of a type's probability between Keras and ONNX Runtime, a crop: (N,) of N framed ones."""
    from scipy.special import softmax

    from leukoscope.smear.preprocess import normalise
    from training.recipe.networks import NORMALISATION, types_alone

    ours = softmax(run_onnx(path, crops), axis=1)
    keras_ = softmax(types_alone(model).predict(normalise(crops, NORMALISATION), batch_size=64, verbose=0), axis=1)
    return np.abs(ours - keras_).max(axis=1)


def with_own_verdicts(folder: Path, spec: Spec, rows, sure_cell: float) -> Spec:
    """The spec of a checkpoint folder with temperature and thresholds fitted on what it answers to cells that were held
    out of the labs that it learned from.

    Args:
        folder: with all that answering needs.
        spec: which is written there.
        rows: those held out.
        sure_cell: of the thresholds.
    """
    from leukoscope.classifier import Classifier
    from training.scoring.answers import graph_output

    classifier = Classifier.from_pretrained(folder)
    logits, cells, seen = graph_output(classifier, rows, "logits", "verdicts")
    labels = targets_of(rows)[seen]
    one_of_four = labels < NONE
    own = {"held out": Answered(classifier.weighed(logits, cells)[one_of_four], labels[one_of_four])}
    fitted = fit(own, CONFIDENT_ACCURACY, LEAST_CONFIDENT)
    thresholds = Thresholds(fitted.confident, fitted.unfamiliar, spec.thresholds.cell, sure_cell)
    return replace(spec, temperature=fitted.temperature, thresholds=thresholds)


def write_golden(folder: Path, config: Config) -> None:
    """Record the answer to one drawn cell, so that any copy of the checkpoint can prove itself."""
    from PIL import Image

    from leukoscope.classifier import Classifier
    from leukoscope.drawn.synthetic import draw_photo

    picture, _ = draw_photo(["neutrophil"], seed=7, width=320, height=240, red_cell_px=48.0)
    Image.fromarray(picture).save(folder / GOLDEN_PICTURE)
    Classifier.from_pretrained(folder).record_golden()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.export", description="Write the checkpoint folder of a training run."
    )
    parser.add_argument("run", type=Path, help="run folder, such as runs/default")
    parser.add_argument("checkpoint", type=Path, help="folder to write")
    parser.add_argument(
        "--verdicts",
        type=Path,
        metavar="SOURCE",
        help="what gives temperature and thresholds: the file of training.studies.verdicts, or, for a run that held "
        "no fold out (training.train --all), a checkpoint of the same recipe that did; default: what the run held out",
    )
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        config = read_config(args.run / "config.toml")
        examples = examples_of(args, kinds=config.data.kinds, seed=config.seed)
        spec = export(args.run, args.checkpoint, examples, args.verdicts)
    except (ConfigError, DataError, RunError, VerdictsError, ExportError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({k: spec.trained[k] for k in ("pictures", "photos", "epochs", "parameters", "parity")}))
    print(f"temperature {spec.temperature}, confident from {spec.thresholds.confident}")
    lab = f" --lab {DRAWN}" if is_drawn(args.data) else ""
    print(f"checkpoint: {args.checkpoint}\nnext: python -m training.evaluate {args.checkpoint}{data_words(args)}{lab}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
