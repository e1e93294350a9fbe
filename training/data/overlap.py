"""Two photos of one field: how they overlap, and whether they show the same white cell.

Photos of one microscope that share a field differ by a shift alone. It is found from SIFT keypoints (Lowe 2004) that
agree on one similarity transform; a transform that turns or scales is chance and counts as no overlap.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from leukoscope.smear.locate import Cell
from training.data.boxes import intersection_over_union

LOWE_RATIO = 0.75  # a keypoint's match must be so much nearer than its runner-up
LEAST_INLIERS = 6  # keypoints that agree; the fewest seen between photos that do overlap
REPROJECTION_PX = 3.0
LARGEST_SCALE_ERROR = 0.03
LARGEST_TURN = 2.0  # degrees
LEAST_CELL_OVERLAP = 0.4  # intersection over union; the same cell gave 0.48 and more, another one 0.00


def shift_between(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """How to get from a place in the first photo to the same place in the second.

    Args:
        first, second: RGB uint8 (H, W, 3), of one magnification.

    Returns:
        (x, y) px to add; None if the photos show no common part.
    """
    sift = cv2.SIFT_create()
    (ours, our_looks), (theirs, their_looks) = (
        sift.detectAndCompute(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), None) for photo in (first, second)
    )
    if min(len(ours), len(theirs)) < LEAST_INLIERS:
        return None
    pairs = [
        near
        for near, runner_up in cv2.BFMatcher().knnMatch(our_looks, their_looks, k=2)
        if near.distance < LOWE_RATIO * runner_up.distance
    ]
    if len(pairs) < LEAST_INLIERS:
        return None
    cv2.setRNGSeed(0)
    transform, agree = cv2.estimateAffinePartial2D(
        np.float32([ours[pair.queryIdx].pt for pair in pairs]),
        np.float32([theirs[pair.trainIdx].pt for pair in pairs]),
        method=cv2.RANSAC,
        ransacReprojThreshold=REPROJECTION_PX,
    )
    if transform is None or agree.sum() < LEAST_INLIERS:
        return None
    cosine, sine = transform[0, 0], transform[1, 0]
    if (
        abs(np.hypot(cosine, sine) - 1) > LARGEST_SCALE_ERROR
        or abs(np.degrees(np.arctan2(sine, cosine))) > LARGEST_TURN
    ):
        return None
    return transform[:, 2]


def same_cell(first: np.ndarray, second: np.ndarray, locate: Callable[[np.ndarray], list[Cell]]) -> bool:
    """Whether the first white cells that `locate` gives of two photos, RGB uint8 (H, W, 3), are one and the same."""
    ours, theirs = locate(first), locate(second)
    shift = shift_between(first, second) if ours and theirs else None
    if shift is None:
        return False
    moved = np.array(ours[0].box) + np.tile(shift, 2)
    return intersection_over_union(tuple(moved), theirs[0].box) >= LEAST_CELL_OVERLAP
