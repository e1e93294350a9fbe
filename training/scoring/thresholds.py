"""How answers are weighed, and from when on they are `confident`: fitted on labs never seen, and read from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from leukoscope.model.calibration import Sizes, probabilities, unfamiliarity, with_evidence
from leukoscope.model.checkpoint import sizes_of
from training.data.table import NONE
from training.recipe.config import Config, in_precision

RIGHT = 0.97  # of the answers marked confident, on each lab
UNFAMILIAR_SHARE = 0.02  # of the cells of the four types that may be called unfamiliar, in the mean of the labs
FAINT_SHARE = 0.05  # of them that may be found too faintly for a confident answer, likewise
LEAST_SPREAD = 0.05  # of the logarithm of a type's width, however well a few cells agree
MOST_WEIGHT = 2.0  # of what widths say
OF_THE_DATA = {"labs", "folds", "fold"}  # settings in which a recipe may differ from the one that was fitted on


class VerdictsError(ValueError):
    """A file of verdicts that is none, or of another recipe; the message names it."""


@dataclass(frozen=True)
class Answered:
    """What was answered to cells of the four types that the model was not trained on.

    logits: float (N, 4 or 5). labels: int (N,). missed: pictures more, in which no cell was found. scores: the
        locator's of the cells, float (N,); None: not known. widths: in red cells, and how doubtful each is, N pairs;
        None: not known. measured: whether the lab's own red cells were ever measured; if not, its widths are weighed as
        any, but tell nothing of how wide the types are.
    """

    logits: np.ndarray
    labels: np.ndarray
    missed: int = 0
    scores: np.ndarray | None = None
    widths: Sequence[tuple[float | None, float]] | None = None
    measured: bool = True

    def weighed(self, sizes: Sizes | None) -> Answered:
        """The same answers with what the widths say."""
        if sizes is None or not self.widths:
            return self
        return replace(self, logits=with_evidence(self.logits, sizes.evidence(*zip(*self.widths, strict=True))))


class Fitted(NamedTuple):
    """The temperature, what `leukoscope.model.checkpoint.Thresholds` says of the next three, and what widths say."""

    temperature: float
    confident: float
    unfamiliar: float
    sure_cell: float
    sizes: Sizes | None = None


def fit(labs: Mapping[str, Answered], right: float = RIGHT, least: float = 0.0) -> Fitted:
    """Temperature and thresholds, by the rules of `training.studies.verdicts`.

    Args:
        labs: each lab's answers.
        right: share of confident answers that must be right, in each lab.
        least: below which `confident` may not fall.
    """
    sizes = fit_sizes(labs)
    labs = {lab: own.weighed(sizes) for lab, own in labs.items()}
    temperature = fit_temperature(labs)
    scores = [unfamiliarity(own.logits, temperature) for own in labs.values()]
    # 1 where nothing taught "none of the four".
    taught = all(own.logits.shape[1] > NONE for own in labs.values())
    limit = round(_quantile(scores, 1 - UNFAMILIAR_SHARE), 4) if taught else 1.0
    found = [own.scores for own in labs.values() if own.scores is not None]
    sure_cell = round(_quantile(found, FAINT_SHARE), 4) if len(found) == len(labs) else 0.0
    sure = [_of_known(own, temperature, limit, sure_cell) for own in labs.values()]
    return Fitted(temperature, max(least, fit_confident(sure, right)), limit, sure_cell, sizes)


def _of_known(own: Answered, temperature: float, limit: float, sure_cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the answers that are not unfamiliar, to cells that were surely found: the probabilities of the types given
    (N,), and whether these are right (N,)."""
    shares, known = probabilities(own.logits, temperature), unfamiliarity(own.logits, temperature) <= limit
    if own.scores is not None:
        known &= own.scores >= sure_cell
    return shares.max(axis=1)[known], (shares.argmax(axis=1) == own.labels)[known]


def fit_sizes(labs: Mapping[str, Answered]) -> Sizes | None:
    """How wide cells of each type are, and the weight with which that lowers the log loss most.

    The temperature is fitted anew for each weight; each lab counts the same. None where widths are not known of every
    type in every lab whose red cells were measured, or there is no such lab, or they do not help.
    """
    from scipy.optimize import minimize_scalar

    means, spreads = [], []
    for place in range(NONE):
        each = [_widths(own, place) for own in labs.values() if own.measured]
        if not each or not all(len(known) for known in each):
            return None
        mean = np.mean([known[:, 0].mean() for known in each])
        variance = np.mean([(np.square(known[:, 0] - mean) - 2 * np.square(known[:, 1])).mean() for known in each])
        means.append(round(float(mean), 4))
        spreads.append(round(float(np.sqrt(max(variance, LEAST_SPREAD**2))), 4))

    def loss(weight: float) -> float:
        sizes = Sizes(tuple(means), tuple(spreads), weight)
        weighed = {lab: own.weighed(sizes) for lab, own in labs.items()}
        return log_loss(weighed, fit_temperature(weighed))

    result = minimize_scalar(loss, bounds=(1e-3, MOST_WEIGHT), method="bounded", options={"xatol": 1e-2})
    helps = result.fun < log_loss(labs, fit_temperature(labs))
    return Sizes(tuple(means), tuple(spreads), round(float(result.x), 2)) if helps else None


