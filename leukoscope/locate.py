"""Photo -> its white cells, whatever its size and magnification.

A nucleus takes up the blue-violet dye and so absorbs far more green than blue light; red cells, platelets' rims
and glass do not. The difference of the two optical densities, each relative to the glass of the same photo, stands
near 1 in nuclei and near 0.1 in red cells whatever the camera's white balance. Lobes that lie close are one nucleus,
and the width of the red cells tells a nucleus from a platelet and one nucleus from two.

The photo is halved until nuclei are some twenty pixels wide, and searched there; then the edge of each nucleus is
measured anew, on a finer copy of its surroundings alone. Where one nucleus is plain on a copy half as large, a glance
at that is enough: it says only where to measure.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from leukoscope.patches import (
    LARGEST_NUCLEUS,
    LOBE_GAP,
    Patch,
    disc_area,
    disc_diameter,
    enclosed_pixels,
    joined,
    parted,
)
from leukoscope.redcells import red_cell_density, red_cell_width, typical
from leukoscope.restain import RED_CELL
from leukoscope.stain import Stain, compared, glass_colour, times, to_density, to_level, without_frame

SMALL_PHOTO = 960  # px; a photo no longer than this shows few, large cells ...
GLANCE_SIDE = 160  # px; ... and is halved until it is shorter than this; if it is not plain there that there is one
# nucleus alone, a copy twice as large is searched
LARGE_SIDE = 960  # px; a longer photo is halved until it is shorter than this
SEARCHED_NUCLEUS = 16  # px; the least width of nuclei that are searched for; if they are smaller, or none is found ...
MOST_PIXELS = 4_000_000  # ... a copy twice as large is searched, if it has no more pixels than this
MEASURED_SIDE = 480  # px; the edge of a nucleus is measured on the finest copy no longer than this ...
MEASURED_NUCLEUS = 80  # px; ... or on which it is no wider than this

BLUR = 1 / 200  # of a small photo's longer side, against noise ...
BLUR_OF_NUCLEUS = 0.03  # ... and of a nucleus's width in a longer one
SEARCH_BLUR = (0.8, 1.2)  # px of the copy that is searched

DENSITY_RANGE = (0.28, 0.5)  # the threshold between nucleus and the rest follows each nucleus's stain within these
CORE = to_level(2 * DENSITY_RANGE[1])  # the level above which a core is so dark that the threshold is the highest
DEEP = 0.85  # a photo whose nuclei are deeper is measured as if they were so deep, else red cells and granules are
# taken for nuclei; so deep is a photo as ...
DEEP_SHARE = 0.75  # ... this share of all that is above the highest threshold stays below
NUCLEUS_FLOOR = 0.36  # least mean density difference of a nucleus; red cells stay below 0.25
SECOND_FLOOR = 0.42  # ... the least in a second search, where noise is multiplied too
LEAST_BLOB = 20  # px of a photo 480 px long, or of a smaller one; what is smaller is noise
SMALLEST_NUCLEUS = 0.7  # of a red cell's width, by stained area: what is smaller is a platelet or dirt
CUT = 0.7  # ... of this where the only one is cut by the edge of the picture
AT_FIRST = 0.85  # ... of this on the copy that is searched, where the edge is less sharp
SMALLEST_SHARE = 0.45  # of the largest nucleus, where no red cell can be measured
SMALLEST_PHOTO_SHARE = 0.06  # ... and of a small photo's short side
PLAIN = 1.4  # so many times wider than the least must a nucleus be, and all else narrower, to be plain at a glance
FILLED = 0.85  # of the picture; a disc from edge to edge has 0.79 of it
SURROUNDINGS = 0.5  # of a nucleus's width: so far around it lobes are looked for that a coarse copy did not show
AROUND_NUCLEUS = 0.35  # of its width: so far around a nucleus lies its cytoplasm, and no red cell
CYTOPLASM = 0.15  # rim around a nucleus on each side, in nucleus diameters

PALE = 1.15  # so many times too dense or too thin are red cells of a photo that is worth a second search ...
STRENGTHS = (0.5, 4.0)  # ... with densities multiplied by no less and no more


class Cell(NamedTuple):
    """One white cell.

    box: (x0, y0, x1, y1) px of the photo, x1 and y1 exclusive.
    nucleus_px: diameter of a disc as large as the nucleus with the gaps between its lobes filled, px.
    red_cell_px: width of the photo's red cells, px; 0 where none could be measured.
    strength: how many times its densities a photo was searched with; not 1 where it is too pale or too dense.
    """

    box: tuple[int, int, int, int]
    nucleus_px: float
    red_cell_px: float = 0.0
    strength: float = 1.0

    @property
    def width(self) -> float:
        """Of the nucleus, in red cells of the photo; 0 where it is not known."""
        return self.nucleus_px / self.red_cell_px if self.red_cell_px else 0.0

    def moved(self, right: int, down: int) -> Cell:
        """The cell so many px further right and down."""
        x0, y0, x1, y1 = self.box
        return self._replace(box=(x0 + right, y0 + down, x1 + right, y1 + down))

    def cut(self, shape: tuple[int, ...]) -> bool:
        """Whether the box reaches the edge of a picture of this shape (H, W, ...)."""
        x0, y0, x1, y1 = self.box
        return x0 == 0 or y0 == 0 or x1 == shape[1] or y1 == shape[0]


def locate(image: np.ndarray, glass: np.ndarray | None = None, within: tuple[slice, slice] | None = None) -> list[Cell]:
    """Find the white cells of a photo, the most prominent nucleus first.

    Where there is none, the densities are multiplied so that red cells have their usual one, and searched anew: a photo
    may be pale, by its stain, its exposure or the haze of a screen.

    Args:
        image: RGB uint8 (H, W, 3).
        glass: `glass_colour` of it, where it is known already.
        within: `without_frame` of it, likewise.

    Returns:
        The cells; empty if no nucleus stands out.
    """
    rows, columns = within = within or without_frame(image)
    photo, colour = image[within], glass_colour(image, within) if glass is None else glass
    cells = _located(photo, Stain(colour))
    if not cells and (strength := _strength(photo, colour)) != 1.0:
        cells = [cell._replace(strength=strength) for cell in _located(photo, Stain(colour, strength))]
    return [cell.moved(columns.start, rows.start) for cell in cells] if rows.start or columns.start else cells


def _strength(image: np.ndarray, glass: np.ndarray) -> float:
    """By what to multiply a photo's densities for red cells to have their usual one; 1 where it is not worth it."""
    while max(image.shape[:2]) >= MEASURED_SIDE:
        image = _halved(image)
    red = red_cell_density(*Stain(glass).measure(image, SEARCH_BLUR[1]))
    strength = min(max(float(RED_CELL[1]) / red, STRENGTHS[0]), STRENGTHS[1]) if red else 1.0
    return strength if not 1 / PALE < strength < PALE else 1.0


