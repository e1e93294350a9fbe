"""Photo -> its white cells, whatever its size and magnification.

A nucleus takes up the blue-violet dye and so absorbs far more green than blue light; red cells, platelets' rims
and glass do not. The difference of the two optical densities, each relative to the glass of the same photo, stands
near 1 in nuclei and near 0.1 in red cells whatever the camera's white balance. Lobes that lie close are one nucleus,
and the width of the red cells tells a nucleus from a platelet and one nucleus from two.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

SMALL_PHOTO = 960  # px; a photo no longer than this shows few, large cells and is searched at once
SMALL_SIDE = 480  # px; the size at which it is searched
COARSE_SIDE = 960  # px; a longer photo is first searched at this size, to learn how large its nuclei are ...
NUCLEUS_SIDE = 80  # px; ... then at the scale at which they are this wide
MOST_PIXELS = 4_000_000  # of the picture searched, whatever the scale

GLASS_SAMPLE = 20_000  # px of a large photo that tell the colour of its glass

DENSITY_RANGE = (0.28, 0.5)  # the threshold between nucleus and the rest follows each nucleus's stain within these
NUCLEUS_FLOOR = 0.36  # least mean density difference of a nucleus; red cells stay below 0.25
LOBE_GAP = 0.35  # of the largest lobe's diameter: lobes that are closer belong to one nucleus
SMALLEST_NUCLEUS = 0.7  # of a red cell's width, by stained area: what is smaller is a platelet or dirt
SMALLEST_SHARE = 0.45  # of the largest nucleus, where no red cell can be measured
SMALLEST_PHOTO_SHARE = 0.06  # ... and of a small photo's short side
WHOLE_NUCLEUS = 0.8  # of a red cell's width squared: a piece of this stained area may be a nucleus by itself
LARGEST_NUCLEUS = 3.0  # ... and such pieces that have more than this together ...
LONGEST_NUCLEUS = 1.5  # ... in a patch so many times longer than wide are several nuclei
LEAST_DEPTH = 4.0  # px from the edge of the widest red cell to its middle; below it nothing can be measured
RED_COVERED = 0.75  # of the red area, by discs in the middles of the red cells
CYTOPLASM = 0.15  # rim around a nucleus on each side, in nucleus diameters


class Cell(NamedTuple):
    """One white cell.

    box: (x0, y0, x1, y1) px of the photo, x1 and y1 exclusive.
    nucleus_px: diameter of a disc as large as the nucleus with the gaps between its lobes filled, px.
    """

    box: tuple[int, int, int, int]
    nucleus_px: float

    def cut(self, shape: tuple[int, ...]) -> bool:
        """Whether the box reaches the edge of a picture of this shape (H, W, ...)."""
        x0, y0, x1, y1 = self.box
        return x0 == 0 or y0 == 0 or x1 == shape[1] or y1 == shape[0]


def locate(image: np.ndarray) -> list[Cell]:
    """Find the white cells of a photo, the most prominent nucleus first.

    Args:
        image: RGB uint8 (H, W, 3).

    Returns:
        The cells; empty if no nucleus stands out.
    """
    longest = max(image.shape[:2])
    if longest <= SMALL_PHOTO:
        return _search(image, min(1.0, SMALL_SIDE / longest))
    scale = COARSE_SIDE / longest
    cells = _search(image, scale)
    if not cells:
        return []
    finer = min(1.0, NUCLEUS_SIDE / _typical([cell.nucleus_px for cell in cells]))
    finer = min(finer, np.sqrt(MOST_PIXELS / (image.shape[0] * image.shape[1])))
    return cells if 0.8 < finer / scale < 1.25 else _search(image, finer)


def principal_cell(image: np.ndarray) -> Cell | None:
    """The white cell whose nucleus is the most prominent (size times stain), or None."""
    return next(iter(locate(image)), None)


def _search(image: np.ndarray, scale: float) -> list[Cell]:
    """Find the cells on a copy of the photo at this scale; boxes are in px of the photo."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    density = nucleus_density(small)
    mask = _stained(density)
    found = []
    for x, y, patch in _nuclei(mask, small, density):
        h, w = patch.shape
        inside = density[y : y + h, x : x + w][patch & (mask[y : y + h, x : x + w] > 0)]
        # What reaches from edge to edge both ways is a coloured or noisy picture, not a nucleus.
        if len(inside) == 0 or inside.mean() < NUCLEUS_FLOOR or patch.shape == mask.shape:
            continue
        diameter = _hull_diameter(patch)
        rim = CYTOPLASM * diameter
        box = (
            max(0, int((x - rim) / scale)),
            max(0, int((y - rim) / scale)),
            min(width, int(np.ceil((x + w + rim) / scale))),
            min(height, int(np.ceil((y + h + rim) / scale))),
        )
        found.append((float(inside.sum()), Cell(box, diameter / scale)))
    return [cell for _, cell in sorted(found, key=lambda pair: -pair[0])]


