"""``search``, ``info``, ``install``, and what ``verify`` does with a reference: an integrator's side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.common import AsJson, To, known, parse, reader_for, show, table

if TYPE_CHECKING:
    from registry.client.verify import Report

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="NAMESPACE/NAME or NAMESPACE/NAME@VERSION")]
LockFile = Annotated[Path, typer.Option("--lock", help="The lock file.")]
Rebuilds = Annotated[int, typer.Option("--rebuilds", help="How many independent rebuilds it takes.")]
DEFAULT_LOCK = Path("cryptlet.lock")
_WIDEST = 200


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...")],
    to: Annotated[str, typer.Option("--to", help="Name of one registry; by default all that are known.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find cryptlets by words of their names and descriptions. What is found is verified when it is installed."""
    from fabric.core.errors import NotFound
    from registry.client.api import Api
    from registry.client.transport import Web, open_location

    mine = known()
    rows: list[dict[str, object]] = []
    for name in [to] if to else sorted(mine.entries):
        web = open_location(mine.entry(name).url)
        if isinstance(web, Web):
            found = Api(web).search(" ".join(words)).get("results")
            rows += (
                [{"registry": name, **item} for item in found if isinstance(item, dict)]
                if isinstance(found, list)
                else []
            )
    if as_json:
        show({"results": rows}, as_json=True)
    elif rows:
        table([[str(row.get(key))[:_WIDEST] for key in ("ref", "state", "description")] for row in rows])
    else:
        raise NotFound(f"no cryptlet has all of these words: {' '.join(words)[:200]}; try fewer")


def info(ref: RefArgument, to: To = "", as_json: AsJson = False) -> None:
    """Show a verified release: what it is, what it asks for, who stands behind it."""
    from registry.cli.showing import describe

    wanted = parse(ref)
    reader = reader_for(wanted.namespace, to)
    found = reader.resolve(wanted.namespace, wanted.name, wanted.version)
    show(describe(found, reader.wheel(found)[1]), as_json=as_json)


def install(
    ref: RefArgument,
    lock: LockFile = DEFAULT_LOCK,
    rebuilds: Rebuilds = 0,
    accept_more: Annotated[
        bool, typer.Option("--accept-more", help="It may ask for more than the one in use.")
    ] = False,
    binding: Annotated[
        Path | None, typer.Option("--binding", help="Write a draft of a binding into this file.")
    ] = None,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Verify a release, fetch it, and pin it in the lock file. No code of it is run."""
    from registry.client.lock import load_lock
    from registry.client.verify import Demands, examine
    from registry.draft import check_free, write_draft

    wanted, pins = parse(ref), load_lock(lock)
    reader = reader_for(wanted.namespace, to)
    report = examine(reader, wanted, pins, Demands(rebuilds, accept_more=accept_more))
    if binding is not None:
        check_free(binding, report.bundle)
    pins.put(report.pin)
    if binding is not None:
        write_draft(binding, report.bundle)
    turn = report.found.listing.now
    if turn.reason:
        typer.echo(f"{report.pin.ref} is {turn.state}: {turn.reason}", err=True)
    show(_shown(report, lock), as_json=as_json)


def verify_reference(ref: str, *, lock: Path, rebuilds: int, as_json: bool) -> int:
    """Verifies a reference for ``cryptlet verify``; returns the exit code 0.

    Raises:
        VerificationError: names the step that failed.
        NotFound, StoreError, Malformed: as the reader.
    """
    from registry.client.lock import load_lock
    from registry.client.verify import Demands, verify

    wanted, pins = parse(ref), load_lock(lock)
    report = verify(reader_for(wanted.namespace), wanted, pins, Demands(rebuilds))
    show(_shown(report, lock), as_json=as_json)
    return 0


def _shown(report: "Report", lock: Path) -> dict[str, object]:
    from fabric.core.clock import utc_text

    found, standing = report.found, report.standing
    return {
        "ref": report.pin.ref,
        "measurement": report.pin.measurement.hex(),
        "publisher": found.listing.publication.signature.key.hex(),
        "log": f"{report.pin.origin}, entry {report.pin.position} of {found.checkpoint.size}",
        "standing": f"{standing.state}, until {utc_text(standing.expires)}",
        "rebuilds": list(found.book.rebuilders(found.listing)),
        "asks for more": list(report.asks_for_more),
        "lock": str(lock),
    }


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="NAMESPACE/NAME@VERSION")],
    after: Annotated[str, typer.Argument(metavar="B", help="NAMESPACE/NAME@VERSION, or a version of the same.")],
    to: To = "",
    as_json: AsJson = False,
) -> int:
    """Compare two verified releases: what the later asks for, costs and breaks. Exit code 3: somebody must agree."""
    from dataclasses import asdict

    from registry.compare import compare
    from registry.terms import terms_of_bundle

    full = after if "/" in after else f"{before.partition('@')[0]}@{after}"
    found = []
    for ref in (parse(before, needs_version=True), parse(full, needs_version=True)):
        reader = reader_for(ref.namespace, to)
        found.append(terms_of_bundle(reader.wheel(reader.resolve(ref.namespace, ref.name, ref.version))[1]))
    changes = compare(*found)
    if as_json:
        show({"changes": [{**asdict(item), "must_agree": item.is_alarming} for item in changes]}, as_json=True)
    elif changes:
        table([[item.effect, item.part, item.subject[:_WIDEST], _step(item.before, item.after)] for item in changes])
    else:
        typer.echo("capabilities, hardware, price, methods, licence and dependencies are the same; the code may differ")
    return 3 if any(item.is_alarming for item in changes) else 0


def _step(before: str | None, after: str | None) -> str:
    return f"{str(before or 'not there')[:_WIDEST]} -> {str(after or 'gone')[:_WIDEST]}"
