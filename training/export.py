"""A finished run -> a checkpoint folder that the library, the apps and Keras load.

    python -m training.export runs/default CHECKPOINT
    python -m training.export runs/default-all FINAL --verdicts CHECKPOINT      # a run that held nothing out

Exports the weights that were kept to ONNX and to Keras's unpacked layout, compares the two on real crops, fits the
temperature and the threshold of `confident` on the validation fold, and records a golden pair. A run that held no fold
out has nothing to fit them on: it takes those of a checkpoint of the same recipe that did.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from leukoscope.calibration import unfamiliarity
from leukoscope.checkpoint import (
    GOLDEN_FILE,
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
    write_json,
    write_spec,
)
from leukoscope.errors import CheckpointError
from training.config import Config, ConfigError, in_precision, read_config, recorded
from training.data import NONE, add_data_arguments, data_words, examples_of, is_drawn, targets_of
from training.sources import DRAWN, DataError
from training.train import (
    KEPT_FILE,
    RunError,
    first_cells,
    framed,
    framing_of,
    on_all,
    precision_of,
    read_history,
    training_rows,
)

PARITY_CROPS = 256
PARITY_TOLERANCE = 1e-4  # of a probability
CONFIDENT_ACCURACY = 0.99  # of answers marked confident on the validation fold, half a point above what is promised
LEAST_CONFIDENT = 0.9  # probability of such an answer: in labs never seen they are less often right than held-out ones
UNFAMILIAR_SHARE = 0.02  # of validation cells of the four types that may be called unfamiliar
ONNX_OUTPUTS = ("logits", "features", "feature_map")


class ExportError(RuntimeError):
    """An exported graph that does not answer as the Keras model does."""


def export(run: Path, checkpoint: Path, examples, verdicts: Path | None = None, cell: float | None = None) -> Spec:
    """Write the checkpoint folder of a run; an older one there is replaced as a whole, once the new one stands.

    Args:
        run: run folder that `training.train` made.
        checkpoint: folder to write.
        examples: the table that the run trained on.
        verdicts: for a run that held no fold out, the checkpoint of the same recipe that gives temperature and
            thresholds.
        cell: score, 0-1, from which something is a white cell; None: that at which the run framed its examples.

    Raises:
        RunError: if the run has no weights yet, or `verdicts` is missing, not asked for, or of another recipe.
        ExportError: if ONNX Runtime and Keras differ by more than 1e-4.
        CheckpointError: if the folder holds something that is no checkpoint.
    """
    import keras

    from training.networks import NORMALISATION, build

    config = read_config(run / "config.toml")
    if not (run / KEPT_FILE).exists():
        raise RunError(f"{run} holds no weights yet: no epoch was completed")
    lent = _lent_verdicts(config, verdicts, run / LOCATOR_FILE)
    model = build(config)  # float32, whatever the run trained in
    model.load_weights(run / KEPT_FILE)

    train_rows, val_rows = training_rows(config, examples)
    framing, cells = framing_of(config), first_cells(config, run)
    val_crops, val_rows = framed(val_rows, framing, 0, "validation", cells)
    val_labels = targets_of(val_rows)

    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=checkpoint.parent, prefix=f".{checkpoint.name}-") as workshop:
        folder = Path(workshop) / "checkpoint"
        folder.mkdir()
        keras.saving.save_model(model, folder / "keras", zipped=False)
        for name in KERAS_FILES:
            shutil.move(folder / "keras" / name, folder / name)
        shutil.rmtree(folder / "keras")
        export_onnx(model, folder / ONNX_FILE)
        if cells:
            shutil.copyfile(run / LOCATOR_FILE, folder / LOCATOR_FILE)
        shutil.copyfile(run / "history.csv", folder / HISTORY_FILE)

        more = train_rows.select(range(min(max(0, PARITY_CROPS - len(val_crops)), len(train_rows))))
        parity_crops = np.concatenate([val_crops, framed(more, framing, 0, "parity", cells)[0]])[:PARITY_CROPS]
        difference = parity(model, folder / ONNX_FILE, parity_crops)
        if difference > PARITY_TOLERANCE:
            raise ExportError(f"ONNX Runtime and Keras differ by {difference:.2g} in a probability")

        if lent:
            temperature, thresholds, held_out = lent.temperature, lent.thresholds, lent.trained["validation_pictures"]
        else:
            logits, held_out = run_onnx(folder / ONNX_FILE, val_crops), len(val_rows)
            temperature, thresholds = fit_verdicts(logits, val_labels, cell or config.locator.threshold)
        spec = Spec(
            name=config.name,
            framing=framing,
            normalisation=NORMALISATION,
            temperature=temperature,
            thresholds=thresholds,
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
                "validation_pictures": held_out,
                "on_all": bool(lent),  # then what was held out, and the verdicts, are of another run of the recipe
                "drawn": "synthetic" in config.data.labs,
                "epochs": len(read_history(run)),
                "parameters": model.count_params(),
                "parity": {"crops": len(parity_crops), "largest_difference": difference},
                "config": config.model_dump(),
                "precision": precision_of(run, config),  # what "auto" meant where it was trained
                "commit": source_commit(),
                "versions": {name: version(name) for name in ("keras", "tensorflow", "onnxruntime", "numpy")},
            },
        )
        write_spec(folder, spec)
        write_golden(folder, config)
        replace_checkpoint(folder, checkpoint)
    return spec


def _lent_verdicts(config: Config, verdicts: Path | None, locator: Path) -> Spec | None:
    """The spec of the checkpoint that temperature and thresholds are taken from; None for a run that fits its own."""
    if config.data.folds > 1:
        if verdicts:
            raise RunError(f"the run held a fold out to fit its verdicts on: those of {verdicts} are not needed")
        return None
    if not verdicts:
        raise RunError("the run held no fold out: name a checkpoint of the same recipe that did, by --verdicts")
    lent = read_spec(verdicts)
    theirs = recorded(lent.trained, str(verdicts))
    if theirs.data.folds == 1:
        raise RunError(f"{verdicts} held no fold out either")
    ours, theirs = (in_precision(c, "auto").model_dump(exclude={"name"}) for c in (config, on_all(theirs)))
    if changed := [part for part in ours if ours[part] != theirs[part]]:
        raise RunError(f"{verdicts} is of another recipe: it differs in {', '.join(changed)}")
    if locator.exists() and lent.files.get(LOCATOR_FILE) != sha256(locator):
        raise RunError(f"{verdicts} has another locator, so it frames cells in another way")
    return lent


def export_onnx(model, path: Path) -> None:
    """Write the graph with outputs logits, features and feature_map; the batch axis is free.

    Where the features are the feature map's mean, a fourth output is `class_map` (N, h, w, C): the last layer applied
    at every place, whose mean over the places is the logits.
    """
    import keras
    import onnx

    outputs = {name: model.get_layer(name).output for name in ONNX_OUTPUTS}
    if isinstance(model.get_layer("features"), keras.layers.GlobalAveragePooling2D):
        outputs["class_map"] = model.get_layer("logits")(outputs["feature_map"])
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


def run_onnx(path: Path, crops: np.ndarray) -> np.ndarray:
    """Logits of framed crops by ONNX Runtime, opened as serving opens it: uint8 (N, S, S, 3) -> float32 (N, C)."""
    from leukoscope.graphs import open_graph
    from leukoscope.preprocess import normalise
    from training.networks import NORMALISATION

    session = open_graph(path, "image", "logits")
    parts = np.array_split(crops, -(-len(crops) // 64))
    return np.concatenate([session.run(["logits"], {"image": normalise(part, NORMALISATION)})[0] for part in parts])


def parity(model, path: Path, crops: np.ndarray) -> float:
    """Largest difference of a probability between Keras and ONNX Runtime over framed crops."""
    from scipy.special import softmax

    from leukoscope.preprocess import normalise
    from training.networks import NORMALISATION

    ours = softmax(run_onnx(path, crops), axis=1)
    keras_ = softmax(model.predict(normalise(crops, NORMALISATION), batch_size=64, verbose=0), axis=1)
    return float(np.abs(ours - keras_).max())


def fit_verdicts(logits: np.ndarray, labels: np.ndarray, cell: float) -> tuple[float, Thresholds]:
    """The temperature and the thresholds, all from cells that the network was not trained on.

    `unfamiliar` lets all but 2 % of the cells of the four types pass; `confident` is fitted on those that pass.

    Args:
        logits: (N, 4 or 5).
        labels: (N,), 4 for what is none of the four types.
        cell: score from which the locator takes something for a cell, which is the recipe's.
    """
    one_of_four = labels < NONE
    logits, labels = logits[one_of_four], labels[one_of_four]
    temperature = fit_temperature(logits[:, :NONE], labels)
    score = unfamiliarity(logits, temperature)
    limit = round(float(np.quantile(score, 1 - UNFAMILIAR_SHARE)), 4) if logits.shape[1] > NONE else 1.0
    known = score <= limit
    confident = fit_confident(logits[known, :NONE] / temperature, labels[known])
    return temperature, Thresholds(confident=confident, unfamiliar=limit, cell=cell)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017, arXiv 1706.04599), within 0.25-4."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def log_loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -scaled[np.arange(len(labels)), labels].mean()

    result = minimize_scalar(log_loss, bounds=(np.log(0.25), np.log(4.0)), method="bounded")
    return round(float(np.exp(result.x)), 4)


def fit_confident(scaled: np.ndarray, labels: np.ndarray) -> float:
    """The lowest probability, not below `LEAST_CONFIDENT`, from which upwards answers are right often enough; 1 if none
    is.

    Args:
        scaled: logits over the temperature (N, 4).
        labels: (N,).
    """
    from scipy.special import softmax

    probabilities = softmax(scaled.astype(np.float64), axis=1)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence)
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(accuracy >= CONFIDENT_ACCURACY)
    return round(max(LEAST_CONFIDENT, float(confidence[order][enough[-1]])), 4) if len(enough) else 1.0


def write_golden(folder: Path, config: Config) -> None:
    """Record the answer to one drawn cell, so that any copy of the checkpoint can prove itself."""
    from PIL import Image

    from leukoscope.classifier import Classifier
    from leukoscope.synthetic import draw_photo

    picture, _ = draw_photo(["neutrophil"], seed=7, width=320, height=240, red_cell_px=48.0)
    Image.fromarray(picture).save(folder / GOLDEN_PICTURE)
    prediction = Classifier.from_pretrained(folder).predict(folder / GOLDEN_PICTURE)
    write_json(
        folder / GOLDEN_FILE,
        {
            "note": "a drawn cell and what this checkpoint answers to it; a check of the software, not of accuracy",
            "label": prediction.label,
            "probabilities": prediction.probabilities,
            "box": prediction.box,
        },
    )


def source_commit() -> str | None:
    """Commit of the source that is running, with "+" if files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        git = lambda *words: subprocess.run(  # noqa: E731
            ["git", *words], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.export", description="Write the checkpoint folder of a training run."
    )
    parser.add_argument("run", type=Path, help="run folder, such as runs/default")
    parser.add_argument("checkpoint", type=Path, help="folder to write")
    parser.add_argument(
        "--verdicts",
        type=Path,
        metavar="CHECKPOINT",
        help="for a run that held no fold out (training.train --all): of the same recipe, with a fold held out; gives "
        "temperature and thresholds",
    )
    parser.add_argument(
        "--cell",
        type=float,
        metavar="T",
        help="score, 0-1, from which something is a white cell, as training.locating.score chooses it; default: the "
        "recipe's, at which the examples were framed",
    )
    add_data_arguments(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        if args.cell is not None and not 0 < args.cell < 1:
            raise ConfigError(f"--cell must be above 0 and below 1, not {args.cell:g}")
        if args.cell is not None and args.verdicts:
            raise ConfigError("--cell: thresholds come from --verdicts")
        config = read_config(args.run / "config.toml")
        examples = examples_of(args, kinds=config.data.kinds, seed=config.seed)
        spec = export(args.run, args.checkpoint, examples, args.verdicts, args.cell)
    except (ConfigError, DataError, RunError, ExportError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps({k: spec.trained[k] for k in ("pictures", "photos", "epochs", "parameters", "parity")}))
    print(f"temperature {spec.temperature}, confident from {spec.thresholds.confident}")
    lab = f" --lab {DRAWN}" if is_drawn(args.data) else ""
    print(f"checkpoint: {args.checkpoint}\nnext: python -m training.evaluate {args.checkpoint}{data_words(args)}{lab}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