def _located(image: np.ndarray, stain: Stain) -> list[Cell]:
    """What `locate` finds in a picture without a frame."""
    small = max(image.shape[:2]) <= SMALL_PHOTO
    copies = [image]
    while max(copies[-1].shape[:2]) >= (GLANCE_SIDE if small else LARGE_SIDE):
        copies.append(_halved(copies[-1]))
    if small and len(copies) > 1:
        cells = _search(copies, stain, glance=True)
        copies.pop()
        if cells and cells[0].nucleus_px >= SEARCHED_NUCLEUS * 2 ** (len(copies) - 1):
            return cells
    while True:
        cells = _search(copies, stain)
        if len(copies) == 1 or copies[-2].shape[0] * copies[-2].shape[1] > MOST_PIXELS:
            return cells
        if cells and typical([cell.nucleus_px for cell in cells]) >= SEARCHED_NUCLEUS * 2 ** (len(copies) - 1):
            return cells
        copies.pop()


def principal_cell(image: np.ndarray) -> Cell | None:
    """The white cell whose nucleus is the most prominent (size times stain), or None."""
    return next(iter(locate(image)), None)


def _halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def _search(copies: list[np.ndarray], stain: Stain, glance: bool = False) -> list[Cell]:
    """Find the cells on the last of the copies, each half as large as the one before; the first is the photo.

    At a glance there are none unless it is plain that there is one alone.
    """
    small, level = copies[-1], len(copies) - 1
    sigma = min(max(max(small.shape[:2]) * BLUR, SEARCH_BLUR[0]), SEARCH_BLUR[1])
    density, absorbed, seen = stain.measure(small, sigma)
    floor = NUCLEUS_FLOOR if stain.strength == 1.0 else SECOND_FLOOR
    if (depth := _depth(density)) > DEEP:
        stain, density = stain.times(DEEP / depth), times(density, DEEP / depth)
    mask = _stained(density, _least_blob(copies, level))
    nuclei, red, smallest, plain = _nuclei(mask, density, absorbed, seen)
    if glance and not plain:
        return []
    found: dict[Cell, float] = {}
    for nucleus in nuclei:
        # What reaches into the corners too is a coloured or noisy picture, not a nucleus that fills it.
        if cv2.contourArea(nucleus.hull) > FILLED * mask.size:
            continue
        inside = nucleus.within(mask)
        stained = cv2.countNonZero(inside)
        depth = to_density(cv2.mean(nucleus.of(density), inside)[0]) if stained else 0.0
        if depth < floor:
            continue
        cell, area = _measured(copies, stain, nucleus)
        if 2 * np.sqrt((area or stained * 4**level) / np.pi) >= smallest * 2**level:
            cell = cell._replace(red_cell_px=red * 2**level)
            found[cell] = max(found.get(cell, 0.0), stained * depth)
    return sorted(found, key=found.__getitem__, reverse=True)


