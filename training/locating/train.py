"""Train the locator.

    python -m training.locating.train training/configs/locator.toml       # about an hour on two CPU cores

The run folder (runs/<name>) gets config.toml, history.csv, the averaged weights, and the state to go on from: stop it
at any moment, and the same command goes on after the last whole 250 steps.

It goes in rounds: first annotated boxes, and the middles of pictures of one cell whose boxes nobody drew; then these
pictures with the boxes that the rounds before find in their middles.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from leukoscope.locate import Locator
from training.locating.canvas import SIDE, example
from training.locating.pictures import Picture, annotated_photos, single_cells
from training.negatives import draw_cartoon, draw_nonsense

SAVED_EVERY = 250  # steps
WARM_UP = 200  # steps
LEAST = 0.3  # score of the cell in the middle of a picture of one, from which its box is believed
DOUBTFUL = 0.5  # of that, what is looked at for others
WEIGHTS, STATE = "average.weights.h5", "state.npz"


class Round(BaseModel):
    """A part of the training. If `doubtful` is given, pictures of one cell get boxes anew before it, see `relabel`."""

    model_config = ConfigDict(extra="forbid")
    steps: int = Field(ge=1)
    doubtful: float | None = Field(None, ge=0, le=1)


class Recipe(BaseModel):
    """Settings of one training of the locator."""

    model_config = ConfigDict(extra="forbid")
    name: str
    seed: int
    labs: list[str] = Field(min_length=1)
    filters: list[int] = Field(min_length=5, max_length=5)
    batch: int = Field(ge=1)
    rounds: list[Round] = Field(min_length=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    average: float = Field(ge=0, lt=1)


# --- what it learns from ---------------------------------------------------------------------------------


def everyday(rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures that show no smear: photographs that come with scikit-learn and matplotlib, drawn nonsense, cartoons."""
    import matplotlib
    import sklearn.datasets

    from leukoscope.images import read_image

    pictures = list(sklearn.datasets.load_sample_images().images)
    sample = Path(matplotlib.get_data_path()) / "sample_data"
    pictures += [read_image(path) for path in sorted(sample.glob("*.[jp][pn]g")) if path.stat().st_size > 10_000]
    pictures += [draw_nonsense(200, rng) for _ in range(400)]
    pictures += [draw_cartoon(200, 200, rng) for _ in range(400)]
    return [np.ascontiguousarray(p) for p in pictures]


def drawn(count: int, seed: int) -> list[Picture]:
    """Drawn photos with exact boxes, in random stains."""
    from leukoscope.cells import CELL_TYPES
    from leukoscope.synthetic import Stain, draw_photo

    pictures = []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        kinds = [CELL_TYPES[i] for i in rng.integers(4, size=int(rng.integers(0, 5)))]
        image, cells = draw_photo(
            kinds,
            seed=seed + index,
            width=320,
            height=240,
            red_cell_px=float(rng.uniform(24, 48)),
            stain=Stain.random(rng),
        )
        boxes = np.array([cell.box for cell in cells], float).reshape(-1, 4)
        pictures.append(Picture(image, boxes, "drawn", f"drawn/{index}", True, True, "train", f"drawn/{index}"))
    return pictures


def relabel(pictures: list[Picture], locator: Locator, doubtful: float) -> None:
    """Give pictures of one cell, whose box nobody drew, the box that a locator finds in the middle, where a cell is known
    to be.

    Args:
        pictures: these.
        locator: what was learned so far.
        doubtful: of the middle cell's score; what else is found there and is surer is taught as neither cell nor none.
    """
    from tqdm import tqdm

    for picture in tqdm(pictures, "finding boxes", unit=" pictures", disable=None):
        height, width = picture.image.shape[:2]
        found = locator.locate(picture.image)
        if not found or found[0].score < LEAST:
            continue
        x0, y0, x1, y1 = found[0].box
        if not (x0 <= width / 2 < x1 and y0 <= height / 2 < y1):
            continue
        others = [cell.box for cell in found[1:] if cell.score >= doubtful * found[0].score]
        picture.boxes = np.array([found[0].box], float)
        picture.doubtful = np.array(others, float).reshape(-1, 4)
        picture.complete = picture.measured = True
        vars(picture).pop("cell_width", None)


