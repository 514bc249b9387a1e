"""The pages as a browser gets them, over a registry in memory."""

import re
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp
from structlog.testing import capture_logs
from typing_extensions import override

from fabric.trust.standing import State
from registry.pages.app import HEADERS, MAX_QUERY
from registry.pages.views import FrontView
from tests.support.asgi import Answer, call
from tests.support.shelves import COLD, STATES, MemoryShelf, digest, pages_app

PATHS: Final = (
    "/",
    "/search",
    "/search?q=cold",
    "/search?q=nothing+of+this+name",
    "/search?page=2",
    "/search?page=99",
    "/cryptlets/acme/cold-chain",
    "/cryptlets/acme/euro-rates",
    "/cryptlets/globex/tool-1",
    "/cryptlets/mallory/harmless",
    *(f"/cryptlets/acme/cold-chain/{version}" for version in STATES),
    "/cryptlets/acme/cold-chain/1.3.0?against=1.0.0",
    "/cryptlets/acme/euro-rates/1.0.0",
    "/cryptlets/mallory/harmless/1.0.0",
    "/namespaces/acme",
    "/namespaces/mallory",
)
WHOLE: Final = MemoryShelf()
VOID: Final = {"meta", "link", "input", "br", "wbr", "hr"}


@cache
def app(shelf: MemoryShelf) -> ASGIApp:
    return pages_app(shelf, "registry.acme.example")


def get(target: str, shelf: MemoryShelf = WHOLE, method: str = "GET") -> Answer:
    return call(app(shelf), target, method, {"accept": "text/html"})


def words(answer: Answer) -> str:
    """Returns what is read on a page, without marks and line breaks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


class Sound(HTMLParser):
    """Notes what is not closed, ids that stand twice, and whatever could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []
        self.headings: list[int] = []
        self.links: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "iframe", "img", "object", "base", "embed"}:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style" or "javascript:" in (value or ""):
                self.faults.append(f"<{tag} {name}>")
            if name == "id":
                self.ids.append(value or "")
            if name == "href" and (value or "").startswith("/"):
                self.links.append(value or "")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # of an icon

    @override
    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop() if self.open else None
        if last != tag:
            self.faults.append(f"</{tag}> closes {last}")


def read(answer: Answer) -> Sound:
    sound = Sound()
    sound.feed(answer.text)
    sound.close()
    return sound


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_sound(path: str) -> None:
    answer = get(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    sound = read(answer)
    assert sound.faults == []
    assert sound.open == []
    assert len(sound.ids) == len(set(sound.ids))
    assert sound.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(sound.headings, sound.headings[1:], strict=False))


@pytest.mark.parametrize("path", [*PATHS, "/cryptlets/acme/nothing", "/nowhere", "/static/pages.css"])
def test_every_answer_forbids_what_it_does_not_need(path: str) -> None:
    headers = get(path).headers
    for name, value in HEADERS.items():
        if name != "Cache-Control":
            assert headers[name.lower()] == value
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", PATHS)
def test_every_link_of_a_page_leads_to_a_page(path: str) -> None:
    for link in set(read(get(path)).links):
        assert get(unescape(link)).status == 200, link


def test_the_files_of_the_pages_are_served_and_kept() -> None:
    for link in re.findall(r'href="(/static/[^"]+)"', get("/").text):
        answer = get(link)
        assert answer.status == 200
        assert "immutable" in answer.headers["cache-control"]
    assert get("/").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("version", STATES)
def test_a_release_says_its_state_in_words(version: str) -> None:
    standing = STATES[version]
    told = words(get(f"/cryptlets/acme/cold-chain/{version}"))
    installs = f"cryptlet install acme/cold-chain@{version}" in told
    assert installs is (standing.state in {State.ACTIVE, State.DEPRECATED})
    if standing.state is State.ACTIVE:
        assert "This release is" not in told
    else:
        assert f"This release is {standing.state}:" in told
        assert f"Reason: {standing.reason}" in told
        assert f"log entry {standing.position}." in told
        assert told.startswith(f"{standing.state.capitalize()}: acme/cold-chain {version}")


