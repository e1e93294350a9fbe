"""The browser answers as Python does: pixels, cells, probabilities, verdicts, words, limits, refusals."""

import json
import os
import random
import shutil
import zlib
from collections import Counter
from dataclasses import asdict
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leukoscope import CELL_TYPES, Classifier, Differential, Prediction
from leukoscope.biology.attributes import VALUES, Attribute
from leukoscope.counting.counted import NOT_COUNTED
from leukoscope.counting.limits import clopper_pearson
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.errors import ImageError
from leukoscope.pictures.images import read_image
from leukoscope.showing import charts, draw, wording
from leukoscope.tuning import Tuning, write_tuned
from tests.static_page.conftest import Site, Visit
from training.publishing.page_texts import unstyled
from training.publishing.static_page import stage_static_page

PICTURES, AT_ONCE = 200, 20


@pytest.fixture(scope="module")
def engine(browser, staged, tmp_path_factory):
    """The page beside a folder of pictures, which it answers on its own; (visit, folder)."""
    folder = tmp_path_factory.mktemp("engine") / "page"
    shutil.copytree(staged, folder, copy_function=os.link)
    (folder / "pictures").mkdir()
    serving = Site(folder)
    seen = Visit(browser, serving.url)
    yield seen, folder / "pictures"
    seen.context.close()
    serving.stop()