def _measured(copies: list[np.ndarray], stain: Stain, nucleus: Patch) -> tuple[Cell, int]:
    """The cell around a nucleus of the last copy, and its stained area, px of the photo.

    Both are measured anew on a finer copy, if there is one that serves; else the area is 0.
    """
    height, width = copies[0].shape[:2]
    longest = max(height, width)
    level = len(copies) - 1
    hull, area = nucleus.hull, 0
    diameter = disc_diameter(hull) * 2**level
    small = longest <= SMALL_PHOTO
    while level > 0 and (longest / MEASURED_SIDE if small else diameter / MEASURED_NUCLEUS) <= 2 ** (level - 1):
        level -= 1
    if level < len(copies) - 1:
        sigma = (longest * BLUR if small else diameter * BLUR_OF_NUCLEUS) / 2**level
        least = _least_blob(copies, level)
        hull, area = _finer(copies[level], 2 ** (len(copies) - 1 - level), stain, sigma, least, nucleus)
    x, y, w, h = cv2.boundingRect(hull)
    diameter, scale = disc_diameter(hull), 2**level
    rim = CYTOPLASM * diameter
    box = (
        max(0, int((x - rim) * scale)),
        max(0, int((y - rim) * scale)),
        min(width, int(np.ceil((x + w + rim) * scale))),
        min(height, int(np.ceil((y + h + rim) * scale))),
    )
    return Cell(box, diameter * scale), area * scale**2


