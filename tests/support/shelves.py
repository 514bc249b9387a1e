"""A registry in memory, with a release in each state, a data service, and a publisher that means harm."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from fabric.core.canonical import JsonObject
from fabric.core.errors import StoreError
from fabric.core.ids import Measurement
from fabric.trust.standing import State
from registry.pages.app import Pages
from registry.pages.views import (
    AccountView,
    CryptletView,
    DataTerms,
    FrontView,
    KeyView,
    Listing,
    LogEntry,
    NamespaceView,
    Rebuild,
    ReleaseView,
    Results,
    Shelf,
    StandingView,
    Usage,
    VersionRow,
)
from registry.terms import Dependency, HardwareTerms, MethodTerms, PriceTerms, Terms

NOW: Final = 1_795_000_000
DAY: Final = 86_400
PAGE_SIZE: Final = 5
DESCRIPTION: Final = "Judges a refrigerated pharma shipment from its temperature logger's file (USP <1079>)."
README: Final = """\
# Cold chain

Judges **one shipment** from the file of its temperature logger, and says why. See [the standard](https://usp.example/1079)
or write to [us](mailto:hello@acme.example).

![the build](https://badges.example/build.svg)

## Use

```console
$ cryptlet invoke shipments judge --file logger.csv
{"accepted": true, "verdict": "accepted"}
```

1. Bind it to a contract.
2. Send the raw file.

| Reading | Meaning | What to do | Where it stands in the file of the logger | Since |
|---|---|---|---|---|
| `2000` | two degrees Celsius, in thousandths | nothing | column four | 1.0.0 |
| `8001` | above the upper bound | look at the excursions | column four | 1.1.0 |

> Temperatures are whole numbers, so that every machine writes the same bytes.

### Limits

- one logger a shipment
    - at most a million readings
"""
HOSTILE: Final = (
    """\
# <script>alert(1)</script> <img src=x onerror=alert(1)>

[click](javascript:alert(1)) [data](data:text/html;base64,PHNjcmlwdD4=) ![x](https://tracker.example/pixel.png "t")
<iframe src="https://evil.example"></iframe> <a href="https://evil.example" onclick="x()">a</a>

safe \u202egnp.exe\u2069 text, [ ](https://empty.example), [frame](#main)

"""
    + "> " * 200
    + "deep\n\n"
    + "aVeryLongWordWithoutAnyBreak" * 30
)
READING: Final[JsonObject] = {
    "type": "object",
    "title": "Reading",
    "description": "One reading.\n\nAttributes:\n    celsius: temperature.\n    at: when it was taken,\n        UTC.",
    "properties": {
        "celsius": {"type": "number", "minimum": -90, "maximum": 90},
        "at": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string", "maxLength": 80}, {"type": "null"}], "default": None},
    },
    "required": ["celsius", "at"],
}
TAKES: Final[JsonObject] = {
    "type": "object",
    "description": "What a shipper sends.",
    "properties": {
        "shipment": {"type": "string", "minLength": 1, "description": "Number of the shipment."},
        "readings": {"type": "array", "items": {"$ref": "#/$defs/Reading"}, "minItems": 1},
    },
    "required": ["shipment", "readings"],
    "$defs": {"Reading": READING},
}
GIVES: Final[JsonObject] = {
    "type": "object",
    "description": "What the readings say.\n\nAttributes:\n    verdict: how it was judged.\n"
    "    reasons: what stands against it.",
    "properties": {
        "verdict": {"type": "string", "enum": ["accepted", "rejected", "inconclusive"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["verdict", "reasons"],
}
FIRST: Final = Terms(
    kind="contract",
    capabilities=("host:weather.example:443",),
    hardware=HardwareTerms(1, 0, 256),
    price=PriceTerms("0.05", "EUR"),
    determinism="strict",
    licence="Apache-2.0",
    methods=(
        MethodTerms("judge", "Judges one shipment from its readings.", TAKES, GIVES),
        MethodTerms("raw", "Judges one shipment from the raw file of its logger.", None, GIVES),
    ),
    dependencies=(Dependency("numpy", "2.3.1", hashlib.sha256(b"numpy").digest()),),
)
SECOND: Final = replace(
    FIRST,
    capabilities=("host:weather.example:443", "ledger:ethereum:read", "secret:weather-key"),
    hardware=HardwareTerms(2, 0, 512, (("tee", "tdx"),)),
    price=PriceTerms("0.08", "EUR"),
    methods=(FIRST.methods[0],),
    dependencies=(Dependency("numpy", "2.4.0", hashlib.sha256(b"numpy 2.4").digest()),),
)
STATES: Final = {
    "1.3.0": StandingView(State.ACTIVE, "", NOW - 1 * DAY, 910),
    "1.2.0": StandingView(State.QUARANTINED, "A rebuilder got other bytes; under investigation.", NOW - 2 * DAY, 880),
    "1.1.0": StandingView(State.DEPRECATED, "1.3.0 reads more loggers.", NOW - DAY, 911),
    "1.0.1": StandingView(State.YANKED, "Its price sheet named a wrong currency.", NOW - 300 * DAY, 205),
    "1.0.0": StandingView(State.REVOKED, "Accepts files with forged times (CVE-2026-12345).", NOW - 299 * DAY, 206),
}


def digest(text: str) -> Measurement:
    return Measurement(hashlib.sha256(text.encode()).digest())


def row(name: str, version: str, standing: StandingView) -> VersionRow:
    return VersionRow(
        version, standing, digest(name + version), standing.since - 3 * DAY, max(standing.position - 7, 0)
    )


def usage(records: int) -> tuple[Usage, ...]:
    return (
        Usage("native", digest("native").hex(), records, NOW - 60),
        Usage("ethereum", digest("ethereum").hex(), records // 3, NOW - 70),
    )


def listing(namespace: str, name: str, description: str, kind: str = "utility", **changes: object) -> Listing:
    standing = StandingView(State.ACTIVE, "", NOW - DAY, 900)
    made = Listing(namespace, name, kind, description, "1.0.0", standing, NOW - 4 * DAY, None, 0)
    return replace(made, **changes)  # type: ignore[arg-type]


COLD: Final = listing(
    "acme", "cold-chain", DESCRIPTION, "contract", version="1.3.0", price=PriceTerms("0.05", "EUR"), records=1_234_567
)
RATES: Final = listing(
    "acme", "euro-rates", "Reference rates of the euro, once a working day.", "data", is_priced=False
)
EVIL: Final = listing(
    "mallory",
    "harmless",
    'Free <b onmouseover="alert(1)">money</b> \u202efdp.exe ' + "x" * 120,
    standing=StandingView(State.REVOKED, "<script>alert('reason')</script>", NOW - DAY, 905),
)
LISTINGS: Final = (
    COLD,
    RATES,
    EVIL,
    *(
        listing("globex", f"tool-{number}", f"Does thing number {number} with care.", records=number)
        for number in range(12)
    ),
)


@dataclass(frozen=True)
class MemoryShelf:
    """A ``Shelf`` over the constants of this module; an empty one has no releases; a broken one cannot read."""

    listings: tuple[Listing, ...] = LISTINGS
    is_broken: bool = False

    def front(self) -> FrontView:
        self._check()
        used = tuple(sorted(self.listings, key=lambda item: -item.records)[:4])
        return FrontView(self.listings[:4], used, len(self.listings), 5, 3, 1_645_000, "registry.acme.example", 912)

    def search(self, query: str, page: int) -> Results:
        self._check()
        found = tuple(
            item for item in self.listings if query.lower() in f"{item.namespace}/{item.name} {item.description}"
        )
        start = (page - 1) * PAGE_SIZE
        similar = ("acme/cold-chain",) if query and not found and self.listings else ()
        pages = -(-len(found) // PAGE_SIZE)
        return Results(page, pages, len(found), found[start : start + PAGE_SIZE], similar)

    def cryptlet(self, namespace: str, name: str) -> CryptletView | None:
        self._check()
        item = next((item for item in self.listings if (item.namespace, item.name) == (namespace, name)), None)
        if item is None:
            return None
        states = STATES if item is COLD else {item.version: item.standing}
        rows = tuple(row(name, version, standing) for version, standing in states.items())
        newest = rows[0] if rows[0].standing.state is State.ACTIVE else None
        readme = {"acme": README, "mallory": HOSTILE}.get(namespace, "")
        price, licence = item.price, "" if item is EVIL else "Apache-2.0"
        return CryptletView(
            namespace, name, item.kind, item.description, newest, rows, readme, price, licence, usage(item.records)
        )

    def release(self, namespace: str, name: str, version: str) -> ReleaseView | None:
        view = self.cryptlet(namespace, name)
        versions = () if view is None else tuple(found.version for found in view.versions)
        if view is None or version not in versions:
            return None
        found = view.versions[versions.index(version)]
        terms = SECOND if version in {"1.2.0", "1.3.0"} else FIRST
        is_data = view.kind == "data"
        return ReleaseView(
            namespace=namespace,
            name=name,
            version=version,
            description=view.description,
            standing=found.standing,
            measurement=found.measurement,
            position=found.position,
            logged=found.logged,
            publisher=digest(namespace).hex(),
            terms=hostile_terms() if namespace == "mallory" else plain_data() if is_data else terms,
            rebuilds=() if is_data else rebuilds(found.measurement),
            usage=() if is_data else view.usage,
            versions=versions,
            previous=next(iter(versions[versions.index(version) + 1 :]), None),
            readme=view.readme if namespace == "mallory" else "",
            data=DataTerms(READING, 15 * 60, "The central bank's own feed, read at 16:00 CET.", '{"celsius": 4.5}')
            if is_data
            else None,
        )

    def publisher(self, namespace: str) -> NamespaceView | None:
        self._check()
        own = tuple(item for item in self.listings if item.namespace == namespace)
        if not own:
            return None
        keys = (
            KeyView(digest(namespace).hex(), NOW - 90 * DAY, 700),
            KeyView(digest("old").hex(), NOW - 400 * DAY, 3, until=NOW - 90 * DAY),
            KeyView(digest("stolen").hex(), NOW - 200 * DAY, 410, NOW - 150 * DAY, NOW - 152 * DAY),
        )
        accounts = (
            AccountView("eip155:1:0xab16a96d359ec26a11e2c2b3d8f8b8942d5bfcdb", NOW - 80 * DAY, 720),
            AccountView("eip155:1:0x00000000000000000000000000000000deadbeef", NOW - 151 * DAY, 420, is_stolen=True),
            AccountView(f"hlfabric:{'5f' * 16}:{digest('client').hex()}", NOW - 70 * DAY, 730, msp="Org1MSP" * 28),
        )
        history = tuple(
            LogEntry(900 - at, NOW - at * DAY, ("published", "deprecated", "revoked")[at % 3], f"cold-chain@1.{at}.0")
            for at in range(8)
        )
        verified = f"Verified by a record in the domain {namespace}.example."
        return NamespaceView(namespace, verified, NOW - 400 * DAY, keys, accounts, own, history, 31)

    def _check(self) -> None:
        if self.is_broken:
            raise StoreError("the secret database on host db7 is locked")


def rebuilds(measurement: Measurement) -> tuple[Rebuild, ...]:
    return (
        Rebuild("Initech rebuilds", digest("initech").hex(), measurement, NOW - DAY, 901),
        Rebuild("University of Nowhere", digest("nowhere").hex(), digest("other"), NOW - DAY, 902),
        Rebuild("Hooli", "", None),
        Rebuild("Soylent", digest("stolen").hex(), measurement, NOW - DAY, 903, is_stolen=True),
    )


def plain_data() -> Terms:
    return replace(FIRST, kind="data", capabilities=(), methods=(), dependencies=(), price=None, determinism="none")


def hostile_terms() -> Terms:
    schema: JsonObject = {
        "type": "<script>alert(2)</script>",
        "description": "</td></table><script>alert(3)</script>",
        "properties": {"\u202e<b>": {"$ref": "#/$defs/Loop"}, "y" * 2_000: {"enum": ["<i>"] * 99}},
        "$defs": {"Loop": {"type": "object", "properties": {"again": {"$ref": "#/$defs/Loop"}}}},
    }
    method = MethodTerms("<script>", "<img src=x>" * 3, schema, schema)
    return replace(FIRST, capabilities=("host:<script>", "z" * 500), licence="<b>", methods=(method,))


def pages_app(shelf: Shelf, site: str) -> Starlette:
    """Returns an application of the pages alone."""
    made = Pages(shelf, site)
    return Starlette(routes=made.routes(), exception_handlers={HTTPException: cast("Any", made.no_route)})
