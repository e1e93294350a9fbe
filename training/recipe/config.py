"""The settings of a training run: a short TOML file, checked by name and type."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leukoscope.biology.cells import CELL_TYPES
from leukoscope.smear.preprocess import MOST_FIELD, Framing
from training.data.labs import SCORED_ONLY
from training.data.sources import KINDS

CONFIGS = Path(__file__).parent / "configs"

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class ConfigError(ValueError):
    """A settings file with unknown, missing or ill-typed keys; the message names each."""


class Section(BaseModel):
    """Settings that are taken as they stand: no other keys, no other types, and never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Settings = TypeVar("Settings", bound=Section)


class Data(Section):
    kind: Literal["photo", "copy", "both"]  # train on the original photos, on their augmented copies, or on both
    labs: list[str]  # labs that are trained on
    others: list[str] = []  # classes beyond the four that teach "none of the four"
    empty: Annotated[int, Field(ge=0)] = 0  # crops without a white cell that teach it too
    drop_test_fields: bool  # leave out training photos that overlap a TEST photo
    drop_doubted: bool = False  # leave out training photos whose label `training.studies.audit` doubts
    folds: Annotated[int, Field(ge=1, le=20)]  # validation is one of so many folds, grouped by slide; 1: there is none
    fold: Annotated[int, Field(ge=0)]

    @property
    def classes(self) -> int:
        """Outputs of the network: the four types, and "none of the four" where something teaches it."""
        return len(CELL_TYPES) + bool(self.others or self.empty)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of pictures that are trained on."""
        return KINDS if self.kind == "both" else (self.kind,)


class FramingSettings(Section):
    kind: Literal["cell", "photo"]
    size: Annotated[int, Field(ge=16, le=512)]  # px
    field: Annotated[float, Field(ge=0.0, le=MOST_FIELD)] = 0.0  # longer sides of the cell's box; 0 for kind "photo"


class LocatorSettings(Section):
    """What finds the cells that are framed; it goes into the checkpoint as it is."""

    file: str = ""  # a locator.onnx; "": that of the embedded checkpoint
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.3  # score from which something is a cell


class Network(Section):
    kind: Literal["reference", "residual"]
    filters: Annotated[list[int], Field(min_length=1)]  # of each scale
    depth: list[Annotated[int, Field(ge=0)]] = []  # of kind "residual": blocks at each scale
    stride: Annotated[int, Field(ge=1, le=4)] = 1  # of kind "residual": of the first convolution
    half_turn: bool = False  # of kind "residual": answer from the crop and its half turn, as the mean of both
    dense: list[int] = []
    dropout: list[Fraction]
    l2: Annotated[float, Field(ge=0.0)] = 0.0


class Augment(Section):
    """Ranges that one value each is drawn from, evenly, for every picture anew."""

    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0  # degrees, either way
    shift: Fraction = 0.0  # of the input's side, either way
    zoom: Fraction = 0.0  # 1 - zoom to 1 + zoom
    shear: Fraction = 0.0  # either way
    mirror: Literal["none", "horizontal", "both"] = "none"
    brightness: Fraction = 0.0  # factor 1 - b to 1 + b
    restain: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # how far to other labs' dyes, glass, lamps and cameras
    hues: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # chance of channels that are mixed: hues must not tell alone
    grey: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # chance of a crop without colours: form alone must tell
    blur: Annotated[float, Field(ge=0.0, le=5.0)] = 0.0  # px, largest sigma
    sharpen: Annotated[float, Field(ge=0.0, le=5.0)] = 0.0  # largest share of the difference from a blur that is added
    coarse: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # chance of up to 2.5 times fewer pixels
    noise: Annotated[float, Field(ge=0.0, le=50.0)] = 0.0  # grey levels, largest sigma
    wedge: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # chance of a black edge, as rotation and shift leave
    close: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  # chance of black on all sides, as of a picture cut close
    border: Literal["black", "nearest"] = "black"  # what stands outside the picture


class Fit(Section):
    epochs: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=0)] = 0  # batches an epoch; 0: as many as show each picture once
    batch: Annotated[int, Field(ge=1)]
    balance: Literal["none", "class-weights", "sampling"]
    learning_rate: Annotated[float, Field(gt=0.0)]
    schedule: Literal["constant", "cosine"]
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    label_smoothing: Fraction = 0.0
    attributes: Annotated[float, Field(ge=0.0)] = 0.0  # weight of what else is seen in a cell; 0: types alone
    average: Fraction = 0.0  # momentum of the weights' moving average; 0: none
    patience: Annotated[int, Field(ge=0)]  # epochs without a lower validation loss before stopping; 0: never stop
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "float32"  # auto: see `training.fitting.precision`


class Config(Section):
    """One training run."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    seed: int
    data: Data
    framing: FramingSettings
    network: Network
    augment: Augment
    fit: Fit
    locator: LocatorSettings = LocatorSettings()


