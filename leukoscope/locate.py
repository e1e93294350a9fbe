"""Photo -> its white cells.

A nucleus takes up the blue-violet dye and so absorbs far more green than blue light; red cells, platelets' rims
and glass do not. The difference of the two optical densities, each relative to the glass of the same photo, stands
near 1 in nuclei and near 0.1 in red cells whatever the camera's white balance.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

WORK_SIDE = 480  # px; longer photos are searched at this size: nuclei stay 30 px wide and more
DENSITY_RANGE = (0.28, 0.5)  # the threshold between nucleus and the rest follows the stain within these
NUCLEUS_FLOOR = 0.36  # least mean density difference of a nucleus; red cells stay below 0.25
SMALLEST_NUCLEUS = 0.06  # diameter of the smallest nucleus, of the photo's short side
SMALLEST_SHARE = 0.45  # ... and of the largest nucleus in the photo: what is smaller is a platelet or dirt
LOBE_GAP = 0.35  # of the largest lobe's diameter: lobes that are closer belong to one nucleus
CYTOPLASM = 0.15  # rim around a nucleus on each side, in nucleus diameters


class Cell(NamedTuple):
    """One white cell.

    box: (x0, y0, x1, y1) px of the photo, x1 and y1 exclusive.
    nucleus_px: diameter of a disc as large as the nucleus with the gaps between its lobes filled, px.
    """

    box: tuple[int, int, int, int]
    nucleus_px: float


def locate(image: np.ndarray) -> list[Cell]:
    """Find the white cells of a photo, the most prominent nucleus first.

    Args:
        image: RGB uint8 (H, W, 3).

    Returns:
        The cells; empty if no nucleus stands out.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    density = nucleus_density(small)
    low, high = DENSITY_RANGE
    mask = (density > np.clip(0.5 * np.percentile(density, 99.5), low, high)).astype(np.uint8)
    found = []
    for x, y, patch in _nuclei(mask):
        h, w = patch.shape
        here = patch & (mask[y : y + h, x : x + w] > 0)
        inside = density[y : y + h, x : x + w][here]
        diameter = _hull_diameter(patch)
        # What reaches from edge to edge both ways is a coloured or noisy picture, not a nucleus.
        if inside.mean() < NUCLEUS_FLOOR or patch.shape == mask.shape:
            continue
        rim = CYTOPLASM * diameter
        box = (
            max(0, int((x - rim) / scale)),
            max(0, int((y - rim) / scale)),
            min(width, int(np.ceil((x + w + rim) / scale))),
            min(height, int(np.ceil((y + h + rim) / scale))),
        )
        found.append((float(inside.sum()), Cell(box, diameter / scale)))
    return [cell for _, cell in sorted(found, key=lambda pair: -pair[0])]


def principal_cell(image: np.ndarray) -> Cell | None:
    """The white cell whose nucleus is the most prominent (size times stain), or None."""
    return next(iter(locate(image)), None)


def nucleus_density(image: np.ndarray) -> np.ndarray:
    """Optical density of green minus that of blue, relative to the photo's glass, lightly blurred.

    Returns:
        float32 (H, W); about 1 in nuclei, 0.1 in red cells, 0 on glass, 0 in black borders.
    """
    green, blue = image[..., 1], image[..., 2]
    glass = glass_colour(image)
    levels = np.arange(256, dtype=np.float32).clip(12)  # below 12 the logarithm would only show noise
    density = cv2.LUT(green, np.log(glass[1] / levels)) - cv2.LUT(blue, np.log(glass[2] / levels))
    density[image.max(axis=2) < 12] = 0.0
    return cv2.GaussianBlur(density, (0, 0), max(1.0, max(image.shape[:2]) / 200))


def glass_colour(image: np.ndarray) -> np.ndarray:
    """Colour of the bright background: float32 (3,), 0-255. The median of the brightest tenth by green."""
    sample = image[::4, ::4].reshape(-1, 3)
    sample = sample[sample.max(axis=1) >= 12]
    if len(sample) < 10:
        return np.full(3, 255.0, np.float32)
    bright = sample[sample[:, 1] >= np.percentile(sample[:, 1], 90)]
    return np.median(bright, axis=0).astype(np.float32).clip(32)


def _nuclei(mask: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Join lobes that stand close, drop what is too small: (x, y, bool patch) of each nucleus in a mask."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    if len(stats) < 2:
        return []
    largest_lobe = 2 * np.sqrt(stats[1:, cv2.CC_STAT_AREA].max() / np.pi)
    reach = 2 * round(LOBE_GAP * largest_lobe / 2) + 1
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    patches = [(int(x), int(y), labels[y : y + h, x : x + w] == i + 1) for i, (x, y, w, h, _) in enumerate(stats[1:])]
    diameters = [_hull_diameter(patch) for _, _, patch in patches]
    smallest = max(SMALLEST_NUCLEUS * min(mask.shape), SMALLEST_SHARE * max(diameters))
    return [patch for patch, diameter in zip(patches, diameters, strict=True) if diameter >= smallest]


def _hull_diameter(patch: np.ndarray) -> float:
    """Diameter of a disc as large as the convex hull of a mask, px."""
    points = cv2.findNonZero(patch.astype(np.uint8))
    return 2 * float(np.sqrt(max(1.0, cv2.contourArea(cv2.convexHull(points))) / np.pi))