# --- stain -----------------------------------------------------------------------------------------------


def nucleus_density(image: np.ndarray) -> np.ndarray:
    """Optical density of green minus that of blue, relative to the photo's glass, lightly blurred.

    Returns:
        float32 (H, W); about 1 in nuclei, 0.1 in red cells, 0 on glass, 0 in black borders.
    """
    glass = glass_colour(image)
    density = optical_density(image[..., 1], glass[1]) - optical_density(image[..., 2], glass[2])
    density[image.max(axis=2) < 12] = 0.0
    return cv2.GaussianBlur(density, (0, 0), float(np.clip(max(image.shape[:2]) / 200, 1.0, 2.4)))


def optical_density(channel: np.ndarray, glass: float) -> np.ndarray:
    """-log of the transmitted light: uint8 (H, W) -> float32 (H, W), 0 on glass."""
    levels = np.arange(256, dtype=np.float32).clip(12)  # below 12 the logarithm would only show noise
    return cv2.LUT(channel, np.log(glass / levels))


def glass_colour(image: np.ndarray) -> np.ndarray:
    """Colour of the bright background: float32 (3,), 0-255. The median of the brightest tenth by green."""
    step = max(4, round(np.sqrt(image.shape[0] * image.shape[1] / GLASS_SAMPLE)))
    sample = image[::step, ::step].reshape(-1, 3)
    sample = sample[sample.max(axis=1) >= 12]
    if len(sample) < 10:
        return np.full(3, 255.0, np.float32)
    bright = sample[sample[:, 1] >= np.percentile(sample[:, 1], 90)]
    return np.median(bright, axis=0).astype(np.float32).clip(32)


def _stained(density: np.ndarray) -> np.ndarray:
    """Mask (H, W), uint8 0 or 1, of what is stained at least half as strongly as the core of its own blob."""
    low, high = DENSITY_RANGE
    count, labels, stats, _ = cv2.connectedComponentsWithStats((density > low).astype(np.uint8))
    limits = np.full(count, np.inf, np.float32)
    for index in range(1, count):
        x, y, w, h, area = stats[index]
        if area >= 20:
            blob = density[y : y + h, x : x + w][labels[y : y + h, x : x + w] == index]
            limits[index] = np.clip(0.5 * np.percentile(blob, 90), low, high)
    return (density > limits[labels]).astype(np.uint8)


# --- nuclei ----------------------------------------------------------------------------------------------


