"""Take the pictures of the page in the browser that the documentation shows, of drawn cells alone.

python -m tests.static_page.screenshots      # -> docs/screenshots/browser-*.png
"""

import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser import start_browser
from tests.space.screenshots import FOLDER, SIZES, save
from tests.static_page.conftest import Site, Visit
from training.publishing.static_page import stage_static_page


def main() -> None:
    """Write `browser-<tab>-<desktop or phone>-<light or dark>.png`."""
    with tempfile.TemporaryDirectory() as workshop, sync_playwright() as playwright:
        stage_static_page(Path(workshop) / "page")
        site, browser = Site(Path(workshop) / "page"), start_browser(playwright)
        try:
            for device, (width, height) in SIZES.items():
                for scheme in ("light", "dark"):
                    look = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
                    seen = Visit(browser, site.url, bypass_csp=True, **look)
                    for tab, prepare in (("photo", one_photo), ("differential", differential)):
                        prepare(seen)
                        save(seen, FOLDER / f"browser-{tab}-{device}-{scheme}.png")
                    seen.context.close()
        finally:
            browser.close()
            site.stop()


def one_photo(seen: Visit) -> None:
    """Several cells, one of them chosen, and where the model looked."""
    seen.page.get_by_role("button", name="Several cells").click()
    seen.page.locator("#heat").check()
    seen.page.get_by_role("radio", name="3: ").check()
    expect(seen.page.locator("#crop figcaption")).to_contain_text("Cell 3")


def differential(seen: Visit) -> None:
    """Twelve photos, and a cell that a person looks at."""
    seen.page.get_by_role("tab", name="Differential").click()
    seen.page.locator("#drawn").click()
    expect(seen.page.locator("#status p")).to_contain_text("found in 12")
    seen.page.locator("#gallery .cell").first.click()


if __name__ == "__main__":
    main()