def read_config(path: str | os.PathLike) -> Config:
    """Read and check a settings file.

    Raises:
        ConfigError: naming every unknown, missing or ill-typed key, or why the file cannot be read.
    """
    return checked(read_toml(path), str(path))


def read_toml(path: str | os.PathLike) -> dict:
    """What a settings file says, not checked yet.

    Raises:
        ConfigError: saying why it cannot be read.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        known = ", ".join(sorted(str(p) for p in CONFIGS.glob("*.toml")))
        raise ConfigError(f"cannot read {path}: {error.strerror}; there are {known}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def valid(section: type[Settings], values: dict, source: str) -> Settings:
    """Settings as a section has them.

    Raises:
        ConfigError: in one line, naming the source and every unknown, missing or ill-typed key.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(_problem(e) for e in error.errors())
        raise ConfigError(f"{source}: {problems}") from None


def refuse_scored_only(labs: Iterable[str], where: str) -> None:
    """Let no recipe learn from a lab that is only scored.

    Raises:
        ConfigError: naming where it says so, and the lab.
    """
    if barred := [lab for lab in labs if lab in SCORED_ONLY]:
        raise ConfigError(f"{where}: {', '.join(barred)} is for research only by its terms: scored, not taught")


def checked(values: dict, source: str) -> Config:
    """Check settings that were read or made.

    Raises:
        ConfigError: naming the source and every unknown, missing or ill-typed key.
    """
    config = valid(Config, values, source)
    network = config.network
    if network.kind == "residual" and (len(network.depth) != len(network.filters) or not any(network.depth)):
        raise ConfigError(f"{source}: network.depth: kind 'residual' needs as many numbers as filters, not all 0")
    if network.kind != "residual" and len(network.filters) != 4:
        raise ConfigError(f"{source}: network.filters: kind {network.kind!r} needs four numbers")
    refuse_scored_only(config.data.labs, f"{source}: data.labs")
    try:
        Framing(**config.framing.model_dump())
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None
    if config.data.folds == 1 and config.fit.patience:
        raise ConfigError(f"{source}: fit.patience: must be 0 where data.folds is 1: nothing is held out to stop by")
    if config.data.fold >= config.data.folds:
        raise ConfigError(f"{source}: data.fold: {config.data.fold} must be below data.folds = {config.data.folds}")
    return config


def recorded(trained: dict, source: str) -> Config:
    """The settings that a checkpoint was trained with: `trained` of its `Spec`.

    Raises:
        ConfigError: naming the source, if it records none or they are no longer valid.
    """
    if not isinstance(trained.get("config"), dict):
        raise ConfigError(f"{source} does not say with what settings it was trained")
    return checked(trained["config"], f"the settings of {source}")


def in_precision(config: Config, precision: str) -> Config:
    """The same recipe in another arithmetic, which follows the processor and is no part of what tells recipes apart."""
    return config.model_copy(update={"fit": config.fit.model_copy(update={"precision": precision})})


def to_toml(config: Config) -> str:
    """The settings as a file that `read_config` reads."""
    values = config.model_dump()
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for name, section in values.items():
        if isinstance(section, dict):
            lines += [f"\n[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


def _problem(error) -> str:
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"unknown key {where!r}"
    if error["type"] == "missing":
        return f"missing key {where!r}"
    return f"{where}: {error['msg']} (given: {error['input']!r})"