def write_boxes(file: Path, pictures: list[Picture]) -> None:
    """Keep what was found, so that a run that was stopped goes on with it."""
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps({p.path: [p.boxes.tolist(), p.doubtful.tolist(), p.complete] for p in pictures}))
    os.replace(partial, file)


def read_boxes(file: Path, pictures: list[Picture]) -> None:
    """Give pictures the boxes that were kept; a missing file gives none."""
    found = json.loads(file.read_text()) if file.exists() else {}
    for picture in pictures:
        if picture.path in found:
            boxes, doubtful, complete = found[picture.path]
            picture.boxes, picture.doubtful = (np.array(some, float).reshape(-1, 4) for some in (boxes, doubtful))
            picture.complete = picture.measured = complete
            vars(picture).pop("cell_width", None)


def batches(by_lab, others, recipe: Recipe, first: int, last: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The batches of steps `first` to `last`, prepared ahead; each follows from seed and step alone."""

    def batch(step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([recipe.seed, step])
        made = [example(by_lab, others, rng) for _ in range(recipe.batch)]
        return tuple(np.stack(part) for part in zip(*made, strict=True))

    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(batch, step) for step in range(first, min(first + 6, last))]
        for step in range(first, last):
            if step + 6 < last:
                ahead.append(pool.submit(batch, step + 6))
            yield ahead.pop(0).result()


def learning_rate(recipe: Recipe, done: int, steps: int) -> float:
    """Of a step of a round: it rises for `WARM_UP` steps and falls as a cosine, in each round anew (Loshchilov & Hutter
    2017, arXiv 1608.03983)."""
    share = (done + 1) / min(WARM_UP, steps) if done < WARM_UP else (steps - done) / steps
    return recipe.learning_rate * (share if done < WARM_UP else 0.01 + 0.99 * (1 - np.cos(np.pi * share)) / 2)


# --- the loop --------------------------------------------------------------------------------------------


def loss(answer, heat, sides, heat_weight, side_weight):
    """Focal loss of the heat map (Law & Deng 2018, arXiv 1808.01244) and 1 - generalised intersection over union of
    the boxes (Rezatofighi et al. 2019, arXiv 1902.09630); both a cell."""
    import tensorflow as tf

    from leukoscope.locate import SIDE_UNIT

    logit = answer[..., 0]
    score = tf.sigmoid(logit)
    peak = tf.cast(heat >= 1.0, tf.float32)
    positive = peak * (1 - score) ** 2 * tf.nn.softplus(-logit)
    negative = (1 - peak) * (1 - heat) ** 4 * score**2 * tf.nn.softplus(logit)
    cells = tf.maximum(1.0, tf.reduce_sum(peak * heat_weight))
    heat_loss = tf.reduce_sum((positive + negative) * heat_weight) / cells

    ours, theirs = tf.exp(tf.clip_by_value(answer[..., 1:], -5, 4)) * SIDE_UNIT, tf.exp(sides) * SIDE_UNIT
    area = lambda s: (s[..., 0] + s[..., 2]) * (s[..., 1] + s[..., 3])  # noqa: E731
    both, around = area(tf.minimum(ours, theirs)), area(tf.maximum(ours, theirs))
    union = area(ours) + area(theirs) - both
    overlap = both / union - (around - union) / around
    side_loss = tf.reduce_sum((1 - overlap) * side_weight) / tf.maximum(1.0, tf.reduce_sum(side_weight))
    return heat_loss + 3.0 * side_loss, heat_loss, side_loss


def train(recipe: Recipe, pictures: list[Picture], folder: Path) -> Path:
    """Train, or go on; returns the file of averaged weights."""
    import keras
    import tensorflow as tf
    from tqdm import tqdm

    from training.locating.network import build

    cv2.setNumThreads(1)
    model = build(tuple(recipe.filters), recipe.seed)
    total = sum(part.steps for part in recipe.rounds)
    optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay, global_clipnorm=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(model.trainable_variables)

    @tf.function
    def step_once(canvas, heat, sides, heat_weight, side_weight):
        with tf.GradientTape() as tape:
            parts = loss(model(canvas, training=True), heat, sides, heat_weight, side_weight)
        gradients = tape.gradient(parts[0], model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return parts

    variables = [*model.variables, *optimizer.variables]
    average = [v.numpy() for v in model.variables]
    done = 0
    state = folder / STATE
    if state.exists():
        with np.load(state, allow_pickle=False) as saved:
            done = int(saved["done"])
            for i, variable in enumerate(variables):
                variable.assign(saved[f"v{i}"])
            average = [saved[f"a{i}"] for i in range(len(average))]
        print(f"going on after step {done}", flush=True)
    others = everyday(np.random.default_rng([recipe.seed, 3]))
    by_lab = defaultdict(list)
    for picture in pictures:
        by_lab[picture.lab].append(picture)

    def save() -> None:
        own = model.get_weights()
        model.set_weights(average)
        model.save_weights(folder / WEIGHTS)
        model.set_weights(own)
        arrays = {f"v{i}": v.numpy() for i, v in enumerate(variables)} | {f"a{i}": a for i, a in enumerate(average)}
        np.savez(folder / "partial.npz", done=done, **arrays)
        os.replace(folder / "partial.npz", state)

    unboxed = [picture for picture in pictures if not picture.complete]
    ends = np.cumsum([each.steps for each in recipe.rounds]).tolist()
    for number, (part, first, last) in enumerate(zip(recipe.rounds, [0, *ends], ends, strict=False)):
        if part.doubtful is not None:
            boxes = folder / f"found-{number + 1}.json"
            if not boxes.exists() and done < last:
                averaged = build(tuple(recipe.filters))
                averaged.load_weights(folder / WEIGHTS)
                run = tf.function(averaged, reduce_retracing=True)
                locator = Locator(lambda copies, run=run: run(tf.constant(copies)).numpy(), LEAST * DOUBTFUL)
                relabel(unboxed, locator, part.doubtful)
                write_boxes(boxes, unboxed)
            read_boxes(boxes, unboxed)
        if done >= last:
            continue
        began, sums = time.perf_counter(), np.zeros(3)
        ahead = batches(by_lab, others, recipe, done, last)
        bar = tqdm(ahead, f"round {number + 1}", last - done, disable=None)
        for batch in bar:
            optimizer.learning_rate.assign(learning_rate(recipe, done - first, last - first))
            sums += [float(part) for part in step_once(*map(tf.constant, batch))]
            done += 1
            keep = min(recipe.average, (1 + done) / (10 + done))
            average = [keep * a + (1 - keep) * v.numpy() for a, v in zip(average, model.variables, strict=True)]
            if done % SAVED_EVERY == 0 or done == last:
                save()
                mean = sums / SAVED_EVERY
                seconds = time.perf_counter() - began
                with open(folder / "history.csv", "a", newline="") as file:
                    csv.writer(file).writerow([done, *np.round(mean, 4), round(seconds, 1)])
                parts = f"loss {mean[0]:.4f}  heat {mean[1]:.4f}  sides {mean[2]:.4f}"
                print(f"step {done}/{total}  {parts}  {seconds:.0f} s", flush=True)
                began, sums = time.perf_counter(), np.zeros(3)
    return folder / WEIGHTS


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.locating.train", description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--without", metavar="LAB", help="leave a lab out, to score on it")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    recipe = Recipe(**tomllib.loads(args.config.read_text()))
    folder = args.out or Path("runs") / (recipe.name + (f"-without-{args.without}" if args.without else ""))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(args.config.read_text())
    pictures = annotated_photos(Path(os.environ["BLOOD_CELLS_DIR"]))
    pictures += single_cells(Path(os.environ["PBC_DIR"]), Path(os.environ["LABS_DIR"]))
    pictures = [p for p in pictures if p.split == "train" and p.lab in recipe.labs and p.lab != args.without]
    pictures += drawn(150, recipe.seed)
    train(recipe, pictures, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