def test_a_release_says_what_it_is_and_asks_for() -> None:
    told = words(get("/cryptlets/acme/cold-chain/1.3.0"))
    for text in (
        digest("cold-chain1.3.0").hex(),
        digest("acme").hex(),
        "secret:weather-key",
        "0.08 EUR for one invocation",
        "Label tee tdx",
        "readings[].celsius number",
        "1 of 4 independent rebuilders",
        "1 got another one.",
        "Initech rebuilds",
        "not theirs Signed with a stolen key: it counts nothing.",
        "numpy 2.4.0",
        "Apache-2.0",
        "native deployment",
        "1,234,567",
        "never downloads",
    ):
        assert text in told, text


def test_a_release_is_compared_with_the_one_before_or_another() -> None:
    before = words(get("/cryptlets/acme/cold-chain/1.3.0"))
    assert "Difference to 1.2.0" in before
    assert "are as in 1.2.0; the code may differ" in before
    other = words(get("/cryptlets/acme/cold-chain/1.3.0?against=1.1.0"))
    assert "7 changes to agree to before this release takes the place of 1.1.0" in other
    assert "capability secret:weather-key ▲ asks for more added: granted" in other
    assert "was: 0.05 EUR is: 0.08 EUR" in other
    back = words(get("/cryptlets/acme/cold-chain/1.1.0?against=1.3.0"))
    assert "Nothing in it asks for more than 1.3.0 did." in back
    assert "▲" not in back
    assert "There is no release 9.9.9" in words(get("/cryptlets/acme/cold-chain/1.1.0?against=9.9.9"))
    assert "the first release of its name" in words(get("/cryptlets/acme/cold-chain/1.0.0"))
    odd = get("/cryptlets/acme/cold-chain/1.1.0?against=%3Cb%3E")
    assert "There is no release <b>" in words(odd)
    assert read(odd).faults == []


def test_a_cryptlet_says_how_to_install_it_and_lists_every_version() -> None:
    told = words(get("/cryptlets/acme/cold-chain"))
    assert "cryptlet install acme/cold-chain@1.3.0" in told
    for version, standing in STATES.items():
        assert f"{version} {standing.state}" in told
    assert "[image: the build]" in told


def test_what_was_withdrawn_is_not_offered() -> None:
    told = words(get("/cryptlets/mallory/harmless"))
    assert "cryptlet install" not in told
    assert "No release can be installed." in told
    assert "Newest release 1.0.0 is revoked: do not use it" in told


def test_a_data_service_says_what_it_promises() -> None:
    told = words(get("/cryptlets/acme/euro-rates/1.0.0"))
    assert "at most 15 minutes old" in told
    assert "The central bank's own feed" in told
    assert "celsius number temperature. at least -90; at most 90" in told
    assert '{"celsius": 4.5}' in told
    for path in ("/cryptlets/acme/euro-rates", "/cryptlets/acme/euro-rates/1.0.0", "/search?q=euro"):
        page = words(get(path))
        assert not any(claim in page for claim in ("cryptlet install", "free of charge", "Capabilities", "anchored re"))
    assert "data service" in words(get("/"))


def test_a_publisher_says_whose_keys_and_accounts_count() -> None:
    told = words(get("/namespaces/acme"))
    assert "✓ in force" in told
    assert "retired What it signed before" in told
    assert "✕ stolen Nothing counts that it signed from" in told
    assert "eip155:1:0xab16a96d359ec26a11e2c2b3d8f8b8942d5bfcdb" in told
    assert "✕ not theirs Linked with a stolen key." in told
    assert "The newest 8 of 31 entries" in told
    assert "acme/ cold-chain" in told


