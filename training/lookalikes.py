"""Cells of other kinds, painted over photographed ones of the four types.

They teach "none of the four" where no photos of these kinds are at hand, in stains and on backgrounds that are
(`lookalikes` in a recipe; docs/decisions.md has what it brings and what it costs). What tells the kinds apart is as
textbooks have it, and is all that is painted: a basophil's coarse dark granules veil its nucleus; an erythroblast has a
round dense nucleus within a body of a red cell's colour, bluer the younger it is; an immature granulocyte has the
neutrophil's cytoplasm about a nucleus that is round or bent, and has no lobes yet (Bain 2015, Blood Cells: A Practical
Guide, 5th edition, chapter 3).
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.cells import CELL_TYPES
from leukoscope.patches import closed, joined
from leukoscope.preprocess import Framing
from leukoscope.restain import dyes
from leukoscope.shapes import Rng, closed_curve, filled, scattered, smooth_noise, softened
from leukoscope.stain import optical_density
from training.data import NONE

NEUTROPHIL = CELL_TYPES.index("neutrophil")
ENOUGH = 0.05  # of a lab's pictures, that show other kinds: there is no need to paint any
OVERSAMPLE = 2  # what is painted is drawn so many times larger, then averaged down: smooth edges


class Photographed(NamedTuple):
    """What is known of a framed cell.

    densities: float32 (S, S, 3). lobes, nucleus: float32 (S, S, 1), 0-1, without and with what lies between the lobes.
    dye, red_cell: colours of the nucleus and of the red cells around it, as densities (3,). width: of the nucleus, px.
    """

    densities: np.ndarray
    lobes: np.ndarray
    nucleus: np.ndarray
    dye: np.ndarray
    red_cell: np.ndarray
    width: float


def lookalikes(crops: np.ndarray, labels: np.ndarray, framing: Framing, count: int, seed: int) -> np.ndarray:
    """Paint cells of the three kinds, in turn.

    Args:
        crops: of the four types and others, uint8 (N, S, S, 3), framed to a glass but not to one stain.
        labels: indices into `CELL_TYPES`, int (N,); what is no such index is not painted over.
        framing: of the crops.
        count: how many.
        seed: of the choice and the painting.

    Returns:
        uint8 (M, S, S, 3): M = count, less those over which no cell could be painted, as none stood out; 0 where the
        types to paint over are missing.
    """
    rng = np.random.default_rng([seed, 2])
    every = range(len(CELL_TYPES))
    kinds = ((basophil, every), (erythroblast, every), (immature, [NEUTROPHIL]))
    of_type = [np.flatnonzero(labels == index) for index in every]
    painted = np.empty((count if all(map(len, of_type)) else 0, *crops.shape[1:]), np.uint8)
    made = 0
    for index in range(len(painted)):
        paint, types = kinds[index % len(kinds)]
        crop = crops[rng.choice(of_type[rng.choice(types)])]
        cell = photographed(crop, framing)
        if cell:
            painted[made] = cv2.convertScaleAbs(np.exp(-paint(cell, rng)), alpha=framing.glass)
            painted[made][(crop == 0).all(axis=2)] = 0  # there the photo ends
            made += 1
    return painted[:made]


def lacking(labs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Which rows are of a lab with hardly a photo of other kinds: bool (N,).

    labs: its name for each row (N,). targets: what is taught, int (N,), `training.data.NONE` for other kinds.
    """
    return np.isin(labs, [lab for lab in np.unique(labs) if np.mean(targets[labs == lab] == NONE) < ENOUGH])


def photographed(crop: np.ndarray, framing: Framing) -> Photographed | None:
    """Measure a framed cell, or None if no nucleus stands out in the middle."""
    densities = optical_density(crop, np.full(3, framing.glass))
    measured = dyes(densities)
    if measured is None:
        return None
    mask, dye, red_cell = measured
    middle = len(crop) / 2
    patch = min(joined(cv2.min(mask, 1)), key=lambda p: np.hypot(*(p.hull.mean(axis=0) - middle)))
    width = framing.size / framing.field
    if np.hypot(*(patch.hull.mean(axis=0) - middle)) > width / 2:
        return None
    lobes, nucleus = np.zeros_like(mask), np.zeros_like(mask)
    patch.of(lobes)[:] = cv2.bitwise_and(patch.of(mask), 255 * patch.mask)
    cv2.fillConvexPoly(nucleus, patch.hull, 255)
    return Photographed(densities, _soft(lobes), _soft(nucleus), dye, red_cell, width)


