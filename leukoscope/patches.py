"""Stained patches of a picture: lobes that lie close are joined to one nucleus, nuclei that touch are parted."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.stain import compared

LOBE_GAP = 0.35  # of the largest lobe's diameter: lobes that are closer belong to one nucleus
WHOLE_NUCLEUS = 0.8  # of a red cell's width squared: a piece of this stained area may be a nucleus by itself
LARGEST_NUCLEUS = 3.0  # ... and such pieces that have more than this together ...
LONGEST_NUCLEUS = 1.5  # ... in a patch so many times longer than wide are several nuclei


class Patch(NamedTuple):
    """A nucleus, or what may be one: its place, uint8 (h, w) there, 1 inside and 0 around, and its outline's hull.

    hull: corners, int32 (N, 2), px of the same copy of the photo as the place. whole: not parted from another.
    """

    x: int
    y: int
    mask: np.ndarray
    hull: np.ndarray
    whole: bool = True

    def of(self, picture: np.ndarray) -> np.ndarray:
        """The part of a picture of the copy's size that lies here, a view."""
        return picture[self.y : self.y + self.mask.shape[0], self.x : self.x + self.mask.shape[1]]

    def at_edge(self, shape: tuple[int, ...]) -> bool:
        """Whether it reaches the edge of a copy of this shape."""
        (height, width), (bottom, right) = shape, self.mask.shape
        return not (0 < self.x < width - right and 0 < self.y < height - bottom)

    def within(self, mask: np.ndarray) -> np.ndarray:
        """What a mask of the copy's size has in common with this one: uint8 (h, w), 0 or 1."""
        return cv2.min(self.of(mask), self.mask)


def joined(mask: np.ndarray, gap: float = LOBE_GAP) -> list[Patch]:
    """The lobes of a mask; those no further apart than the gap, in diameters of the largest lobe, are one patch."""
    lobes, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(lobes) > 1:
        reach = gap * float(np.sqrt(max(map(enclosed_pixels, lobes)) / np.pi)) + 0.4  # of the pixel it starts from
        lobes, _ = cv2.findContours(closed(mask, reach), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    patches = []
    for index, lobe in enumerate(lobes):
        x, y, w, h = cv2.boundingRect(lobe)
        patch = np.zeros((h, w), np.uint8)
        cv2.drawContours(patch, lobes, index, 1, -1, offset=(-x, -y))
        patches.append(Patch(x, y, patch, cv2.convexHull(lobe).reshape(-1, 2)))
    return patches


def closed(mask: np.ndarray, reach: float) -> np.ndarray:
    """A mask closed with a disc of this radius.

    Distances are far quicker than a large disc at every pixel, and none is needed further from the mask than the disc
    reaches.
    """
    x, y, w, h = cv2.boundingRect(mask)
    rim = int(reach) + 2
    place = np.s_[max(0, y - rim) : y + h + rim, max(0, x - rim) : x + w + rim]
    grown = compared(cv2.distanceTransform(mask[place] ^ 1, cv2.DIST_L2, 5), reach, cv2.CMP_LE)
    filled = np.zeros_like(mask)
    filled[place] = compared(cv2.distanceTransform(grown, cv2.DIST_L2, 5), reach, cv2.CMP_GT)
    return filled


def parted(patch: Patch, stained: np.ndarray, red: float) -> list[Patch]:
    """Part what was joined where it is more than one nucleus.

    It is where pieces which could each be one by themselves are together larger and longer than one gets: the lobes of
    a single nucleus lie round a middle, those of two in a row. Small pieces go with the nearest large one.
    """
    if cv2.countNonZero(stained) < LARGEST_NUCLEUS * red**2:
        return [patch]
    pieces, labels, stats, _ = cv2.connectedComponentsWithStats(stained)
    whole = [i for i in range(1, pieces) if stats[i, cv2.CC_STAT_AREA] >= WHOLE_NUCLEUS * red**2]
    _, sides, _ = cv2.minAreaRect(patch.hull)
    if len(whole) < 2 or max(sides) < LONGEST_NUCLEUS * min(sides):
        return [patch]
    distances = [cv2.distanceTransform((labels != i).astype(np.uint8), cv2.DIST_L2, 3) for i in whole]
    nearest = np.argmin(distances, axis=0)
    parts = []
    for index in range(len(whole)):
        near = nearest == index
        x, y, w, h = cv2.boundingRect((near & (labels > 0)).astype(np.uint8))
        part = (near & (patch.mask > 0))[y : y + h, x : x + w].astype(np.uint8)
        place = np.array([patch.x + x, patch.y + y], np.int32)
        hull = cv2.convexHull(cv2.findNonZero(part)).reshape(-1, 2) + place
        parts.append(Patch(patch.x + x, patch.y + y, part, hull, whole=False))
    return parts


def disc_area(diameter: float) -> float:
    """Area of a disc."""
    return float(np.pi / 4 * diameter**2)


def enclosed_pixels(contour: np.ndarray) -> float:
    """How many pixels an outline encloses, those under it included (Pick's theorem)."""
    return cv2.contourArea(contour) + len(contour) / 2 + 1


def disc_diameter(hull: np.ndarray) -> float:
    """Diameter of a disc as large as a convex polygon (N, 2), px."""
    return 2 * float(np.sqrt(max(1.0, cv2.contourArea(hull)) / np.pi))