def test_a_search_pages_through_what_it_found() -> None:
    first = get("/search?q=tool")
    assert "12 results for tool , page 1 of 3" in words(first)
    assert 'rel="prev"' not in first.text
    assert 'href="/search?q=tool&amp;page=2"' in first.text
    last = get("/search?q=tool&page=3")
    assert 'rel="next"' not in last.text
    assert "There is no page 4: the 12 results end on page 3" in words(get("/search?q=tool&page=4"))


def test_a_search_that_finds_nothing_helps() -> None:
    answer = get("/search?q=cold-chian")
    assert "Nothing found for cold-chian" in words(answer)
    assert 'href="/cryptlets/acme/cold-chain"' in answer.text


def test_an_empty_registry_says_how_to_begin() -> None:
    empty = MemoryShelf(())
    assert "cryptlet publish" in words(get("/", empty))
    assert "Nothing is published here yet" in words(get("/search", empty))


@pytest.mark.parametrize("page", ["-1", "x", "0", "000001" + "9" * 5_000, "9" * 5_000, "\u0662"])
def test_a_page_that_cannot_be_is_the_first(page: str) -> None:
    assert "page 1 of 3" in words(get(f"/search?q=tool&page={quote(page)}"))


def test_a_long_query_is_cut() -> None:
    assert f'value="{"a" * MAX_QUERY}"' in get(f"/search?q={'a' * 10_000}").text


@given(st.text(st.characters(exclude_categories=()), max_size=MAX_QUERY))
def test_a_query_comes_back_as_words(query: str) -> None:
    target = "/search?q=" + "".join(f"%{byte:02x}" for byte in query.encode("utf-8", "surrogatepass"))
    answer = get(target)
    assert answer.status == 200
    assert read(answer).faults == []


@pytest.mark.parametrize(
    "path",
    [
        "/cryptlets/acme/cold-chian",
        "/cryptlets/acme/cold-chain/9.9.9",
        "/cryptlets/ACME/cold-chain",
        "/cryptlets/acme/%3Cscript%3E",
        "/cryptlets/acme/cold-chain/1.0.0%0Aevil",
        "/namespaces/nobody",
        "/namespaces/a%00b",
        "/nowhere/at/all",
        "/nowhere%0A",
    ],
)
def test_what_is_not_there_is_explained(path: str) -> None:
    answer = get(path)
    assert answer.status == 404
    assert read(answer).faults == []
    assert "What you can do" in words(answer)


def test_a_misspelled_name_is_searched_for_with_one_click() -> None:
    assert 'href="/search?q=cold-chian"' in get("/cryptlets/acme/cold-chian").text


@pytest.mark.parametrize("path", ["/", "/search", "/cryptlets/acme/cold-chain", "/namespaces/acme"])
def test_a_broken_store_is_told_without_its_secrets(path: str) -> None:
    answer = get(path, MemoryShelf(is_broken=True))
    assert answer.status == 503
    assert "could not read its own records (store)" in words(answer)
    assert "db7" not in answer.text


class Faulty(MemoryShelf):
    """Meets what nobody foresaw."""

    @override
    def front(self) -> FrontView:
        raise ZeroDivisionError("the secret database on host db7")


def test_a_fault_is_told_by_its_number_alone() -> None:
    with capture_logs() as logs:
        answer = get("/", Faulty())
    assert answer.status == 500
    assert read(answer).faults == []
    (line,) = logs
    assert f"as fault {line['fault']}" in words(answer)
    assert "db7" not in answer.text
    assert "ZeroDivisionError: the secret database on host db7" in line["trace"]


def test_pages_are_only_read() -> None:
    answer = get("/", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert read(answer).faults == []
    assert "can only be read" in words(answer)
    assert get("/", method="HEAD").status == 200


def test_the_name_of_a_listing_is_what_its_page_has() -> None:
    assert f"{COLD.namespace}/ {COLD.name}" in words(get("/search?q=pharma"))
