"""The settings of one training of the locator: a short TOML file, checked by name and type."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field

from training.recipe.config import ConfigError, Fraction, Section, read_toml, refuse_scored_only, valid

Count = Annotated[int, Field(ge=1)]


class Round(Section):
    """A part of the training."""

    steps: Count
    doubtful: Annotated[float, Field(ge=0.0, le=1.0)] | None = (
        None  # if given, boxes are found anew, see `found.relabel`
    )
    red: Annotated[float, Field(ge=0.0)] = 0.0  # what the loss of red cells' widths weighs


class Recipe(Section):
    """One training of the locator."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    seed: Annotated[int, Field(ge=0)]
    labs: Annotated[list[str], Field(min_length=1)]  # labs that are trained on
    filters: Annotated[list[Count], Field(min_length=5, max_length=5)]  # of each scale, see `network.build`
    batch: Count  # canvases
    rounds: Annotated[list[Round], Field(min_length=1)]
    learning_rate: Annotated[float, Field(gt=0.0)]
    weight_decay: Annotated[float, Field(ge=0.0)]
    average: Fraction  # momentum of the weights' moving average

    @property
    def steps(self) -> int:
        """Of all rounds."""
        return sum(part.steps for part in self.rounds)


def read_recipe(path: str | os.PathLike) -> Recipe:
    """Read and check a recipe.

    Raises:
        ConfigError: naming every unknown, missing or ill-typed key, a lab that no network may learn from, or why the
            file cannot be read.
    """
    recipe = valid(Recipe, read_toml(path), str(path))
    refuse_scored_only(recipe.labs, f"{path}: labs")
    if recipe.rounds[0].doubtful is not None:
        raise ConfigError(f"{path}: rounds.0.doubtful: before the first round nothing has learned to find boxes")
    return recipe