def _widths(own: Answered, place: int) -> np.ndarray:
    """Of a lab's cells of a type, as far as they are known: logarithms of the widths, and how doubtful these are; float
    (N, 2)."""
    given = own.widths or []
    known = [i for i in np.flatnonzero(own.labels == place).tolist() if i < len(given) and given[i][0]]
    return np.array([(np.log(given[i][0]), given[i][1]) for i in known]).reshape(-1, 2)


def fit_temperature(labs: Mapping[str, Answered]) -> float:
    """The temperature with the lowest log loss (Guo et al. 2017, arXiv 1706.04599), within 0.25-4."""
    from scipy.optimize import minimize_scalar

    bounds = np.log(0.25), np.log(4.0)
    result = minimize_scalar(lambda value: log_loss(labs, np.exp(value)), bounds=bounds, method="bounded")
    return round(float(np.exp(result.x)), 4)


def log_loss(labs: Mapping[str, Answered], temperature: float) -> float:
    """Of the true types, by probabilities at a temperature; each lab counts the same."""
    shares = [probabilities(own.logits, temperature) for own in labs.values()]
    true = [share[np.arange(len(share)), own.labels] for share, own in zip(shares, labs.values(), strict=True)]
    return float(np.mean([-np.log(of.clip(1e-12)).mean() for of in true]))


def _quantile(labs: Sequence[np.ndarray], share: float) -> float:
    """The value that this share of all values is no higher than, each lab counting the same."""
    weights = np.concatenate([np.full(len(lab), 1 / len(lab)) for lab in labs])
    return float(np.quantile(np.concatenate(labs), share, weights=weights, method="inverted_cdf"))


def fit_confident(sure: Sequence[tuple[np.ndarray, np.ndarray]], right: float) -> float:
    """The lowest probability from which upwards answers are right often enough in every lab; 1 if none is.

    Args:
        sure: each lab's probabilities of the types given, float (N,), and whether these are right, bool (N,).
        right: share that must be right; of a lab without an answer so sure nothing is asked.
    """
    tried = np.unique(np.concatenate([confidence for confidence, _ in sure]))  # rising
    enough = np.ones(len(tried), bool)
    for confidence, true in sure:
        order = np.argsort(confidence)
        above = len(order) - np.searchsorted(confidence[order], tried)  # as sure or surer
        hits = np.concatenate([[0], np.cumsum(true[order][::-1])])[above]
        enough &= hits >= right * above
    # Rounded up, so that none less sure is let in; 1 is a probability that no network reaches.
    return float(np.ceil(tried[enough][0] * 1e4) / 1e4) if enough.any() else 1.0


def as_marked(own: Answered, fitted: Fitted) -> dict[str, float]:
    """How many of a lab's cells would get a confident answer, and of these how many the right one: n, share and right,
    0-1."""
    own = own.weighed(fitted.sizes)
    confidence, true = _of_known(own, fitted.temperature, fitted.unfamiliar, fitted.sure_cell)
    marked = confidence >= fitted.confident
    count, given = len(own.labels) + own.missed, int(marked.sum())
    return {"n": count, "share": given / count, "right": int(true[marked].sum()) / max(1, given)}


def of_the_recipe(config: Config) -> dict[str, Any]:
    """What of a recipe the verdicts hang on: not its name, nor which labs and photos it learned from, nor the precision
    or the locator that a machine had."""
    values = in_precision(config, "auto").model_dump(exclude={"name", "locator"})
    values["data"] = {key: value for key, value in values["data"].items() if key not in OF_THE_DATA}
    return values


def read_verdicts(path: Path, config: Config) -> dict[str, Any]:
    """Read what was fitted for a recipe: what `Fitted` holds, and labs.

    Raises:
        VerdictsError: if the file is none of ours, or of another recipe.
    """
    try:
        values = json.loads(path.read_text())
        theirs = values["recipe"]
        numbers = [float(values[key]) for key in Fitted._fields[:4]]
        dict(values["labs"])
        values["sizes"] = sizes_of(values["sizes"])
    except (ValueError, KeyError, TypeError) as error:
        raise VerdictsError(
            f"{path} is no file of training.studies.verdicts: {type(error).__name__}: {error}"
        ) from None
    if not (numbers[0] > 0 and all(0 <= number <= 1 for number in numbers[1:])):
        raise VerdictsError(
            f"{path}: temperature must be above 0, the other three of {Fitted._fields[:4]} 0-1, not {numbers}"
        )
    ours = json.loads(json.dumps(of_the_recipe(config)))
    if changed := [part for part in ours | theirs if ours.get(part) != theirs.get(part)]:
        raise VerdictsError(
            f"{path} is of another recipe: it differs in {', '.join(changed)}; "
            "python -m training.studies.verdicts fits anew"
        )
    return values
