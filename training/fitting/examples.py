"""The rows that a run learns from and is validated on, and what the network is shown of each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from leukoscope.biology.cells import CELL_TYPES, HOW_MANY
from leukoscope.model.checkpoint import LOCATOR_FILE
from leukoscope.smear.preprocess import Framing, frame
from training.data.sources import DRAWN, LABELS, OTHER_CELLS, DataError, doubted_photos
from training.fitting.locator import FirstCells
from training.recipe.config import Config, checked


def training_rows(config: Config, examples):
    """(training rows, validation rows) of a table: TRAIN of the labs named, one fold held out by slide, of which only
    the photos are validated on where there are photos.

    Photos whose label is doubted are left out of the training rows alone, if the settings say so: what is held out
    stays as published, so that a score does not rise for having its hard photos taken away.
    """
    from training.data.table import drop_fields_of, grouped_folds, labels_of, where

    unknown = set(config.data.others) - set(OTHER_CELLS)
    if unknown:
        raise DataError(f"data.others: {', '.join(sorted(unknown))}: valid are {', '.join(OTHER_CELLS)}")
    test = where(examples, split="test")
    labs, kinds, splits = (np.asarray(examples[c]) for c in ("lab", "kind", "split"))
    taught = np.isin(np.asarray(LABELS)[labels_of(examples)], CELL_TYPES + tuple(config.data.others))
    wanted = taught & np.isin(labs, config.data.labs) & np.isin(kinds, config.data.kinds) & (splits != "test")
    rows = examples.select(np.flatnonzero(wanted))
    absent = set(config.data.labs) - set(rows["lab"])
    if absent:
        raise DataError(
            f"no training pictures of kind {config.data.kind!r} from lab {', '.join(sorted(absent))}; "
            f"the data has labs {', '.join(sorted(set(labs)))}"
        )
    if config.data.drop_test_fields:
        rows = drop_fields_of(rows, test)
    train, validation = grouped_folds(rows, config.data.folds, config.seed)[config.data.fold]
    train, validation = rows.select(train), rows.select(validation)
    if "photo" in validation["kind"]:
        validation = where(validation, kind="photo")  # their copies are no new evidence
    if config.data.drop_doubted:
        doubted = doubted_photos()
        keep = [pair not in doubted for pair in zip(train["lab"], train["photo"], strict=True)]
        train = train.select(np.flatnonzero(keep))
    missing = set(range(len(CELL_TYPES))) - set(labels_of(train))
    if missing:
        raise DataError(f"the training rows lack {len(missing)} of the {HOW_MANY} cell types")
    return train, validation


def of_each_lab(rows, count: int):
    """About so many rows, of each lab as many, evenly from its first to its last."""
    labs = np.asarray(rows["lab"])
    each = [np.flatnonzero(labs == lab) for lab in np.unique(labs)]
    share = -(-count // len(each))
    return rows.select(np.concatenate([own[:: -(-len(own) // share)] for own in each]))


def on_all(config: Config) -> Config:
    """The same recipe with no fold held out.

    Raises:
        ConfigError: if it stops by what is held out.
    """
    values = config.model_dump()
    values["data"] |= {"folds": 1, "fold": 0}
    return checked(values, f"{config.name} on all photos")


def on_drawn(config: Config) -> Config:
    """The same recipe on drawn cells alone: they have one lab, photos of their own, and no cells of other kinds."""
    values = config.model_dump()
    values["data"] |= {"labs": [DRAWN], "kind": "photo", "others": []}
    return checked(values, f"{config.name} on drawn cells")


def framed(examples, framing: Framing, margin: int, what: str, cells: FirstCells | None) -> tuple[np.ndarray, Any]:
    """Decode and frame every row.

    Args:
        examples: the rows.
        framing: how.
        margin: px of surroundings on each side, see `leukoscope.smear.preprocess.frame`.
        what: they are, to be shown.
        cells: finds the cell to frame; None for kind "photo".

    Returns:
        uint8 (N, S, S, 3), S = size + 2 * margin; and the N rows they are of: those in which a white cell was found, as
        a copy that was turned and shifted may have lost its cell.

    Raises:
        DataError: if more than one row in twenty shows no white cell.
    """
    from tqdm import tqdm

    from training.data.table import decoded, sources

    cv2.setNumThreads(1)  # a photo a core: threads within one small photo cost more than they give

    def crop(source: str | bytes) -> np.ndarray | None:
        image = decoded(source)
        if cells is None:
            return frame(image, framing, None, margin)
        cell = cells.of(image)
        return frame(image, framing, cell, margin) if cell else None

    side = framing.size + 2 * margin
    crops = np.empty((len(examples), side, side, 3), np.uint8)
    seen = np.ones(len(examples), bool)
    bar = tqdm(total=len(examples), desc=f"reading {what}", unit=" pictures", disable=None)
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        given = enumerate(sources(examples))
        while chunk := list(islice(given, 64)):
            for i, found in zip([i for i, _ in chunk], pool.map(crop, [source for _, source in chunk]), strict=True):
                seen[i] = found is not None
                if found is not None:
                    crops[i] = found
            bar.update(len(chunk))
    if cells:
        cells.keep()
    blind = np.flatnonzero(~seen)
    if len(blind):
        lost = f"no white cell found in {len(blind)} of {len(examples)} {what} pictures"
        if len(blind) > len(examples) / 20:
            raise DataError(f"{lost}, first in {examples[int(blind[0])]['photo']}")
        print(f"{lost}, which are left out", flush=True)
        return crops[seen], examples.select(np.flatnonzero(seen))
    return crops, examples


def with_negatives(
    crops: np.ndarray, rows, config: Config, margin: int, cells: FirstCells | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add what no photo of a cell shows, as "none of the four".

    Returns:
        The crops, uint8 (N, S, S, 3); what each is taught as, int (N,); its lab, or "empty" (N,).
    """
    from training.data.negatives import empty_crops
    from training.data.table import NONE, targets_of

    targets, labs = targets_of(rows), np.asarray(rows["lab"])
    if not (config.data.empty and cells):
        return crops, targets, labs
    empty = empty_crops(rows, framing_of(config), margin, config.data.empty, config.seed, cells.locator)
    return (
        np.concatenate([crops, empty]),
        np.concatenate([targets, np.full(len(empty), NONE)]),
        np.concatenate([labs, np.full(len(empty), "empty")]),
    )


def framing_of(config: Config) -> Framing:
    """The serving library's framing for this run."""
    return Framing(**config.framing.model_dump())


def margin_of(config: Config) -> int:
    """Room on each side for a crop to turn and move in without showing what lies beyond, px; a whole photo has no more
    to show."""
    return config.framing.size // 4 if config.framing.kind == "cell" else 0


def first_cells(config: Config, run: Path) -> FirstCells | None:
    """What finds the cells that a run frames; None where it frames whole photos."""
    if config.framing.kind == "photo":
        return None
    return FirstCells(run / LOCATOR_FILE, config.locator.threshold, run.parent)
