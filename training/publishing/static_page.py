"""The page that runs in the visitor's browser, laid out as files: for a static Space, or to be served here.

    python -m training.publishing.static_page --serve          # http://127.0.0.1:7860; PORT changes the address
    python -m training.publishing.static_page --out FOLDER     # the files alone, for any server of plain files

`browser/` holds the page's own modules. All that Python knows too is written here, from the library itself: words,
colours, thresholds, rules and limits (page.json, texts/en.json), so that both doors say the same. What runs the
networks, onnxruntime-web, comes from npm in the version that `browser/package-lock.json` pins, by its hash.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from PIL import Image

from leukoscope import Classifier
from leukoscope.biology import attributes
from leukoscope.biology.cells import CELLS
from leukoscope.counting import tally
from leukoscope.counting.counted import BOX_COLUMNS, CSV_COLUMNS, NOT_COUNTED
from leukoscope.errors import CheckpointError, LeukoscopeError
from leukoscope.model import ahead, calibration, checkpoint
from leukoscope.model.hub import EMBEDDED
from leukoscope.pictures import images, kinds
from leukoscope.showing import STYLE_SHEET, about, draw
from leukoscope.showing.explain import CLASS_MAP
from leukoscope.smear import blank, locate, preprocess
from training.publishing.page_texts import library_texts

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "browser"
EXAMPLES = ROOT / "space" / "examples"
OWN_FILES = ("*.html", "*.js", "*.css", "*.svg", "*.webmanifest", "README.md")
PACKAGE = "onnxruntime-web"
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")  # the least that runs a graph: no WebGPU
RUNTIME_SECONDS = 300
MODEL_FILES = (
    checkpoint.SPEC_FILE,
    checkpoint.ONNX_FILE,
    checkpoint.LOCATOR_FILE,
    checkpoint.GOLDEN_PICTURE,
    checkpoint.GOLDEN_FILE,
)
SHOWN_SIDE = 1000  # px; longer photos are shown smaller
THUMBNAIL_SIDE = 144  # px in the gallery, shown at half of it: sharp on fine screens


class RuntimeUnavailable(LeukoscopeError, OSError):
    """What runs the networks in a browser cannot be had from npm, or is not what was pinned."""


def stage_static_page(folder: Path, model: str | os.PathLike[str] = EMBEDDED, pinned: str | None = None) -> None:
    """Lay out the page with its model.

    Args:
        folder: new or empty.
        model: a checkpoint folder, proven before anything is written.
        pinned: "user/name@commit", where the page says that its model is from; None: that of the checkpoint.

    Raises:
        CheckpointError: if the checkpoint is damaged, its golden picture is answered otherwise, the folder holds
            something, or the model is of a kind that the page does not run.
        RuntimeUnavailable: if onnxruntime-web cannot be had.
    """
    if folder.exists() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} is not empty: give a new folder")
    classifier = Classifier.from_pretrained(model)
    if classifier.spec.framing.kind != "cell" or CLASS_MAP not in classifier.outputs:
        raise CheckpointError(f"{model}: the page runs models that frame cells and say where they looked")
    classifier.replay_golden()
    runtime = runtime_folder()
    for name in ("model", "runtime", "texts", "examples/count"):
        (folder / name).mkdir(parents=True)
    for pattern in OWN_FILES:
        for file in SOURCE.glob(pattern):
            shutil.copyfile(file, folder / file.name)
    for name in MODEL_FILES:
        shutil.copyfile(classifier.folder / name, folder / "model" / name)
    for name in RUNTIME_FILES:
        shutil.copyfile(runtime / name, folder / "runtime" / name)
    for file in sorted(EXAMPLES.iterdir()):
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    (folder / "examples" / "count" / name).write_bytes(archive.read(name))
        else:
            _lighter(file, folder / "examples")
    for file in (SOURCE / "texts").glob("*.json"):
        shutil.copyfile(file, folder / "texts" / file.name)
    english = json.loads((SOURCE / "texts" / "en.json").read_text())
    _write_json(folder / "texts" / "en.json", _merged(english, library_texts(classifier, pinned)))
    shutil.copyfile(STYLE_SHEET, folder / "library.css")
    _write_json(folder / "page.json", page_rules(classifier, pinned, folder))
    files = {f.relative_to(folder).as_posix(): checkpoint.sha256(f) for f in sorted(folder.rglob("*")) if f.is_file()}
    version = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16]
    kept = [name for name in files if name not in ("README.md", "sw.js")]
    (folder / "files.js").write_text(f"self.VERSION = {json.dumps(version)};\nself.FILES = {json.dumps(kept)};\n")


def _lighter(picture: Path, folder: Path) -> None:
    """Put a picture into a folder, a PNG as a WebP of the same pixels, which is a quarter smaller."""
    if picture.suffix != ".png":
        shutil.copyfile(picture, folder / picture.name)
        return
    with Image.open(picture) as image:
        image.save(folder / f"{picture.stem}.webp", lossless=True, method=6)


def _merged(own: dict[str, Any], library: dict[str, Any]) -> dict[str, Any]:
    """The page's own words and the library's, place by place.

    Raises:
        ValueError: if a place has words of both.
    """
    merged = dict(own)
    for name, words in library.items():
        if name in own and not (isinstance(own[name], dict) and isinstance(words, dict)):
            raise ValueError(f"{name} is in browser/texts/en.json and in the library's words")
        merged[name] = _merged(own[name], words) if name in own else words
    return merged


def page_rules(classifier: Classifier, pinned: str | None, folder: Path) -> dict[str, Any]:
    """What the page's modules must know of the library and of the model, without words."""
    names = ("stride", "side_unit", "multiple", "large", "fill", "copy_side", "at_edge", "small_cell", "measured")
    names += ("most_pixels", "as_sure", "one_cell", "most_red")
    examples = sorted(f.relative_to(folder).as_posix() for f in (folder / "examples").rglob("*") if f.is_file())
    return {
        "model": {
            "source": pinned or classifier.source.name,
            "identity": about.model_identity(classifier),
            "files": {name: checkpoint.sha256(classifier.folder / name) for name in MODEL_FILES},
            "tolerance": checkpoint.GOLDEN_TOLERANCE,
        },
        "locate": {name: getattr(locate, name.upper()) for name in names},
        "blank": {name: getattr(blank, name.upper()) for name in ("sample", "most", "black", "even", "grey")},
        "limits": {
            "max_bytes": images.MAX_BYTES,
            "max_pixels": images.MAX_PIXELS,
            "min_side": images.MIN_SIDE,
            "foreign": [[start.hex(), name] for start, name in kinds._BEGINNINGS.items()],
        },
        "languages": sorted(file.stem for file in (folder / "texts").glob("*.json")),
        "doubt": calibration.DOUBT,
        "odd": calibration.ODD,
        "attributes": {name: list(values) for name, values in attributes.ATTRIBUTES.items()},
        "joined": attributes.JOINED,
        "batch": ahead.BATCH,
        "most_side": preprocess.MOST_SIDE,
        "crop_room": draw.CROP_ROOM,
        "crop_side": draw.CROP_SIDE,
        "shown_side": SHOWN_SIDE,
        "thumbnail_side": THUMBNAIL_SIDE,
        "heat": [[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in draw.HEAT],
        "types": {name: {"colour": cell.colour, "share_percent": cell.share_percent} for name, cell in CELLS.items()},
        "not_counted": NOT_COUNTED,
        "few": tally.FEW,
        "csv": {"columns": CSV_COLUMNS, "box": BOX_COLUMNS},
        "examples": {
            "photo": [name for name in examples if "/count/" not in name],
            "count": [name for name in examples if "/count/" in name],
        },
    }


def runtime_folder() -> Path:
    """The folder with the files of onnxruntime-web that the page needs, fetched from npm once.

    Raises:
        RuntimeUnavailable: if npm cannot be reached, or what it sends has another hash than the lock file says.
    """
    lock = json.loads((SOURCE / "package-lock.json").read_text())["packages"][f"node_modules/{PACKAGE}"]
    folder = ROOT / "build" / f"{PACKAGE}-{lock['version']}"
    if folder.is_dir():
        return folder
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org/")
    address = f"{registry.rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{lock['version']}.tgz"
    try:
        # The registry is npm's, or the one that this machine's own settings name.
        with urllib.request.urlopen(address, timeout=RUNTIME_SECONDS) as answer:  # nosec B310
            package = answer.read()
    except (OSError, ValueError) as error:
        raise RuntimeUnavailable(f"{address} cannot be had: {error}") from None
    kind, digest = lock["integrity"].split("-", 1)
    if base64.b64encode(hashlib.new(kind, package).digest()).decode() != digest:
        raise RuntimeUnavailable(f"{address} is not what browser/package-lock.json pins: its {kind} differs")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workshop, tarfile.open(fileobj=io.BytesIO(package)) as tar:
        fresh = Path(workshop) / "files"
        fresh.mkdir()
        for name in RUNTIME_FILES:
            (fresh / name).write_bytes(tar.extractfile(f"package/dist/{name}").read())
        try:
            fresh.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process was sooner
                raise
    return folder


class _Files(SimpleHTTPRequestHandler):
    """Plain files, with the types that browsers ask for."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
        ".webp": "image/webp",
    }

    def end_headers(self) -> None:
        """Ask anew whether a file changed: a page that is worked on is never an old one."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *words: Any) -> None:
        """Nothing: what is asked of a page is nobody's affair."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder's files on 127.0.0.1; `serve_forever` begins."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Files, directory=str(folder)))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.publishing.static_page",
        description="Lay out the page that runs in the browser, or serve it.",
    )
    parser.add_argument("model", nargs="?", default=EMBEDDED, help="checkpoint folder; default: the embedded one")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--out", type=Path, metavar="FOLDER", help="write the page's files to a new folder")
    way.add_argument("--serve", action="store_true", help="serve it on 127.0.0.1, at $PORT or 7860")
    args = parser.parse_args(argv)
    try:
        if args.out:
            stage_static_page(args.out, args.model)
            return 0
        with tempfile.TemporaryDirectory() as workshop:
            stage_static_page(Path(workshop), args.model)
            port = int(os.environ.get("PORT", "7860"))
            print(f"http://127.0.0.1:{port}", flush=True)
            with server(Path(workshop), port) as listening, suppress(KeyboardInterrupt):
                listening.serve_forever()
    except LeukoscopeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
