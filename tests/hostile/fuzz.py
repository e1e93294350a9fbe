"""The fuzzer: good files, changed at will by hypothesis, through every reader of untrusted bytes.

make fuzz                                            # 100,000 executions
python -m tests.hostile.fuzz --executions 1000 --seed 7

Ends with 1 and the smallest input that it can find if anything but the library's own errors is raised, or an input
takes longer than 2 s of the processor.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from leukoscope import Prediction
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.counting.differential import Differential
from leukoscope.errors import LeukoscopeError
from leukoscope.model.checkpoint import SPEC_FILE, read_spec
from leukoscope.model.hub import EMBEDDED
from leukoscope.pictures.images import picture_count, read_image
from leukoscope.scanning.archives import photos_in_zip
from tests import made_files
from tests.hostile import build
from tests.hostile.build import FORMS, encode, noise
from tests.hostile.memory import peak_mb
from tests.made_dicoms import dicom
from tests.made_tiffs import page, tiff

EXECUTIONS = 100_000
MOST_SECONDS = 2.0
ODD_NUMBERS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1]


@dataclass(frozen=True)
class Change:
    """One change of a file: what is done, where (a share of its length), with what."""

    kind: str
    place: float
    number: int
    piece: bytes

    def __call__(self, data: bytes, seeds: list[bytes]) -> bytes:
        """The changed file."""
        at = int(self.place * len(data))
        if self.kind == "number":  # as two or four bytes, in either order
            order = "<>"[self.number & 1] + ("H" if self.number <= 0xFFFF else "I")
            piece = struct.pack(order, self.number)
            return data[:at] + piece + data[at + len(piece) :]
        if self.kind == "insert":
            return data[:at] + self.piece + data[at:]
        if self.kind == "overwrite":
            return data[:at] + self.piece + data[at + len(self.piece) :]
        if self.kind == "delete":
            return data[:at] + data[at + 1 + self.number % 64 :]
        if self.kind == "repeat":
            return data[:at] + data[at : at + 40] * (2 + self.number % 50) + data[at:]
        if self.kind == "splice":
            return data[:at] + seeds[self.number % len(seeds)][at:]
        return data[:at]


CHANGES = st.builds(
    Change,
    st.sampled_from(["number", "number", "insert", "overwrite", "overwrite", "delete", "repeat", "splice", "cut"]),
    st.one_of(st.floats(0, 1), st.floats(0, 0.1)),
    st.one_of(st.sampled_from(ODD_NUMBERS), st.integers(0, 2**32 - 1)),
    st.binary(min_size=1, max_size=12),
)


@dataclass
class Tally:
    """What became of the executions."""

    outcomes: Counter = field(default_factory=Counter)
    slowest: float = 0.0

    def run(self, target: str, read: Callable[[bytes], object], data: bytes) -> None:
        """One execution; what is no error of the library's own is let through."""
        began = time.process_time()
        try:
            read(data)
            self.outcomes[target, "read"] += 1
        except LeukoscopeError as error:
            if not str(error):  # a refusal must have a reason
                raise
            self.outcomes[target, "refused"] += 1
        spent = time.process_time() - began
        self.slowest = max(self.slowest, spent)
        assert spent < MOST_SECONDS, f"{spent:.1f} s"


