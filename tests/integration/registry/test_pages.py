"""The pages over a real registry: read by a program, by axe in Debian's Chromium, and with a hostile README."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, async_playwright

from fabric.core import canonical
from fabric.core.ids import Digest
from fabric.trust.standing import State
from registry.book.accounts import AccountLink
from registry.book.bodies import Body, Compromise, Link, Rebuild, Service
from registry.client.transport import Web
from registry.server.app import make_app
from tests.support.account_links import CHANNEL, EVM, HYPERLEDGER, IDENTITY, linked, signed
from tests.support.registries import ALICE, BOB, MALLORY, ORIGIN, House, Person, opened, wheel
from tests.support.registry_server import serving
from tests.vectors.gen_data_service import DOCUMENT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CHROMIUM: Final = shutil.which("chromium")
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HOSTILE: Final = """\
# Greeter <script>alert(1)</script>

[click](javascript:alert(1)) ![x](https://evil.example/track.png) <img src=x onerror=alert(1)>

<style>body{display:none}</style> <iframe src="https://evil.example"></iframe>

| a | b |
|---|---|
| 1 | a cell |

```
a long line without a place to break xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
```

A [true link](https://example.org/).
"""
PAGES: Final = (
    "/",
    "/search",
    "/search?q=greets",
    "/search?q=nothing+of+this+name",
    "/cryptlets/acme/greeter",
    "/cryptlets/acme/greeter/1.0.0",
    "/cryptlets/acme/greeter/1.1.0",
    "/cryptlets/acme/greeter/1.1.0?against=9.9.9",
    "/cryptlets/acme/ecb-rates",
    "/cryptlets/acme/ecb-rates/1.0.0",
    "/cryptlets/acme/ecb-rates/1.1.0",
    "/search?page=2",
    "/namespaces/acme",
    "/cryptlets/acme/missing",
    "/nowhere",
)


def _wide() -> AccountLink:
    """Returns the link of a client whose MSP id is as long as one may be."""
    identity = replace(IDENTITY, msp="W" * 200)
    link = AccountLink(f"{CHANNEL}:{identity.account.hex()}", ALICE.key.public, identity=identity)
    return signed(link, link.message(ORIGIN, "acme"))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[House, str]]:
    async with opened(folder) as house:
        await house.claim("acme", ALICE, BOB)
        first = await house.publish("acme", wheel(version="1.0.0", readme=HOSTILE), ALICE)
        await house.publish("acme", wheel(version="1.1.0", readme=HOSTILE), BOB)
        rates = Service("ecb-rates", "1.0.0", canonical.decode_object(DOCUMENT))
        later = {**rates.document, "version": "1.1.0", "freshness_seconds": 7 * 86_400}
        await house.claim("bobs", BOB)
        await house.claim("mallorys", MALLORY, ALICE)
        said: tuple[tuple[str, Body, Person], ...] = (
            ("acme", rates, ALICE),
            ("acme", replace(rates, version="1.1.0", document=later), ALICE),
            *(("acme", Link(link.to_json()), ALICE) for link in (linked(EVM), linked(HYPERLEDGER), _wide())),
            ("bobs", Rebuild(first.measurement), BOB),
            ("mallorys", Rebuild(first.measurement), MALLORY),
            ("mallorys", Compromise(MALLORY.key.public, 0), ALICE),
        )
        for namespace, body, person in said:
            await house.registry.submit(house.entry(namespace, body, person))
        await house.registry.count(Digest(bytes(32)), first.measurement, f"native {'ab' * 32}")
        await house.change(first, State.REVOKED, "it leaks <b>keys</b>", ALICE)
        async with serving(make_app(house.registry)) as url:
            yield house, url


async def _text(url: str, path: str) -> tuple[int, str]:
    status, data = await asyncio.to_thread(Web(url).ask, "GET", path.lstrip("/"), None)
    return status, data.decode()


async def test_the_pages_say_what_the_log_says(tmp_path: Path) -> None:
    async with served(tmp_path) as (house, url):
        for path in PAGES:
            status, page = await _text(url, path)
            assert status == (404 if path in {"/nowhere", "/cryptlets/acme/missing"} else 200), path
            assert "<script" not in page
        _, release = await _text(url, "/cryptlets/acme/greeter/1.0.0")
        assert "This release is revoked: do not use it" in release
        assert "it leaks &lt;b&gt;keys&lt;/b&gt;" in release
        assert house.registry.book.find("acme", "greeter", "1.0.0").measurement.hex() in release
        assert "cryptlet install acme/greeter@1.0.0" not in release
        assert "<strong>1 of 2</strong> independent rebuilders" in release
        assert "Signed with a stolen key: it counts nothing." in release
        assert "1</td>" in release.partition('id="usage"')[2]
        _, data = await _text(url, "/cryptlets/acme/ecb-rates/1.1.0")
        assert "promises less" in data
        _, name = await _text(url, "/cryptlets/acme/greeter")
        assert "cryptlet install acme/greeter@1.1.0" in name
        _, found = await _text(url, "/search?q=greets")
        assert "1 result" in found
        _, namespace = await _text(url, "/namespaces/acme")
        assert ALICE.key.public.hex() in namespace
        assert EVM in namespace
        assert HYPERLEDGER in namespace
        assert 'client of MSP <span class="break">Org1MSP</span>, by its own word' in namespace
        assert "published" in namespace


async def test_a_hostile_readme_is_harmless(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, url):
        _, page = await _text(url, "/cryptlets/acme/greeter/1.1.0")
        readme = page.partition('id="readme-title"')[2].partition("<footer")[0]
        tags = " ".join(re.findall(r"<[^>]*>", readme))
        assert not re.search(r"<(script|img|style|iframe)|\bon\w+=|javascript:", tags)
        assert 'href="https://example.org/"' in readme


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
async def test_everybody_can_read_them(tmp_path: Path) -> None:
    """WCAG 2.2 AA by axe, both colour schemes, a phone and a desk; nothing scrolls sideways, nothing needs a script."""
    async with served(tmp_path / "house") as (_, url), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            for scheme in ("light", "dark"):
                for width in (360, 1280):
                    await _look(browser, url, (scheme, width), tmp_path)
        finally:
            await browser.close()


async def _look(browser: Browser, url: str, how: tuple[str, int], folder: Path) -> None:
    scheme, width = how
    context = await browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
        bypass_csp=True,  # for axe's own script; the page has none
    )
    page = await context.new_page()
    for number, path in enumerate(PAGES):
        await page.goto(f"{url}{path}")
        await page.screenshot(path=folder / f"{scheme}-{width}-{number}.png", full_page=True)
        found = await Axe().run(page, options={"runOnly": TAGS})
        assert found.violations_count == 0, f"{path} {scheme} {width}: {found.generate_report()}"
        overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} scrolls sideways by {overflow} px at {width}"
    await context.close()
