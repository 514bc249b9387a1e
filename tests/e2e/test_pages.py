"""Every state of a release in a browser: axe finds nothing against WCAG 2.2 AA, and nothing scrolls sideways.

``PAGES_SHOTS=FOLDER`` keeps a picture of each page, for people to look at.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page

from tests.support.browser import chromium, served
from tests.support.shelves import STATES, MemoryShelf, pages_app

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("pages"), pytest.mark.timeout(300)]

PATHS: Final = (
    "/",
    "/search?q=tool",
    "/search?q=cold-chian",
    "/search?page=99",
    "/cryptlets/acme/cold-chain",
    "/cryptlets/mallory/harmless",
    *(f"/cryptlets/acme/cold-chain/{version}" for version in STATES),
    "/cryptlets/acme/cold-chain/1.3.0?against=1.1.0",
    "/cryptlets/acme/euro-rates/1.0.0",
    "/cryptlets/mallory/harmless/1.0.0",
    "/namespaces/acme",
    "/cryptlets/acme/cold-chian",
    "/nowhere",
)
LOOKS: Final[tuple[tuple[Literal["light", "dark"], int], ...]] = (
    *(("light", width) for width in (360, 1280)),
    *(("dark", width) for width in (360, 1280)),
)
WCAG: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
OPTIONS: Final = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
SIDEWAYS: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(pages_app(MemoryShelf(), "registry.acme.example")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, look: tuple[Literal["light", "dark"], int]) -> Iterator[Page]:
    scheme, width = look
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def test_everybody_can_read_every_page(page: Page, address: str, look: tuple[str, int]) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    grounds = set()
    for path in PATHS:
        page.goto(address + path)
        report = Axe().run(page, options=OPTIONS)
        assert report.violations_count == 0, f"{path}: {report.generate_report()}"
        assert page.evaluate("axe.getRules(['wcag22aa']).length") > 0
        assert page.evaluate(SIDEWAYS) <= 0, path
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        _keep(page, path, look)
    assert len(grounds) == 1  # the stylesheet was there, on every page the same
    assert grounds == {"rgb(251, 250, 247)" if look[0] == "light" else "rgb(21, 24, 27)"}
    assert asked == {urlsplit(address).netloc}


@pytest.mark.parametrize("look", LOOKS[:1], ids=["light-360"])
def test_axe_finds_what_is_wrong(page: Page, address: str) -> None:
    """A check that finds nothing anywhere would prove nothing."""
    page.goto(address + "/")
    page.evaluate("document.querySelector('label').remove(); document.body.style.color = '#ccc'")
    found = {violation["id"] for violation in Axe().run(page, options=OPTIONS).response["violations"]}
    assert {"label", "color-contrast"} <= found


@pytest.mark.parametrize("look", LOOKS[:1], ids=["light-360"])
def test_the_search_works_by_keys_alone(page: Page, address: str) -> None:
    page.goto(address + "/cryptlets/acme/cold-chain")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.type("euro")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=euro")
    assert page.locator(".card-title a").all_text_contents() == ["acme/euro-rates"]


@pytest.mark.parametrize("look", LOOKS[:1], ids=["light-360"])
def test_nothing_of_a_publisher_runs(page: Page, address: str) -> None:
    said: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("console", lambda message: said.append(message.text))
    for path in ("/cryptlets/mallory/harmless", "/cryptlets/mallory/harmless/1.0.0", "/search?q=%3Cscript%3E"):
        page.goto(address + path)
        assert page.locator("script, iframe, img, [onerror], [onclick], [style]").count() == 0
    assert said == []


def _keep(page: Page, path: str, look: tuple[str, int]) -> None:
    if folder := os.environ.get("PAGES_SHOTS"):
        name = "-".join((*filter(None, path.replace("?", "/").split("/")), look[0], str(look[1])))
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