def _nuclei(mask: np.ndarray, image: np.ndarray, density: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Join lobes, part nuclei that touch, drop what is too small: (x, y, bool patch) of each nucleus."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    if len(stats) < 2:
        return []
    largest_lobe = 2 * np.sqrt(stats[1:, cv2.CC_STAT_AREA].max() / np.pi)
    patches = _joined(mask, LOBE_GAP * largest_lobe)
    diameters = [_hull_diameter(patch) for _, _, patch in patches]
    red = red_cell_width(image, density, _typical(diameters))
    if red is None:
        smallest = max(SMALLEST_SHARE * max(diameters), SMALLEST_PHOTO_SHARE * min(mask.shape))
        return [p for p, diameter in zip(patches, diameters, strict=True) if diameter >= smallest]
    nuclei = []
    for x, y, patch in patches:
        h, w = patch.shape
        stained = mask[y : y + h, x : x + w] * patch
        for a, b, part in _parted(patch, stained, red):
            area = np.count_nonzero(stained[b : b + part.shape[0], a : a + part.shape[1]] * part)
            if 2 * np.sqrt(area / np.pi) >= SMALLEST_NUCLEUS * red:
                nuclei.append((x + a, y + b, part))
    return nuclei


def _parted(patch: np.ndarray, stained: np.ndarray, red: float) -> list[tuple[int, int, np.ndarray]]:
    """Part what was joined where it is more than one nucleus: pieces which could each be one by themselves, together
    larger and longer than one gets. The lobes of a single nucleus lie round a middle; those of two lie in a row.
    Small pieces go with the nearest large one."""
    pieces, labels, stats, _ = cv2.connectedComponentsWithStats(stained.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA] / red**2
    whole = [i for i in range(1, pieces) if areas[i] >= WHOLE_NUCLEUS]
    if len(whole) < 2 or areas[1:].sum() < LARGEST_NUCLEUS:
        return [(0, 0, patch)]
    _, sides, _ = cv2.minAreaRect(cv2.findNonZero(patch.astype(np.uint8)))
    if max(sides) < LONGEST_NUCLEUS * min(sides):
        return [(0, 0, patch)]
    distances = [cv2.distanceTransform((labels != i).astype(np.uint8), cv2.DIST_L2, 3) for i in whole]
    nearest = np.argmin(distances, axis=0)
    parts = []
    for index in range(len(whole)):
        x, y, w, h = cv2.boundingRect(((nearest == index) & (labels > 0)).astype(np.uint8))
        parts.append((x, y, ((nearest == index) & patch)[y : y + h, x : x + w]))
    return parts


def _joined(mask: np.ndarray, gap: float) -> list[tuple[int, int, np.ndarray]]:
    """Components of a mask, with those joined that are no further apart than `gap` px."""
    if gap >= 1:
        reach = 2 * round(gap / 2) + 1
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return [(int(x), int(y), labels[y : y + h, x : x + w] == i + 1) for i, (x, y, w, h, _) in enumerate(stats[1:])]


def _hull_diameter(patch: np.ndarray) -> float:
    """Diameter of a disc as large as the convex hull of a mask, px."""
    points = cv2.findNonZero(patch.astype(np.uint8))
    return 2 * float(np.sqrt(max(1.0, cv2.contourArea(cv2.convexHull(points))) / np.pi))


def _typical(diameters: list[float] | np.ndarray) -> float:
    """The diameter at which half of the total area is reached: many specks weigh little."""
    ordered = np.sort(np.asarray(diameters))
    area = np.cumsum(ordered**2)
    return float(ordered[np.searchsorted(area, area[-1] / 2)])


# --- red cells -------------------------------------------------------------------------------------------


def red_cell_width(image: np.ndarray, density: np.ndarray, nucleus: float) -> float | None:
    """Width of the red cells around, px: the short way across, which overlap does not hide.

    Each red cell, its pale middle filled, has a deepest point half a width from its edge; the widths found there are
    weighed by area, so that dirt and slivers count little.

    Args:
        image: RGB uint8 (H, W, 3).
        density: `nucleus_density` of it.
        nucleus: about how wide its nuclei are, px: the cytoplasm around them is no red cell.

    Returns:
        The width, or None where no red cell can be measured.
    """
    white = cv2.dilate((density > DENSITY_RANGE[0]).astype(np.uint8), _disc(0.35 * nucleus))
    usable = (white == 0) & (image.max(axis=2) >= 12)
    if usable.sum() < 500:
        return None
    green = cv2.GaussianBlur(optical_density(image[..., 1], glass_colour(image)[1]), (0, 0), 1.2)
    levels = np.clip(green * 100, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels[usable].reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    body = ((levels > threshold) & usable).astype(np.uint8)
    _fill_pale_middles(body)
    body = cv2.morphologyEx(body, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    depth = cv2.distanceTransform(cv2.copyMakeBorder(body, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5)[1:-1, 1:-1]
    # Red cells are seldom twice as wide as nuclei: what is, is a clump or dark glass. But if so little remains that the
    # rest covers but a part of the red, then the nuclei are none, such as platelets, and the red cells tell the truth.
    depths = _peaks(depth, 0.8 * nucleus)
    plausible = depths[(depths > 0.15 * nucleus) & (depths < 0.9 * nucleus)]
    if len(plausible) and np.pi * (plausible**2).sum() > RED_COVERED * body.sum():
        return _typical(2 * plausible)
    deepest = depth.max()
    if deepest < LEAST_DEPTH:
        return None
    depths = _peaks(depth, 0.7 * deepest)
    return _typical(2 * depths[depths > 0.35 * deepest])


def _peaks(depth: np.ndarray, apart: float) -> np.ndarray:
    """Depths that are the greatest within a distance, px."""
    # The greatest within the square inside the disc are few and quickly found; the disc itself decides among them.
    inside = 2 * int(apart / np.sqrt(2)) + 1
    rows, columns = np.nonzero((cv2.dilate(depth, np.ones((inside, inside))) == depth) & (depth > 0))
    disc = _disc(apart)
    reach = len(disc) // 2
    around = cv2.copyMakeBorder(depth, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
    peaks = [
        depth[y, x]
        for y, x in zip(rows, columns, strict=True)
        if around[y : y + len(disc), x : x + len(disc)].max(where=disc > 0, initial=0) <= depth[y, x]
    ]
    return np.array(peaks, np.float32)


def _fill_pale_middles(body: np.ndarray) -> None:
    """Fill, in place, the holes of a mask that are round and small against what surrounds them; glass that clumps
    enclose is neither."""
    contours, nesting = cv2.findContours(body, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for contour, (_, _, _, parent) in zip(contours, nesting[0] if contours else (), strict=True):
        area = cv2.contourArea(contour)
        if parent < 0 or area > min(0.4 * cv2.contourArea(contours[parent]), 0.02 * body.size):
            continue
        if area < 30 or 4 * np.pi * area > 0.5 * cv2.arcLength(contour, True) ** 2:
            cv2.drawContours(body, [contour], -1, 1, -1)


def _disc(radius: float) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * int(radius) + 1,) * 2)
