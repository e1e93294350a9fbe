"""Take the pictures of the page that the documentation shows, of drawn cells alone.

python -m tests.space.screenshots      # -> docs/screenshots/*.png
"""

import io
import tempfile
from pathlib import Path

from PIL import Image, ImageColor
from playwright.sync_api import sync_playwright

from leukoscope import CELLS
from leukoscope.showing.draw import HEAT
from tests.browser import start_browser
from tests.space.conftest import ROOT, Visit, start_app, stop_app

FOLDER = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1280, 940), "phone": (390, 1400)}  # px
COLOURS = 256  # in a picture: enough for cells, and a third of the bytes


def main() -> None:
    """Write `<tab>-<desktop or phone>-<light or dark>.png`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as workshop, sync_playwright() as playwright:
        app, browser = start_app(Path(workshop)), start_browser(playwright)
        try:
            for device, (width, height) in SIZES.items():
                for scheme in ("light", "dark"):
                    seen = Visit(browser, app.url, width=width, height=height, dark=scheme == "dark")
                    for tab, prepare in STATES.items():
                        place = prepare(seen) or "body"
                        save(seen, FOLDER / f"{tab}-{device}-{scheme}.png", place)
                    seen.page.close()
        finally:
            browser.close()
            stop_app(app.process)


def one_photo(seen: Visit) -> None:
    """Several cells, one of them chosen, and where the model looked."""
    seen.wait_for_crop("Cell 1 of")
    seen.page.get_by_label("Show where the model looked").check()
    seen.until("/^Cell 1 .* glows/.test(document.querySelector('#crop figcaption').textContent)")
    seen.page.get_by_role("radio", name="3: ").check()
    seen.until("/^Cell 3 .* glows/.test(document.querySelector('#crop figcaption').textContent)")


def differential(seen: Visit) -> None:
    """Twelve photos, of whose cells many are undecided."""
    seen.tab("Differential")
    seen.page.get_by_role("button", name="12 drawn photos").click()
    seen.wait_for_count()


def deciding(seen: Visit) -> str:
    """The same count: two cells decided by a key, and the next one chosen by itself."""
    seen.page.locator("#gallery .lk-cell").first.click()
    for key in "em":
        seen.page.keyboard.press(key)
    seen.page.locator("#chosen .lk-says:not(:empty)").wait_for()
    seen.until("document.querySelector('#sentences').textContent.includes('A person decided on 2 cells')")
    return "#cells-row"


def about(seen: Visit) -> None:
    """The top of the tab."""
    seen.tab("About")


STATES = {"photo": one_photo, "differential": differential, "deciding": deciding, "about": about}


def save(seen: Visit, path: Path, place: str = "body") -> None:
    """Take the picture from a place on, with its mouse pointer away, and few enough colours that it stays small."""
    seen.page.mouse.move(0, 0)
    seen.page.evaluate("document.activeElement.blur()")
    seen.page.locator(place).evaluate("place => place.scrollIntoView()")
    seen.page.wait_for_timeout(600)
    shot = Image.open(io.BytesIO(seen.page.screenshot())).convert("RGB")
    shot.quantize(palette=_palette(shot), dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1024:.0f} KB")


def _palette(shot: Image.Image) -> Image.Image:
    """The picture's main colours; those of the cell types and of the heatmap have their place though they are few."""
    heat = map(ImageColor.getrgb, HEAT)
    kept = [(255, 255, 255), *heat, *(ImageColor.getrgb(cell.colour) for cell in CELLS.values())]
    main_colours = shot.quantize(COLOURS - len(kept), Image.Quantize.MEDIANCUT).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette(main_colours + [level for colour in kept for level in colour])
    return palette


if __name__ == "__main__":
    main()
