"""Train the locator.

    python -m training.locating.train training/recipe/configs/locator.toml    # about an hour on two CPU cores
    python -m training.locating.train training/recipe/configs/locator.toml --without raabin  # to score it there

The run folder (runs/<name>) gets config.toml, run.json, history.csv, the averaged weights, the boxes that were found,
and the state to go on from: stop it at any moment, and the same command goes on after the last whole 250 steps, and
gives what a run without the stop would have given.

It goes in rounds: first annotated boxes, and the middles of pictures of one cell whose boxes nobody drew; then these
pictures with the boxes that the rounds before find in their middles; at last how wide red cells are as well.

Then: python -m training.locating.export runs/<name> locator.onnx, and python -m training.locating.score locator.onnx.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from leukoscope.errors import ImageError
from training.data.sources import DataError
from training.fitting.run_folder import RunError
from training.locating.fields.canvas import example
from training.locating.fields.found import DOUBTFUL, LEAST, read_boxes, relabel, write_boxes
from training.locating.fields.pictures import Picture, add_folder_arguments, all_pictures, drawn, everyday, folders_of
from training.locating.recipe import Recipe, read_recipe
from training.locating.run import WEIGHTS, add_to_history, check_run, identity, open_run, steps_done
from training.locating.steps import Training
from training.recipe.config import ConfigError

SAVED_EVERY = 250  # steps
WARM_UP = 200  # steps
AHEAD = 6  # batches that are prepared
DRAWN = 150  # photos

ByLab = dict[str, list[Picture]]


# --- batches ---------------------------------------------------------------------------------------------


def batches(by_lab: ByLab, others: list[np.ndarray], recipe: Recipe, first: int, last: int) -> Iterator[tuple]:
    """The batches of steps `first` to `last`, prepared ahead; each follows from seed and step alone.

    Args:
        by_lab, others: what examples are made from, see `canvas.example`.
        recipe: with the seed, and how many make a batch.
        first, last: steps; the last is not among them.

    Yields:
        canvases, heat, sides, known, telling, red: as `canvas.example` gives them, stacked.
    """

    def batch(step: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([recipe.seed, step])
        made = [example(by_lab, others, rng) for _ in range(recipe.batch)]
        return tuple(np.stack(part) for part in zip(*made, strict=True))

    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(batch, step) for step in range(first, min(first + AHEAD, last))]
        for step in range(first, last):
            if step + AHEAD < last:
                ahead.append(pool.submit(batch, step + AHEAD))
            yield ahead.pop(0).result()


# --- the loop --------------------------------------------------------------------------------------------


def learning_rate(recipe: Recipe, done: int, steps: int) -> float:
    """Of a step of a round: it rises for `WARM_UP` steps and falls as a cosine to a hundredth, in each round anew
    (Loshchilov & Hutter 2017, arXiv 1608.03983).

    Args:
        recipe: with the highest rate.
        done: steps of the round that were done before.
        steps: of the round.
    """
    if done < WARM_UP:
        return recipe.learning_rate * ((done + 1) / min(WARM_UP, steps))
    return recipe.learning_rate * (0.01 + 0.99 * (1 - np.cos(np.pi * ((steps - done) / steps))) / 2)


def train(recipe: Recipe, pictures: list[Picture], folder: Path) -> Path:
    """Train, or go on training, until the last step.

    Args:
        recipe: the settings.
        pictures: what is learned from; those without measured boxes are given some between the rounds.
        folder: the run folder, which must be there.

    Returns:
        The file of averaged weights.
    """
    cv2.setNumThreads(1)  # a canvas a core: threads within one cost more than they give
    training = Training(recipe, folder)
    if training.done:
        print(f"going on after step {training.done}", flush=True)
    others = everyday(np.random.default_rng([recipe.seed, 3]))
    by_lab: ByLab = defaultdict(list)
    for picture in pictures:
        by_lab[picture.lab].append(picture)
    unboxed = [picture for picture in pictures if not picture.complete]
    first = 0
    for number, part in enumerate(recipe.rounds, 1):
        last = first + part.steps
        if part.doubtful is not None and unboxed:
            boxes = folder / f"found-{number}.json"
            if not boxes.exists() and training.done < last:
                relabel(unboxed, training.locator(LEAST * DOUBTFUL), part.doubtful)
                write_boxes(boxes, unboxed)
            if boxes.exists():
                read_boxes(boxes, unboxed)
        if training.done < last:
            _run_round(training, by_lab, others, number, first)
        first = last
    return folder / WEIGHTS


def _run_round(training: Training, by_lab: ByLab, others: list[np.ndarray], number: int, first: int) -> None:
    """Do what is left of a round, counted from 1, before which `first` steps are done, and save on the way."""
    from tqdm import tqdm

    part = training.recipe.rounds[number - 1]
    last = first + part.steps
    ahead = batches(by_lab, others, training.recipe, training.done, last)
    bar = tqdm(ahead, f"round {number}", last - training.done, disable=None)
    began, losses = time.perf_counter(), []
    for batch in bar:
        losses.append(training.step(batch, learning_rate(training.recipe, training.done - first, part.steps), part.red))
        if training.done % SAVED_EVERY == 0 or training.done == last:
            training.save()
            mean, seconds = np.mean(losses, axis=0), time.perf_counter() - began
            add_to_history(training.folder, training.done, mean, seconds)
            parts = f"loss {mean[0]:.4f}  heat {mean[1]:.4f}  sides {mean[2]:.4f}  red {mean[3]:.4f}"
            print(f"step {training.done}/{training.recipe.steps}  {parts}  {seconds:.0f} s", flush=True)
            began, losses = time.perf_counter(), []


# --- the command -----------------------------------------------------------------------------------------


def taught(recipe: Recipe, pictures: list[Picture], without: str | None = None) -> list[Picture]:
    """The pictures that a recipe learns from: of its labs, less one that is left out, what is not held out; and drawn
    photos.

    Raises:
        DataError: if one of these labs has no pictures.
    """
    labs = [lab for lab in recipe.labs if lab != without]
    chosen = [picture for picture in pictures if picture.split == "train" and picture.lab in labs]
    if absent := set(labs) - {picture.lab for picture in chosen}:
        known = ", ".join(sorted({picture.lab for picture in pictures}))
        raise DataError(f"no training pictures from lab {', '.join(sorted(absent))}; the data has labs {known}")
    return chosen + drawn(DRAWN, recipe.seed)


def check_left_out(recipe: Recipe, without: str | None) -> None:
    """Let only a lab be left out that would be learned from, and not the only one.

    Raises:
        ConfigError: naming the labs of the recipe.
    """
    if without is None:
        return
    if without not in recipe.labs:
        raise ConfigError(f"--without {without}: {recipe.name} learns from {', '.join(recipe.labs)}")
    if set(recipe.labs) == {without}:
        raise ConfigError(f"--without {without}: {recipe.name} learns from no other lab")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.locating.train",
        description="Train the network that finds white cells, or go on with a training that was stopped.",
        epilog="next: python -m training.locating.export RUN locator.onnx",
    )
    parser.add_argument("config", type=Path, help="recipe, such as training/recipe/configs/locator.toml")
    add_folder_arguments(parser)
    parser.add_argument(
        "--without",
        metavar="LAB",
        help="leave one of the recipe's labs out, to score on it; the run folder is then runs/<name>-without-LAB",
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="run folder; default runs/<name in the recipe>")
    args = parser.parse_args(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        recipe = read_recipe(args.config)
        check_left_out(recipe, args.without)
        folder = args.out or Path("runs") / (recipe.name + (f"-without-{args.without}" if args.without else ""))
        check_run(folder, identity(recipe, args.without))
        if steps_done(folder) >= recipe.steps:  # then no picture need be read either
            print(f"nothing is left to train in {folder}", flush=True)
        else:
            pictures = taught(recipe, all_pictures(*folders_of(args)), args.without)
            open_run(folder, args.config.read_text(), identity(recipe, args.without, pictures))
            train(recipe, pictures, folder)
    except (ConfigError, DataError, ImageError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted: the same command goes on after the last whole {SAVED_EVERY} steps", file=sys.stderr)
        return 130
    print(f"weights: {folder / WEIGHTS}\nnext: python -m training.locating.export {folder} locator.onnx")
    return 0


if __name__ == "__main__":
    sys.exit(main())