def pictures() -> list[bytes]:
    """Good pictures of each format and most kinds of pixel, small so that many are read in a second."""
    rgb = noise(28, 26)
    seeds = [encode(rgb, form) for form in FORMS]
    seeds += [encode(rgb.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGBA")]
    seeds += [encode(rgb.convert(mode), "TIFF", compression="tiff_lzw") for mode in ("L", "RGBA", "CMYK")]
    seeds += [encode(rgb, "TIFF", compression=name) for name in ("tiff_deflate", "packbits", "jpeg")]
    seeds += [
        encode(rgb, "JPEG", progressive=True),
        encode(rgb.convert("CMYK"), "JPEG"),
        encode(rgb, "WEBP", lossless=True),
    ]
    seeds += [encode(rgb, form, save_all=True, append_images=[rgb]) for form in ("GIF", "TIFF", "WEBP", "PNG")]
    exif = rgb.getexif()
    exif[0x0112] = 6
    seeds += [encode(rgb, form, exif=exif) for form in ("JPEG", "PNG", "WEBP")]
    return [*seeds, build.plain_tiff(28, 26) + bytes(28 * 26), *tiffs(), *of_extras()]


def tiffs() -> list[bytes]:
    """Good TIFFs of the kinds that the library takes apart itself, and a profile."""
    deep = np.asarray(noise(28, 26)).astype(np.uint16) * 257
    made = [{"planar": True}, {"tile": 16}, {"planar": True, "rows": 7, "order": ">"}]
    made += [{"packing": packing, "predictor": 2} for packing in (5, 8, 50000)] + [{"packing": 32773, "planar": True}]
    seeds = [made_files.one(deep, **options) for options in made]
    seeds += [
        made_files.one((deep / 65_535).astype(np.float32), packing=8, predictor=3),
        made_files.one(deep, big=True),
    ]
    small = page(np.ascontiguousarray(deep[:25, :25]), tags={254: (4, [1])})
    seeds += [tiff(small, page(deep)), made_files.described(made_files.ome("", "", ""), deep)]
    seeds += [made_files.one(deep >> 4, bits=12), made_files.deep_png(deep >> 4, 12), made_files.stack(2)]
    seeds += [made_files.described("ImageJ=1.54\nimages=3\nchannels=3\n", deep, packing=8)]
    return [*seeds, made_files.files_in_tiff(50001, "WEBP"), made_files.by_pillow("PNG", icc_profile=made_files.P3())]


def of_extras() -> list[bytes]:
    """Good pictures of the formats that `leukoscope[microscopy]` reads."""
    rgb = np.asarray(noise(28, 26))
    coded, runs = encode(noise(28, 26), "JPEG"), "1.2.840.10008.1.2.5"
    deep = {"BitsStored": 12, "HighBit": 11, "PlanarConfiguration": 1}
    return [
        made_files.heic(),
        dicom(rgb, ICCProfile=made_files.P3()),
        dicom(rgb, "1.2.840.10008.1.2"),
        dicom(rgb.astype(np.uint16) * 16, **deep),
        dicom(rgb, runs),
        dicom(rgb, "1.2.840.10008.1.2.4.50", coded, PhotometricInterpretation="YBR_FULL_422"),
    ]


def archives() -> list[bytes]:
    """Good archives."""
    picture, stored = encode(noise(28, 26), "PNG"), encode(noise(28, 26), "JPEG")
    names = ("smear/a.png", "../b.png", "__MACOSX/c", "é.png")
    return [build.zipped(*((name, picture) for name in names)), build.zipped(("x.jpg", stored), method=0)]


def counts() -> list[bytes]:
    """Good CSV files."""
    answer = Prediction("monocyte", dict.fromkeys(CELL_TYPES, 0.25), 0.25, (1, 2, 30, 40), "review")
    photos = [("a.png", [answer] * 3), ("=1+1", []), ('two\n"lines"', [answer])]
    return [Differential.from_predictions(photos[:n]).to_csv().encode() for n in (1, 3)]


def _read_picture(data: bytes) -> None:
    last = picture_count(data)
    read_image(data)
    read_image(data, last)


def _read_archive(data: bytes) -> None:
    for _, content in photos_in_zip(data):
        if isinstance(content, bytes):
            read_image(content)


def _read_count(data: bytes) -> None:
    Differential.from_csv(data.decode(errors="replace"))


def _read_spec(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, SPEC_FILE).write_bytes(data)
        read_spec(folder)


def targets() -> dict[str, tuple[Callable[[bytes], object], list[bytes], float]]:
    """Name -> what reads the bytes, good files to begin with, and its share of the executions."""
    spec = json.dumps(json.loads((EMBEDDED / SPEC_FILE).read_text()) | {"trained": {}}).encode()
    return {
        "pictures": (_read_picture, pictures(), 0.7),
        "archives": (_read_archive, archives(), 0.1),
        "counts": (_read_count, counts(), 0.1),
        "specs": (_read_spec, [spec], 0.1),
    }


def fuzz(executions: int, number: int) -> Tally:
    """Run so many executions in all.

    Raises:
        Exception: what a reader raised on the smallest input that does so.
    """
    tally = Tally()
    for name, (read, seeds, share) in targets().items():
        _fuzz(tally, name, read, seeds, round(executions * share), number)
    return tally


def _fuzz(tally: Tally, name: str, read: Callable, seeds: list[bytes], executions: int, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=executions,
        deadline=None,  # ours is of the processor's time
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), st.lists(CHANGES, min_size=1, max_size=6))
    def one(data: bytes, changes: list[Change]) -> None:
        for change in changes:
            data = change(data, seeds)
        tally.run(name, read, data)

    one()


@contextlib.contextmanager
def without_libtiff() -> Iterator[None]:
    """Nothing reaches the standard error of the process: libtiff writes a line there for every damaged file."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def main() -> int:
    """Run, and print what became of it."""
    parser = argparse.ArgumentParser(description="Change good files at will and see that only reasons come of it.")
    parser.add_argument("--executions", type=int, default=EXECUTIONS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32), help="default: a new one")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    began = time.monotonic()
    with without_libtiff():
        tally = fuzz(args.executions, args.seed)
    for name in targets():
        read, refused = (tally.outcomes[name, outcome] for outcome in ("read", "refused"))
        print(f"{name}: {read + refused:,} executions, {read:,} read, {refused:,} refused with a reason, no crash")
    print(
        f"{sum(tally.outcomes.values()):,} executions in {time.monotonic() - began:.0f} s; "
        f"the slowest took {tally.slowest:.2f} s of the processor, the process at most {peak_mb()} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
