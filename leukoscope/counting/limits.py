"""Exact limits of a share that was counted."""

from __future__ import annotations

import math
from functools import lru_cache

HALVINGS = 100  # of the interval that holds a limit; it stops earlier, where two neighbouring floats are reached
MOST_STEPS = 100_000  # of the continued fraction; a million cells need fewer than a thousand
TINY = 1e-300  # in place of a zero that would be divided by


@lru_cache(maxsize=1024)
def clopper_pearson(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Exact limits of a share that was counted (Clopper and Pearson, Biometrika 1934, 26:404-413).

    Rounded outwards to whole percent they are the limits that laboratories know for differentials of 100 and 200 cells
    (Rümke, The statistically expected variability in differential leukocyte counting, in: Koepke (ed.), Differential
    Leukocyte Counting, College of American Pathologists 1979, pages 39-45; taken up by CLSI H20).

    Args:
        count: cells of the type, 0 to `total`.
        total: cells counted; 0 gives (0, 1).
        level: how often the limits hold the true share, at least; between 0 and 1.

    Returns:
        (low, high), shares of 0-1.

    Raises:
        ValueError: if the count is not within 0 and the total, or the level not between 0 and 1.
    """
    if not 0 <= count <= total:
        raise ValueError(f"the count must be 0 to {total}, not {count}")
    if not 0 < level < 1:
        raise ValueError(f"the level must be between 0 and 1, not {level}")
    tail = (1 - level) / 2
    low = _beta_quantile(tail, count, total - count + 1) if count else 0.0
    # The high limit is the low one of all other cells: the tail stays a small number, and so exact.
    high = 1 - _beta_quantile(tail, total - count, count + 1) if count < total else 1.0
    return low, high


def _beta_quantile(area: float, a: float, b: float) -> float:
    """Where a beta distribution has this area below it, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _beta_area(middle, a, b) < area:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta_area(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0 < x < 1, by its continued fraction (DLMF 8.17.22)."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_area(1 - x, b, a)  # there the fraction converges fast
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, MOST_STEPS):  # Lentz's way, from the front
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / ((1 + term * lower) or TINY)
        upper = (1 + term / upper) or TINY
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-15:
            break
    return math.exp(logarithm) / (a * value)