def basophil(cell: Photographed, rng: Rng) -> np.ndarray:
    """The densities with coarse dark granules over the nucleus and around it."""
    side = len(cell.densities)
    room = _grown(cell.nucleus, cell.width * rng.uniform(0.02, 0.2))
    radius = cell.width * rng.uniform(0.03, 0.07)
    room = cv2.resize(room, (OVERSAMPLE * side,) * 2)
    granules = scattered(room, OVERSAMPLE * radius, OVERSAMPLE * radius * rng.uniform(1.6, 2.3), rng)
    granules = cv2.resize(granules, (side, side), interpolation=cv2.INTER_AREA)[..., None]
    veiled = cell.densities * (1 - cell.nucleus * rng.uniform(0, 0.4))
    dark = cell.dye * rng.uniform(1.0, 1.6) * rng.uniform(0.9, 1.1, 3)
    return _over(veiled, np.maximum(veiled, dark), granules)


def erythroblast(cell: Photographed, rng: Rng) -> np.ndarray:
    """The densities with a round dense nucleus within a body of a red cell's colour in place of the cell."""
    side = len(cell.densities)
    body_width = cell.width * rng.uniform(1.15, 1.9)
    aside = (body_width - cell.width) / 2 * rng.uniform(0, 0.9) * np.exp(1j * rng.uniform(0, 2 * np.pi))
    nucleus = _patch(side, closed_curve(cell.width / 2 * rng.uniform(0.92, 1.0), 0.04, rng, rng.uniform(1.0, 1.07)))
    body = np.maximum(nucleus, _patch(side, closed_curve(body_width / 2, 0.06, rng) + aside))
    # The cell that was there goes, the red cells beside it stay.
    green, blue = cell.densities[..., 1:2], cell.densities[..., 2:3]
    own = ((green < 0.8 * cell.red_cell[1]) | (green - blue > 0.15 * (cell.dye[1] - cell.dye[2]))).astype(np.uint8)
    gone = _grown(np.maximum(cell.nucleus, nucleus), 0.3 * cell.width) * _soft(255 * own[..., 0])
    colour = cell.red_cell * rng.uniform(0.8, 1.4) + cell.dye * rng.uniform(0, 0.35)
    colour = colour * (1 + 0.08 * smooth_noise(side, 0.06 * cell.width, rng)[..., None])
    clumps = np.tanh(1.5 * smooth_noise(side, cell.width * rng.uniform(0.03, 0.08), rng))[..., None]
    contrast = rng.uniform(0.03, 0.25) if rng.random() < 0.85 else 0.0  # of the oldest the nucleus is without texture
    chromatin = cell.dye * rng.uniform(1.0, 1.5) * (1 + contrast * clumps)
    return _over(_over(cell.densities * (1 - gone), colour, body), chromatin, nucleus)


def immature(cell: Photographed, rng: Rng) -> np.ndarray:
    """The densities of a neutrophil with the gaps between the lobes filled, or all but wide ones."""
    side = len(cell.densities)
    nucleus = cell.nucleus
    if rng.random() < 0.4:  # a kidney: its bay stays open
        mask = closed((cell.lobes[..., 0] > 0.5).astype(np.uint8), cell.width * rng.uniform(0.25, 0.4))
        nucleus = _soft(mask)
    pale = rng.uniform(0.65, 1.0)
    texture = [rng.uniform(0, 0.12) * smooth_noise(side, cell.width * grain, rng) for grain in (0.1, 0.04)]
    chromatin = cell.dye * pale * (1 + np.sum(texture, axis=0))[..., None]
    chromatin = _over(chromatin, pale * cell.densities, cell.lobes * rng.uniform(0.2, 0.6))
    around = _grown(nucleus, cell.width * rng.uniform(0.15, 0.35))
    young = cell.densities * (1 + around * rng.uniform(0, 0.5) * cell.dye / cell.dye.max())  # bluer than a ripe one's
    return _over(young, chromatin, nucleus)


def _over(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One laid over the other where a mask (S, S, 1) is 1."""
    laid: np.ndarray = below + mask * (above - below)
    return laid


def _soft(mask: np.ndarray) -> np.ndarray:
    """uint8 (S, S), 0-255 -> float32 (S, S, 1), 0-1, with soft edges."""
    return softened(mask, 0.8)[..., None]


def _patch(side: int, curve: np.ndarray) -> np.ndarray:
    """What a curve encloses: float32 (side, side, 1), 0-1."""
    large = softened(filled(OVERSAMPLE * side, OVERSAMPLE * curve), OVERSAMPLE * 0.5)
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)[..., None]


def _grown(mask: np.ndarray, by: float) -> np.ndarray:
    """A mask (S, S, 1) and what lies no further from it than so many px, with soft edges."""
    distance = cv2.distanceTransform((mask[..., 0] < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return _soft(255 * (distance <= by).astype(np.uint8))
