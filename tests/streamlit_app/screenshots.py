"""Take docs/screenshots/bench-*.png anew: python -m tests.streamlit_app.screenshots (make screenshots)."""

import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser import start_browser
from tests.space.conftest import stop_app
from tests.space.screenshots import save
from tests.streamlit_app.conftest import ROOT, BenchVisit, start_bench

SHOTS = ROOT / "docs" / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (360, 760)}


def main() -> None:
    """Both tabs and the table to decide in, light and dark, desktop and phone."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = start_browser(playwright)
        bench = start_bench(Path(folder), LEUKOSCOPE_SESSIONS="off")
        try:
            for size, (width, height) in SIZES.items():
                for theme in ("light", "dark"):
                    take(BenchVisit(browser, bench.url, width, theme == "dark", height), f"{size}-{theme}")
        finally:
            stop_app(bench.process)


def take(seen: BenchVisit, name: str) -> None:
    """A drawn photo, and a count of twelve."""
    page = seen.page
    page.get_by_text("A drawing", exact=True).click()
    expect(page.get_by_text("cells were found")).to_be_visible()
    save(seen, SHOTS / f"bench-photo-{name}.png")
    seen.tab("Differential")
    seen.upload("Photos of one smear", ROOT / "space" / "examples" / "twelve_drawn_photos.zip")
    expect(page.get_by_text("1 file done.", exact=True)).to_be_visible()
    expect(page.get_by_text("Cells", exact=True).first).to_be_visible()
    expect(page.locator(".lk-sentences")).to_have_count(1)
    save(seen, SHOTS / f"bench-differential-{name}.png")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    save(seen, SHOTS / f"bench-deciding-{name}.png", "h2#cells")
    page.close()


if __name__ == "__main__":
    main()