def photographs(most: int) -> list[Path]:
    """Real photos of several labs where they are at hand, evenly out of each."""
    labs = []
    for variable, pattern in (
        ("BLOOD_CELLS_DIR", "dataset-master/dataset-master/JPEGImages/*.jpg"),
        ("PBC_DIR", "*/*.jpg"),
        ("LABS_DIR", "*/*/*.jpg"),
    ):
        if variable in os.environ:
            files = sorted(Path(os.environ[variable]).glob(pattern))
            assert files, f"{variable}: no {pattern}"
            labs.append(files)
    return [file for files in labs for file in files[:: max(1, len(files) // (most // len(labs)))][: most // len(labs)]]


def drawn(number: int) -> list[np.ndarray]:
    """Photos of none to four cells, from small to large."""
    kinds = cycle([["neutrophil"], ["monocyte", "lymphocyte"], ["eosinophil"], [], [*CELL_TYPES]])
    sizes = cycle([(640, 480), (320, 240), (901, 700), (1600, 1200)])
    pictures = []
    for seed, cells, size in zip(range(number), kinds, sizes, strict=False):
        photo, _ = draw_photo(cells, seed=seed, width=1000, height=750)
        pictures.append(np.asarray(Image.fromarray(photo).resize(size)))
    return pictures


NEARLY = 2e-3  # of probabilities: where a value lies between two integers of 8 bits, each build rounds its own way


def same_cells(ours: list[Prediction], theirs: list[dict], name: str) -> None:
    assert len(ours) == len(theirs), name
    for mine, other in zip(ours, theirs, strict=True):
        assert np.abs(np.subtract(mine.box, other["box"])).max() <= 1, name
        for label, share in mine.probabilities.items():
            assert abs(share - other["probabilities"][label]) <= NEARLY, name
        assert (mine.label, mine.verdict, mine.cut) == (other["label"], other["verdict"], other["cut"]), name
        assert abs(mine.unfamiliarity - other["unfamiliarity"]) <= NEARLY, name
        assert (mine.wide is None) == (other["wide"] is None), name
        assert abs((mine.wide or 0) - (other["wide"] or 0)) <= 0.02, name


def test_two_hundred_pictures_have_the_same_answers(engine, classifier):
    """PNG to two thousandths; JPEG, which two decoders read, by label and verdict."""
    seen, folder = engine
    real = photographs(PICTURES // 2)
    pictures = [(None, image) for image in drawn(PICTURES - len(real))] + [(file, read_image(file)) for file in real]
    for number, (file, image) in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(draw.png(image))
        (folder / f"{number}.jpg").write_bytes(file.read_bytes() if file else draw.jpeg(image, 92))
    same, all_answers = 0, 0
    verdicts = Counter()
    for start in range(0, PICTURES, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        names = [f"{number}.{kind}" for kind in ("png", "jpg") for number in numbers]
        answers = dict(zip(names, seen.scan_all([f"pictures/{name}" for name in names]), strict=True))
        for number in numbers:
            ours, answer = classifier.scan(folder / f"{number}.png"), answers[f"{number}.png"]
            same_cells(ours, answer["predictions"], f"{number} {pictures[number][0]}")
            if not ours:
                assert (answer["none"]["verdict"], answer["predictions"]) == ("no_cell", [])
            verdicts.update(p.verdict for p in ours)
            of_jpeg = [(p.label, p.verdict) for p in classifier.scan(folder / f"{number}.jpg")]
            theirs = [(p["label"], p["verdict"]) for p in answers[f"{number}.jpg"]["predictions"]]
            same += sum(a == b for a, b in zip(of_jpeg, theirs, strict=False))
            all_answers += max(len(of_jpeg), len(theirs))
    print(f"{verdicts} of PNG alike; of JPEG {same} of {all_answers}")
    assert len(pictures) == PICTURES
    assert min(verdicts["confident"], verdicts["review"]) > 5, verdicts
    assert same >= 0.995 * all_answers, f"{same} of {all_answers}"


def test_a_model_that_is_tuned_to_a_lab_answers_so_here_too(browser, classifier, tmp_path):
    offsets = (1.0, -0.5, 0.25, -0.75)
    write_tuned(classifier, Tuning(offsets, dict.fromkeys(CELL_TYPES, 5), 0.8, 0.9), "lab", tmp_path / "model")
    stage_static_page(tmp_path / "page", tmp_path / "model")
    names = [f"{number}.png" for number in range(5)]
    for name, image in zip(names, drawn(5), strict=True):
        (tmp_path / "page" / name).write_bytes(draw.png(image))
    serving = Site(tmp_path / "page")
    seen = Visit(browser, serving.url)
    tuned, moved = Classifier.from_pretrained(tmp_path / "model"), []
    for name, answer in zip(names, seen.scan_all(names), strict=True):
        file = tmp_path / "page" / name
        same_cells(ours := tuned.scan(file), answer["predictions"], name)
        moved += [a.confidence - b.confidence for a, b in zip(ours, classifier.scan(file), strict=True)]
    seen.context.close()
    serving.stop()
    assert len(moved) >= 5
    assert max(map(abs, moved)) > 5 * NEARLY


def test_pixels_are_pillows(engine):
    """Reduced, resized with and without a step before, cut out: to the bit."""
    seen, _ = engine
    rng = np.random.default_rng(0)
    run = """async ([width, height, pixels, step, side]) => {
      const { reduced, resized, cutOut, thinned } = await import('./resample.js')
      const image = { width, height, channels: 3, data: Uint8ClampedArray.from(pixels) }
      const give = one => [one.height, one.width, Array.from(one.data)]
      return [give(reduced(image, step)), give(resized(image, side, side, { gap: 2 })),
              give(resized(image, side + 5, side, { gap: 3 })), give(cutOut(image, -3, 5, 20, 20)),
              give(thinned(image, step))]
    }"""
    for width, height, step, side in ((64, 48, 3, 20), (37, 91, 7, 16), (25, 24, 1, 72), (200, 131, 25, 9)):
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        picture = Image.fromarray(image)
        bilinear = Image.Resampling.BILINEAR
        padded = np.pad(image, ((0, 30), (3, 30), (0, 0)))
        wanted = [
            picture.reduce(step),
            picture.resize((side, side), bilinear, reducing_gap=2.0),
            picture.resize((side + 5, side), bilinear, reducing_gap=3.0),
            padded[5:25, :20],
            image[::step, ::step],
        ]
        got = seen.page.evaluate(run, [width, height, image.ravel().tolist(), step, side])
        for mine, (rows, columns, values) in zip(wanted, got, strict=True):
            assert np.array_equal(np.asarray(mine), np.reshape(values, (rows, columns, 3))), (width, height, step, side)


def test_limits_are_pythons_to_the_last_digit_that_is_shown_and_beyond(engine):
    seen, _ = engine
    rng = random.Random(0)
    asked = [(count, total) for total in (1, 2, 7, 100, 200) for count in {0, 1, total // 3, total - 1, total}]
    asked += [(rng.randint(0, total), total) for total in (33, 500, 5_000, 100_000, 1_000_000) for _ in range(5)]
    run = "async asked => { const m = await import('./limits.js'); return asked.map(a => m.clopperPearson(...a)) }"
    for (count, total), limits in zip(asked, seen.page.evaluate(run, asked), strict=True):
        assert limits == pytest.approx(clopper_pearson(count, total), rel=1e-9, abs=1e-12), (count, total)


def test_numbers_are_written_as_python_writes_them(engine):
    seen, _ = engine
    rng = random.Random(1)
    values = [0.0, 1.0, 0.25, 6.25, 6.35, 0.05, 12.5, 1e-5, 1.5e-7, 1e-300, 99.95, 3.125, 0.1 + 0.2]
    values += [rng.random() * 10 ** rng.randint(-9, 2) for _ in range(300)]
    run = """async values => {
      const { fixed, repr, rint } = await import('./numbers.js')
      return values.map(value => [fixed(value, 1), fixed(value, 2), repr(value), rint(100 * value)])
    }"""
    for value, got in zip(values, seen.page.evaluate(run, values), strict=True):
        assert got == [f"{value:.1f}", f"{value:.2f}", repr(value), round(100 * value)], value


def test_words_are_the_librarys(engine):
    """Headline, explanation, short form and percentages of any prediction."""
    seen, _ = engine
    rng = random.Random(2)
    predictions = []
    for number in range(120):
        cuts = sorted(rng.random() ** rng.choice([1, 9]) for _ in range(3))
        shares = [b - a for a, b in zip([0, *cuts], [*cuts, 1], strict=True)]
        shares = dict(zip(CELL_TYPES, shares, strict=True))
        label = max(shares, key=shares.get)
        verdict = ("confident", "review", "unfamiliar")[number % 3]
        looks = {
            name: Attribute(rng.choice(values), 0.9, rng.random() < 0.7)
            for name, values in (VALUES.items() if number % 4 else ())
        }
        answer = Prediction(label, shares, shares[label], (0, 0, 9, 9), verdict, cut=number % 2 == 0, attributes=looks)
        predictions.append(answer)
    none = dict.fromkeys(CELL_TYPES, 0.25)
    predictions.append(Prediction(None, none, 0.0, None, "no_cell"))
    run = """async predictions => {
      const { headline, explanation, seenText, short } = await import('./words.js')
      return predictions.map(one => [headline(one), explanation(one), short(one), seenText(one)])
    }"""
    given = [asdict(p) for p in predictions]
    for mine, got in zip(predictions, seen.page.evaluate(run, given), strict=True):
        words = wording.headline(mine), wording.explanation(mine), wording.short(mine), wording.seen_text(mine)
        assert got == [*words]
    assert any("Unusual for" in wording.seen_text(mine) for mine in predictions)


def predicted(verdict: str, label: str) -> Prediction:
    shares = dict.fromkeys(CELL_TYPES, 0.1) | {label: 0.7}
    return Prediction(label, shares, 0.7, (0, 0, 9, 9), verdict)


def counted(confident: list[int], review: list[int], unfamiliar: list[int], decided: int = 0) -> Differential:
    """A count of so many cells of each type by verdict; a person decides on some, the first as none of the four."""
    verdicts = {"confident": confident, "review": review, "unfamiliar": unfamiliar}
    cells = [
        predicted(verdict, label)
        for verdict, counts in verdicts.items()
        for label, count in zip(CELL_TYPES, counts, strict=True)
        for _ in range(count)
    ]
    ours = Differential.from_predictions([("a", cells), ("b", [])])
    for number in range(decided):
        ours = ours.reclassify("a", number + 1, CELL_TYPES[number % 4] if number else NOT_COUNTED)
    return ours


DIFFERENTIALS = {
    "nothing": counted([0] * 4, [0] * 4, [0] * 4),
    "none undecided": counted([3, 30, 5, 62], [0] * 4, [0] * 4),
    "few": counted([14, 270, 60, 640], [7, 9, 11, 2], [1, 0, 2, 0]),
    "as many as may be": counted([2, 30, 5, 58], [0, 2, 1, 0], [2, 0, 0, 0]),
    "one more": counted([2, 30, 5, 57], [0, 2, 1, 0], [3, 0, 0, 0]),
    "many": counted([3, 250, 40, 910], [40, 0, 170, 300], [10, 0, 700, 30], decided=9),
    "all": counted([0] * 4, [1, 0, 0, 1], [0] * 4),
    "decided": counted([0] * 4, [4, 3, 2, 1], [0] * 4, decided=10),
}


@pytest.mark.parametrize("name", DIFFERENTIALS)
def test_a_differential_is_pythons_however_much_is_undecided(engine, name):
    """Rows, sentences, and table and chart to the letter of their HTML."""
    seen, _ = engine
    ours = DIFFERENTIALS[name]
    tally = ours.tally
    assert tally.settled == (name not in ("one more", "many", "all"))
    run = """async ([cells, photos, html]) => {
      const { Differential } = await import('./differential.js')
      const { showChart, showTable } = await import('./charts.js')
      const { staged } = await import('./dom.js')
      const page = await (await fetch('page.json')).json()
      const theirs = new Differential(page.types, page.not_counted, page.few)
      for (const photo of photos) {
        const own = cells.filter(cell => cell.photo === photo)
        const added = theirs.add(photo, own.map(cell => cell.prediction), photo)
        added.forEach((cell, i) => (cell.corrected = own[i].corrected))
      }
      const written = show => {
        const place = document.createElement('div')
        show(place)
        for (const one of place.querySelectorAll('[data-style]')) one.removeAttribute('data-style')
        return place.innerHTML
      }
      const wanted = html.map(text => written(place => staged(place, text)))
      const got = [showTable, showChart].map(show => written(place => show(place, theirs)))
      const { settled, undecided, nearest } = theirs
      return { rows: theirs.rows(), sentences: theirs.sentences(), settled, undecided, nearest, got, wanted }
    }"""
    cells = [{"photo": c.photo, "prediction": vars(c.prediction), "corrected": c.corrected} for c in ours.cells]
    html = [unstyled(charts.table_html(ours)), unstyled(charts.chart_html(ours))]
    theirs = seen.page.evaluate(run, [cells, list(ours.photos), html])
    assert (theirs["settled"], theirs["undecided"]) == (tally.settled, tally.undecided)
    assert theirs["nearest"] == tally.nearest
    assert theirs["sentences"] == ours.sentences()
    for mine, other in zip(ours.rows(), theirs["rows"], strict=True):
        assert (mine.cell_type, mine.count, mine.total, mine.flag) == tuple(
            other[key] for key in ("type", "count", "total", "flag")
        )
        for key in ("percent", "low", "high", "least", "most"):
            assert other[key] == pytest.approx(getattr(mine, key), rel=1e-9, abs=1e-9), key
    assert theirs["got"] == theirs["wanted"]


def test_bars_and_tags_are_the_librarys(engine):
    """Hatched, and named so, where the label does not stand."""
    seen, _ = engine
    run = """async ([prediction, html]) => {
      const { showBars, showVerdict } = await import('./answers.js')
      const { staged } = await import('./dom.js')
      const { types } = await (await fetch('page.json')).json()
      const written = (show, part) => {
        const place = document.createElement('div')
        show(place)
        for (const one of place.querySelectorAll('[data-style]')) one.removeAttribute('data-style')
        return place[part]
      }
      return [
        [
          written(place => showBars(place, prediction), 'innerHTML'),
          written(place => staged(place, html[0]), 'innerHTML'),
        ],
        [
          written(place => showVerdict(place, prediction, types), 'textContent'),
          written(place => staged(place, html[1]), 'textContent'),
        ],
      ]
    }"""
    none = Prediction(None, dict.fromkeys(CELL_TYPES, 0.25), 0.0, None, "no_cell")
    for mine in (none, *(predicted(verdict, "monocyte") for verdict in ("confident", "review", "unfamiliar"))):
        html = [unstyled(wording.bars_html(mine)), unstyled(wording.verdict_html(mine))]
        for got, wanted in seen.page.evaluate(run, [vars(mine), html]):
            assert got == wanted, mine.verdict


def test_bad_files_are_refused_in_the_same_words(engine):
    seen, folder = engine
    photo = draw_photo(["neutrophil"], seed=3)[0]
    png, jpeg = draw.png(photo), draw.jpeg(photo)
    header = b"IHDR" + (9000).to_bytes(4, "big") * 2 + png[24:29]
    wide = png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]  # it promises more than is there
    files = {
        "empty": b"",
        "text": b"not a picture at all " * 20,
        "cut.png": png[: len(png) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "head.jpg": jpeg[:20],
        "small.png": draw.png(photo[:20, :200]),
        "wide.png": wide,
        "jxl": b"\xff\x0a" + bytes(300),
        "psd": b"8BPS" + bytes(300),
    }
    run = "async error => (await import('./words.js')).refusal(error)"
    for name, content in files.items():
        (folder / name).write_bytes(content)
        with pytest.raises(ImageError) as refused:
            read_image(content)
        answer = seen.scan(f"pictures/{name}")
        assert "error" in answer, name
        said = seen.page.evaluate(run, answer["error"])
        wanted = str(refused.value)  # of a damaged file Python also names the error that its decoder raised
        assert said == (wanted.partition(" (")[0] if "damaged" in wanted else wanted), name
    Image.fromarray(photo).save(folder / "photo.tiff")
    (folder / "photo.dcm").write_bytes(bytes(128) + b"DICM" + bytes(300))
    for name, kind in (("photo.tiff", "TIFF"), ("photo.dcm", "DICOM")):
        said = seen.page.evaluate(run, seen.scan(f"pictures/{name}")["error"])
        assert said == f"{kind} is not read by this browser: save its picture as PNG or JPEG"


def test_no_cell_has_its_reason(engine):
    seen, folder = engine
    ramp = np.tile(np.linspace(60, 200, 64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    clear = Image.new("RGBA", (64, 64), (90, 20, 140, 0))
    for name, image in {"black": ramp // 9, "even": ramp * 0 + 200, "grey": ramp, "clear": np.asarray(clear)}.items():
        Image.fromarray(image).save(folder / f"{name}.png")
        reason = seen.scan(f"pictures/{name}.png")["none"]["reason"]
        assert reason == {"clear": "even"}.get(name, name)


def test_a_photo_on_its_side_and_one_with_a_colour_profile_are_read_as_python_reads_them(engine, classifier):
    from PIL import ImageCms

    seen, folder = engine
    photo = draw_photo(["monocyte"], seed=5)[0]
    exif = Image.Exif()
    exif[274] = 6
    turned = folder / "turned.jpg"
    Image.fromarray(photo).save(turned, quality=95, exif=exif)
    (ours,), (theirs,) = classifier.scan(turned), seen.scan("pictures/turned.jpg")["predictions"]
    assert np.abs(np.subtract(ours.box, theirs["box"])).max() <= 1
    plain = folder / "srgb.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(photo).save(plain, icc_profile=profile)
    same_cells(classifier.scan(plain), seen.scan("pictures/srgb.png")["predictions"], "a profile that moves nothing")


def test_where_the_model_looked_is_what_python_shows(engine, classifier):
    """The enlarged cell with its heat: some levels at most, as float32 sums differ."""
    from leukoscope.showing.explain import enlarged

    seen, folder = engine
    image = draw_photo(["neutrophil", "eosinophil"], seed=7, width=900)[0]
    (folder / "heat.png").write_bytes(draw.png(image))
    predictions = classifier.scan(image)
    seen.scan("pictures/heat.png", keep=True)
    for heated in (False, True):
        run = "async heated => { const p = await window.engine.ask('enlarge', 1, heated); return Array.from(p.data) }"
        got = np.reshape(seen.page.evaluate(run, heated), (draw.CROP_SIDE, draw.CROP_SIDE, 4))[..., :3]
        wanted, _ = enlarged(classifier, image, predictions, 1, heated)
        assert np.abs(got.astype(int) - wanted).max() <= (2 if heated else 0)


@pytest.mark.parametrize("name", ["model.onnx", "golden.json", "classifier.json"])
def test_a_model_that_is_not_what_was_staged_answers_nothing(browser, staged, tmp_path, name):
    folder = shutil.copytree(staged, tmp_path / "page", copy_function=os.link)
    damaged = bytearray((folder / "model" / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / "model" / name).unlink()
    (folder / "model" / name).write_bytes(damaged)
    refuses(browser, folder, f"{name} is damaged: its SHA-256 differs")


def test_a_golden_picture_that_is_answered_otherwise_answers_nothing(browser, staged, tmp_path):
    """Hashes that match, and another answer: as on a machine that computes wrongly."""
    folder = shutil.copytree(staged, tmp_path / "page", copy_function=os.link)
    golden = json.loads((folder / "model" / "golden.json").read_text())
    golden["probabilities"][golden["label"]] -= 0.01
    for path, values in (("model/golden.json", golden), ("page.json", json.loads((folder / "page.json").read_text()))):
        if path == "page.json":
            from leukoscope.model.checkpoint import sha256

            values["model"]["files"]["golden.json"] = sha256(folder / "model" / "golden.json")
        (folder / path).unlink()
        (folder / path).write_text(json.dumps(values))
    refuses(browser, folder, "the golden picture's probabilities are off by 0.010")


def refuses(browser, folder: Path, why: str) -> None:
    serving = Site(folder)
    seen = Visit(browser, serving.url, ready=False)
    try:
        assert why in seen.page.locator("#proof").inner_text()
        seen.page.get_by_role("button", name="Monocyte").click()
        seen.headline("That did not work")
    finally:
        seen.context.close()
        serving.stop()
