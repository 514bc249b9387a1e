"""A README is hostile until it is rendered."""

from html.parser import HTMLParser
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import override

from registry.pages.readme import ID_PREFIX, MAX_CHARACTERS, render
from tests.support.shelves import HOSTILE, README

TAGS: Final = {
    *("a", "blockquote", "br", "code", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s"),
    *("strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}
REL: Final = "nofollow noopener noreferrer ugc"
# Of the collections that attacks on Markdown and HTML sanitizers come from: events, schemes, entities, mutations.
ATTACKS: Final = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<form action=https://evil.example><input name=q><button>go</button></form>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    '<a href="javascript:alert(1)">x</a>',
    '<p style="position:fixed;inset:0">over the page</p>',
    '<h2 id="standing">This release is active</h2>',
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "[x](/cryptlets/acme/cold-chain)",
    "[x](http://plain.example)",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example"onmouseover="alert(1))',
    "[x](<https://a.example/ onclick=alert(1)>)",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    "![x](https://tracker.example/p.png)",
    '![x" onerror="alert(1)](https://i.example)',
    "![](data:image/svg+xml;base64,PHN2Zz4=)",
    "[![x](https://i.example/a.png)](javascript:alert(1))",
    "[![x](https://i.example/a.png)](https://l.example)",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x]: https://a.example 'title\"><script>alert(1)</script>'\n\n[x]",
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    '``` "><script>alert(1)</script>\nx\n```',
    "`<script>alert(1)</script>`",
    "| <script> | b |\n|---|---|\n| ![x](javascript:1) | [x](javascript:2) |",
    '# standing\n\n# main\n\n# "><script>alert(1)</script>',
    "[go](#standing) [main](#main)",
    "1000000000000000000000. x",
    "safe \u202egnp.exe\u2069",
    "\x00<script\x00>alert(1)</script>",
)
LINE: Final = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(st.sampled_from("<>[]()!\"'`*_#|-=&;:\\/ \t\naehjnoprstx\x00\u202e")),
    st.text(st.characters(exclude_categories=())),
)


class Judge(HTMLParser):
    """Notes whatever is not on the list."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.hrefs: list[str] = []
        self.ids: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in TAGS:
            self.faults.append(f"<{tag}>")
        for name, value in given.items():
            if not self._is_allowed(tag, name, value):
                self.faults.append(f"<{tag} {name}={value}>")
        if "href" in given:
            self.hrefs.append(given["href"])
            if given.get("rel") != REL:
                self.faults.append(f"rel {given.get('rel')}")
        self.ids += [value for name, value in given.items() if name == "id"]

    @override
    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def _is_allowed(self, tag: str, name: str, value: str) -> bool:
        return {
            ("a", "href"): value.lower().startswith(("https:", "mailto:", f"#{ID_PREFIX}")),
            ("a", "rel"): value == REL,
            ("div", "class"): value == "scroll",
            ("div", "role"): value == "region",
            ("div", "tabindex"): value == "0",
            ("div", "aria-label"): value.startswith("Table ") and value.endswith(" of the README"),
            ("ol", "start"): value.isdecimal(),
            **{(f"h{level}", "id"): value.startswith(ID_PREFIX) for level in range(3, 7)},
        }.get((tag, name), False)


def judged(text: str) -> Judge:
    judge = Judge()
    judge.feed(render(text).html)
    judge.close()
    return judge


@pytest.mark.parametrize("text", [*ATTACKS, HOSTILE, README])
def test_an_attack_leaves_nothing_but_words(text: str) -> None:
    judge = judged(text)
    assert judge.faults == []
    assert not [href for href in judge.hrefs if "javascript" in href.lower()]


@given(st.lists(LINE, max_size=6).map("\n".join))
@example("<" * 500)
@example("[" * 500 + "](https://x.example)" * 500)
def test_any_text_is_harmless(text: str) -> None:
    judge = judged(text)
    assert judge.faults == []
    assert len(judge.ids) == len(set(judge.ids))


def test_no_image_is_fetched_but_its_words_are_there() -> None:
    html = render("![the plan](https://i.example/p.png) ![](https://i.example/q.png) ![x](http://plain.example)").html
    assert "<img" not in html
    assert f'<a href="https://i.example/p.png" rel="{REL}">[image: the plan]</a>' in html
    assert "[image: without description]" in html
    assert "[image: x]" in html
    assert "plain.example" not in html


def test_an_image_in_a_link_makes_no_link_in_a_link() -> None:
    html = render("[![badge](https://i.example/b.png)](https://l.example)").html
    assert html.strip() == f'<p><a href="https://l.example" rel="{REL}">[image: badge]</a></p>'


@pytest.mark.parametrize("address", ["/root", "page.md", "//evil.example", "http://a.example", "?q=1"])
def test_a_link_that_leads_nowhere_allowed_is_its_words(address: str) -> None:
    assert render(f"[*words*]({address})").html.strip() == "<p><em>words</em></p>"


def test_a_link_without_words_says_where_it_leads() -> None:
    assert ">https://a.example</a>" in render("[](https://a.example)").html


def test_headings_stand_below_the_page_and_have_names_of_their_own() -> None:
    html = render("# One\n\n## Two words\n\n###### Six\n\n# One\n\n[up](#two-words)").html
    assert '<h3 id="readme-one">One</h3>' in html
    assert '<h4 id="readme-two-words">' in html
    assert '<h6 id="readme-six">' in html
    assert '<h3 id="readme-one-1">' in html
    assert 'href="#readme-two-words"' in html


def test_a_table_scrolls_in_a_frame_that_keys_reach() -> None:
    html = render("| a |\n|---|\n| 1 |\n").html
    assert '<div class="scroll" role="region" tabindex="0" aria-label="Table 1 of the README">' in html


def test_what_is_long_is_cut_before_it_is_read() -> None:
    made = render("a" * MAX_CHARACTERS + "END")
    assert made.is_cut
    assert "END" not in made.html
    assert not render("a" * MAX_CHARACTERS).is_cut


@pytest.mark.parametrize(
    "text",
    [
        "> " * 10_000 + "x",
        "- " * 10_000 + "x",
        "".join("  " * depth + "- x\n" for depth in range(250)),
        "*" * 30_000,
        "[" * 30_000,
        "`a``" * 8_000,
        "# a\n" * 8_000,
        "**a _b " * 4_000,
    ],
    ids=["quotes", "lists", "indents", "stars", "brackets", "ticks", "headings", "emphasis"],
)
def test_deep_nesting_ends(text: str) -> None:
    assert judged(text).faults == []