def _finer(
    image: np.ndarray, ratio: int, stain: Stain, sigma: float, least: float, nucleus: Patch
) -> tuple[np.ndarray, int]:
    """Hull and stained area of a nucleus on a copy `ratio` times as fine; of a parted one within its hull alone."""
    x, y, w, h = (ratio * v for v in cv2.boundingRect(nucleus.hull))
    reach = int(SURROUNDINGS * max(w, h)) + ratio
    left, top = max(0, x - reach), max(0, y - reach)
    density, _, _ = stain.measure(image[top : y + h + reach, left : x + w + reach], sigma)
    mask = _stained(density, least)
    before = nucleus.hull * ratio + np.array([ratio // 2 - left, ratio // 2 - top], np.int32)
    region = np.zeros_like(mask)
    cv2.fillConvexPoly(region, before, 1)
    if not nucleus.whole:
        mask = cv2.min(mask, region)
    after, most, area = before, 0, 0
    for patch in joined(mask, LOBE_GAP if nucleus.whole else 1.0):
        common = cv2.countNonZero(patch.within(region))
        if common > most:
            after, most = patch.hull, common
            area = cv2.countNonZero(patch.within(mask))
    return after + np.array([left, top], np.int32), area


# --- stain -----------------------------------------------------------------------------------------------


def _depth(density: np.ndarray) -> float:
    """How deeply the cores of nuclei are stained, given uint8 (H, W); 0 where there is none.

    Between stains and exposures it differs threefold, and red cells, granules and cytoplasm with it: where nuclei are
    deep, a fixed threshold takes these for nuclei too.
    """
    least = to_level(DENSITY_RANGE[1]) + 1
    counts = cv2.calcHist([density], [0], None, [256], [0, 256]).ravel()[least:].cumsum()
    return to_density(least + int(np.searchsorted(counts, DEEP_SHARE * counts[-1]))) if counts[-1] else 0.0


def _least_blob(copies: list[np.ndarray], level: int) -> float:
    """The area from which a blob of a copy is more than noise, px of it."""
    longest = min(SMALL_PHOTO, max(480, *copies[0].shape[:2]))
    return max(2.0, LEAST_BLOB * float(longest / 480 / 2.0**level) ** 2)


def _stained(density: np.ndarray, least: float) -> np.ndarray:
    """Mask (H, W), uint8 0 or 1, of what is stained at least half as strongly as the core of its own blob."""
    low, high = map(to_level, DENSITY_RANGE)
    _, above = cv2.threshold(density, low, 1, cv2.THRESH_BINARY)
    _, core = cv2.threshold(density, CORE, 1, cv2.THRESH_BINARY)
    _, darker = cv2.threshold(density, to_level(2 * DENSITY_RANGE[0]), 1, cv2.THRESH_BINARY)
    blobs, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    thresholds = np.full_like(density, high)
    for index, blob in enumerate(blobs):
        area, threshold = enclosed_pixels(blob), 255
        if area >= least:
            x, y, w, h = cv2.boundingRect(blob)
            rows, columns = slice(y, y + h), slice(x, x + w)
            # Most nuclei have so dark a core that the highest threshold is theirs.
            if cv2.countNonZero(core[rows, columns]) > 0.12 * area:
                continue
            threshold = low
            if cv2.countNonZero(darker[rows, columns]):  # else even the darkest asks for the lowest
                own = np.zeros((h, w), np.uint8)
                cv2.drawContours(own, blobs, index, 1, -1, offset=(-x, -y))
                threshold = _threshold(density[rows, columns][cv2.min(own, above[rows, columns]) > 0])
        cv2.drawContours(thresholds, blobs, index, threshold, -1)
    return cv2.threshold(cv2.compare(density, thresholds, cv2.CMP_GT), 0, 1, cv2.THRESH_BINARY)[1]


def _threshold(values: np.ndarray) -> int:
    """Half of what the core of a nucleus has, given the densities in it, uint8 (N,)."""
    low, high = DENSITY_RANGE
    rank = len(values) * 9 // 10
    return to_level(min(max(0.5 * to_density(float(np.partition(values, rank)[rank])), low), high))


# --- nuclei ----------------------------------------------------------------------------------------------


def _nuclei(
    mask: np.ndarray, density: np.ndarray, absorbed: np.ndarray, seen: np.ndarray
) -> tuple[list[Patch], float, float, bool]:
    """Join lobes, part nuclei that touch, drop what is far too small.

    Returns:
        The nuclei; the width of the red cells, px, or 0; the diameter, px, of a disc as large as the least that must be
        stained in one; and whether it is plain that there is one nucleus alone.
    """
    patches = joined(mask)
    if not patches:
        return [], 0.0, 0.0, False
    diameters = [disc_diameter(patch.hull) for patch in patches]
    nucleus = typical(diameters)
    _, pale = cv2.threshold(density, to_level(DENSITY_RANGE[0]), 255, cv2.THRESH_BINARY_INV)
    away = cv2.distanceTransform(pale, cv2.DIST_L2, 3)
    usable = cv2.min(compared(away, int(AROUND_NUCLEUS * nucleus), cv2.CMP_GT), _clear(seen))
    red = red_cell_width(absorbed, usable, nucleus)
    if red is None:
        smallest = max(SMALLEST_SHARE * max(diameters), SMALLEST_PHOTO_SHARE * min(mask.shape))
        nuclei = [p for p, diameter in zip(patches, diameters, strict=True) if diameter >= smallest]
        return nuclei, 0.0, 0.0, _plain(diameters, smallest)
    smallest = SMALLEST_NUCLEUS * red
    parts = [part for patch in patches for part in parted(patch, patch.within(mask), red)]
    least = AT_FIRST * smallest
    stained = [cv2.countNonZero(part.within(mask)) for part in parts]
    plain = max(stained) < LARGEST_NUCLEUS * red**2 and _plain([2 * np.sqrt(area / np.pi) for area in stained], least)
    sized = list(zip(parts, stained, strict=True))
    if max(stained) < disc_area(smallest):
        cut = [part for part, area in sized if part.at_edge(mask.shape) and area >= disc_area(CUT * least)]
        if cut:
            return cut, red, CUT * smallest, False
    return [part for part, area in sized if area >= disc_area(least)], red, smallest, plain


def _clear(seen: np.ndarray) -> np.ndarray:
    """What of a mask is not its rim: beside black all is so dark that it would be taken for dense red."""
    return cv2.erode(seen, np.ones((3, 3), np.uint8))


def _plain(diameters: list[float], least: float) -> bool:
    """Whether one is far above the least, and all others far below."""
    *others, largest = sorted(diameters)
    return largest >= PLAIN * least and (not others or others[-1] * PLAIN <= least)
