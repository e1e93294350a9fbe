"""The classifier: picture in, prediction out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from leukoscope.errors import CheckpointError
from leukoscope.model import calibration
from leukoscope.model.ahead import BATCH, overlapped
from leukoscope.model.checkpoint import (
    GOLDEN_FILE,
    GOLDEN_PICTURE,
    GOLDEN_TOLERANCE,
    LOCATOR_FILE,
    ONNX_FILE,
    Spec,
    check_files,
    copy_checkpoint,
    read_json,
    read_spec,
    write_json,
)
from leukoscope.model.graphs import open_graph, open_locator
from leukoscope.model.hub import Source, find, upload
from leukoscope.model.prediction import Prediction, judged, no_cell
from leukoscope.model.process import prepare
from leukoscope.pictures.images import ImageSource, read_image
from leukoscope.smear.locate import Cell, Locator
from leukoscope.smear.preprocess import frame, normalise

if TYPE_CHECKING:
    import keras


class Framed(NamedTuple):
    """What the network sees of one cell, uint8 (S, S, 3), and what of the answer is known before it runs.

    box, cut: as of a `Prediction`. score: the locator's, 0-1; 1 of a picture that is looked at as a whole.
    wide, doubt: its width in red cells, as of a `leukoscope.smear.locate.Cell`; None of one that the edge cuts.
    """

    crop: np.ndarray
    box: tuple[int, int, int, int] | None
    cut: bool
    score: float
    wide: float | None = None
    doubt: float = 0.0


class Classifier:
    """Tells the four cell types apart. Make one with `from_pretrained`; it may be shared between threads."""

    def __init__(self, source: Source, threads: int = 1) -> None:
        """Load a checkpoint that lies on this machine; `from_pretrained` finds it.

        Changes settings of the process: see `leukoscope.model.process.prepare`.
        """
        self.source = source
        self.folder = source.folder
        self.spec: Spec = read_spec(self.folder)
        check_files(self.folder, self.spec)
        prepare()
        self._session = open_graph(self.folder / ONNX_FILE, "image", "logits", threads)
        self._answers = ["logits", *(["attributes"] if self.spec.attributes else [])]
        if missing := set(self._answers) - set(self.outputs):
            raise CheckpointError(f"{self.folder / ONNX_FILE} must give `{missing.pop()}`")
        located = self.spec.framing.kind == "cell"
        locator = self.folder / LOCATOR_FILE
        self._locator = open_locator(locator, self.spec.thresholds.cell, threads) if located else None
        graphs = [self.folder / name for name in (ONNX_FILE, LOCATOR_FILE) if name in self.spec.files]
        self._bytes = sum(graph.stat().st_size for graph in graphs)  # it goes on answering when its folder is gone

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] | None = None,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        threads: int = 1,
    ) -> Classifier:
        """Load a model: the embedded one, a checkpoint folder, or one from the Hugging Face Hub.

        Args:
            name_or_path: a folder, "user/name" or "user/name@revision"; None: $LEUKOSCOPE_MODEL, else the embedded
                model.
            revision: branch, tag or commit on the Hub. A branch is resolved to the commit it points at now;
                `info()["source"]` says which.
            token: of a Hub account, for a private repo.
            cache_dir: where downloads are kept; None: the Hub's own cache.
            local_files_only: do not ask the network.
            threads: for one run of the network. Two are a little quicker on an idle machine, and a lot slower on one
                whose cores are shared: they wait for each other.

        Raises:
            CheckpointError: naming what is missing, damaged, foreign or too new.
            ModelUnavailable: if it cannot be had from the Hub. There is no fallback to another model.
        """
        return cls(
            find(name_or_path, revision=revision, token=token, cache_dir=cache_dir, local_files_only=local_files_only),
            threads,
        )

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Copy this checkpoint to a folder that is new, empty or an older checkpoint.

        Raises:
            CheckpointError: if the folder holds something else.
        """
        copy_checkpoint(self.folder, folder)

    def push_to_hub(
        self, repo_id: str, *, private: bool | None = None, tag: str | None = None, token: str | None = None
    ) -> str:
        """Upload this checkpoint to the Hub in one commit, then tag it.

        Returns:
            The commit: 40 hexadecimal digits.

        Raises:
            PublishError: saying what to do.
        """
        return upload(self.folder, repo_id, private=private, tag=tag, token=token)

    def load_keras(self) -> keras.Model:
        """The Keras model behind the graph, for fine-tuning: float32 (N, S, S, 3) -> logits (N, 4) or (N, 5).

        Needs `pip install 'leukoscope[train]'`.

        Raises:
            CheckpointError: if Keras does not read it, such as for code in a layer, which is never run.
        """
        import keras

        try:
            return keras.saving.load_model(self.folder, safe_mode=True)
        except Exception as error:  # Keras raises nearly anything on a config that is not its own
            raise CheckpointError(f"{self.folder} is no Keras model that can be opened: {error}") from None

    def predict(self, source: ImageSource) -> Prediction:
        """Classify the most prominent white cell of one picture.

        Args:
            source: a path, encoded bytes, a PIL image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).

        Raises:
            ImageError: if it cannot be read.
        """
        principal = self.principal(source)  # decoded, its cells found, the most prominent one framed
        return self.answer_principals([principal])[0]  # run through the network, calibrated, judged

    def predict_batch(self, sources: Iterable[ImageSource], *, workers: int = 1) -> Iterator[Prediction]:
        """Classify many pictures, in order, holding a few batches of crops in memory and no more than a picture or two.

        One batch is decoded and framed while the network runs on the one before it.

        Args:
            sources: as for `predict`; taken as they are needed.
            workers: processes that share the work; see `leukoscope.model.bulk`. Worth it from some hundred pictures on.

        Raises:
            ImageError: at the first picture that cannot be read.
        """
        if workers > 1:
            from leukoscope.model.bulk import in_processes  # one process in most uses: it need not wait for this

            yield from in_processes(self.opener, "predict", sources, workers)
            return
        yield from overlapped(sources, self.principal, self.answer_principals)

    def scan(self, source: ImageSource) -> list[Prediction]:
        """Classify every white cell of a photo of any size.

        Args:
            source: as for `predict`.

        Returns:
            One prediction a cell, the most prominent first; empty if there is none. A model that looks at the whole
            picture gives one.

        Raises:
            ImageError: if it cannot be read.
        """
        return self.answer(self.framed(source))

    def scan_batch(self, sources: Iterable[ImageSource], *, workers: int = 1) -> Iterator[list[Prediction]]:
        """`scan` many photos, in order; arguments and errors as for `predict_batch`."""
        if workers > 1:
            from leukoscope.model.bulk import in_processes

            yield from in_processes(self.opener, "scan", sources, workers)
            return
        yield from overlapped(sources, self.framed, self.answer_each)

    def locate(self, image: np.ndarray) -> list[Cell]:
        """Find the white cells of a photo, RGB uint8 (H, W, 3), the most prominent first.

        Raises:
            ValueError: for a model that looks at the whole picture.
        """
        return self.locator.locate(image)

    @property
    def locator(self) -> Locator:
        """What finds the white cells.

        Raises:
            ValueError: for a model that looks at the whole picture.
        """
        if self._locator is None:
            raise ValueError(f"model {self.spec.name!r} looks at the whole picture and finds no cells in it")
        return self._locator

    def framed_cell(self, image: np.ndarray, cell: Cell) -> Framed:
        """What the network sees of one cell of a photo, RGB uint8 (H, W, 3)."""
        cut = cell.cut(image.shape)
        crop = frame(image, self.spec.framing, cell)
        return Framed(crop, cell.box, cut, cell.score, None if cut else cell.wide, cell.doubt)

    def framed(self, source: ImageSource, first: bool = False) -> list[Framed]:
        """Decode a picture and frame its cells, or the most prominent alone, or the picture as a whole."""
        return self._framed(read_image(source), first)

    def principal(self, source: ImageSource) -> Framed | Prediction:
        """The most prominent cell of a picture, framed; if there is none, the answer that says so, and why."""
        image = read_image(source)
        framed = self._framed(image, first=True)
        return framed[0] if framed else no_cell(image)

    def _framed(self, image: np.ndarray, first: bool) -> list[Framed]:
        if self._locator is None:
            return [Framed(frame(image, self.spec.framing), None, False, 1.0)]
        cells = self._locator.locate(image)
        return [self.framed_cell(image, cell) for cell in cells[: 1 if first else None]]

    def answer(self, framed: list[Framed]) -> list[Prediction]:
        """One prediction for each framed cell."""
        predictions = []
        for start in range(0, len(framed), BATCH):
            batch = framed[start : start + BATCH]
            logits, *more = self.run(np.stack([cell.crop for cell in batch]), self._answers)
            logits = self.weighed(logits, batch)
            shares, strange = self.probabilities(logits), self.unfamiliarity(logits)
            seen = calibration.attributes_of(more[0], self.spec.attributes) if more else [{} for _ in batch]
            for cell, *answer in zip(batch, shares, strange, seen, strict=True):
                predictions.append(judged(self.spec, cell.box, cell.cut, cell.score, cell.wide, *answer))
        return predictions

    def weighed(self, logits: np.ndarray, framed: Sequence[Framed], spec: Spec | None = None) -> np.ndarray:
        """The network's logits (N, 4 or 5) of framed cells, with all that is added to them.

        That is what each cell's width says of its type, and the offsets of the lab that the model was tuned to.

        Args:
            logits: as the network gives them.
            framed: the cells.
            spec: whose widths and offsets; None: the model's own.
        """
        spec = spec or self.spec
        if spec.sizes:
            evidence = spec.sizes.evidence([cell.wide for cell in framed], [cell.doubt for cell in framed])
            logits = calibration.with_evidence(logits, evidence)
        return calibration.with_evidence(logits, np.array(spec.offsets)) if spec.offsets else logits

    def answer_each(self, pictures: list[list[Framed]]) -> list[list[Prediction]]:
        """The predictions for the framed cells of each picture, all in the same runs of the network."""
        answers = iter(self.answer([cell for cells in pictures for cell in cells]))
        return [[next(answers) for _ in cells] for cells in pictures]

    def answer_principals(self, pictures: list[Framed | Prediction]) -> list[Prediction]:
        """The prediction for what `principal` gives of each picture, all in the same runs of the network."""
        answers = iter(self.answer([picture for picture in pictures if isinstance(picture, Framed)]))
        return [next(answers) if isinstance(picture, Framed) else picture for picture in pictures]

    def logits(self, crops: np.ndarray) -> np.ndarray:
        """Run the network on framed crops: uint8 (N, S, S, 3) -> float32 (N, 4), or (N, 5) with "none of the four"."""
        return self.run(crops, ["logits"])[0]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of the four types: logits (N, 4 or 5) -> float64 (N, 4), rows summing to 1."""
        return calibration.probabilities(logits, self.spec.temperature)

    def unfamiliarity(self, logits: np.ndarray) -> np.ndarray:
        """How little each looks like any of the four types: float64 (N,), 0-1."""
        return calibration.unfamiliarity(logits, self.spec.temperature)

    @property
    def opener(self) -> Callable[[], Classifier]:
        """What opens the same checkpoint again, such as in another process: it can be sent there."""
        return partial(Classifier, self.source)

    @property
    def outputs(self) -> list[str]:
        """Names of what the graph can give."""
        return [output.name for output in self._session.get_outputs()]

    def run(self, crops: np.ndarray, outputs: list[str]) -> list[np.ndarray]:
        """Run the network on framed crops, uint8 (N, S, S, 3), for the outputs named."""
        given: list[np.ndarray] = self._session.run(outputs, {"image": normalise(crops, self.spec.normalisation)})
        return given

    def record_golden(self) -> None:
        """Write what this checkpoint answers to its own test picture, so that any copy of it can prove itself."""
        prediction = self.predict(self.folder / GOLDEN_PICTURE)
        write_json(
            self.folder / GOLDEN_FILE,
            {
                "note": "a drawn cell and what this checkpoint answers to it; a check of the software, not of accuracy",
                "label": prediction.label,
                "probabilities": prediction.probabilities,
                "box": prediction.box,
            },
        )

    def replay_golden(self) -> float:
        """Answer the checkpoint's own test picture.

        Returns:
            The largest difference between its probabilities and the recorded ones.

        Raises:
            CheckpointError: if it differs by more than 1e-4, or the pair is missing.
        """
        recorded = read_json(self.folder / GOLDEN_FILE)["probabilities"]
        given = self.predict(self.folder / GOLDEN_PICTURE).probabilities
        worst: float = max(abs(given[label] - recorded[label]) for label in self.spec.labels)
        if worst > GOLDEN_TOLERANCE:
            raise CheckpointError(f"{self.folder}: the golden picture's probabilities are off by {worst:.2g}")
        return worst

    def info(self) -> dict[str, Any]:
        """What this model is: its spec as plain values, where it is from, and the size of its graphs in bytes."""
        return {"source": self.source.name, "model_bytes": self._bytes, **asdict(self.spec)}
