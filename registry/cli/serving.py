"""``registry``: an operator's commands, and those by which a user trusts a registry."""

from pathlib import Path
from typing import Annotated

import typer

from registry.cli.common import AsJson, known, show, table

app = typer.Typer(
    name="registry", no_args_is_help=True, add_completion=False, help="Run a registry, trust one, mirror or audit it."
)
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The registry's folder.")]
Ceremony = Annotated[Path, typer.Option("--ceremony", help="Folder of the offline keys; keep it off the server.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name by which the registry is known here.")]
Database = Annotated[
    str,
    typer.Option(
        "--database", envvar="CRYPTLET_MARKET_DATABASE", help="postgresql:// URL; by default a file in the folder."
    ),
]
DEFAULT_CEREMONY = Path("ceremony")


@app.command("init")
def init(
    folder: Folder,
    origin: Annotated[str, typer.Option("--origin", help="Name of its log, such as registry.example.org/acme.")],
    ceremony: Ceremony = DEFAULT_CEREMONY,
    keys: Annotated[int, typer.Option("--keys", help="How many keys each offline role has.")] = 2,
    threshold: Annotated[int, typer.Option("--threshold", help="How many of them must sign.")] = 1,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Found a registry: its keys, its log's first entry, its first metadata."""
    import asyncio

    from fabric.core.clock import SystemClock
    from registry.house.founding import ROOT_FILE, Plan, found

    pins = asyncio.run(found(Plan(folder, ceremony, origin, keys, threshold, database), SystemClock()))
    root = ceremony / ROOT_FILE
    show(
        {"origin": pins.origin, "folder": str(folder), "root": str(root), "genesis": pins.genesis.hex()},
        as_json=as_json,
    )
    typer.echo(f"take {ceremony} off this machine; give {root} to users by another way than the registry", err=True)


@app.command("serve")
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", envvar="CRYPTLET_MARKET_PORT", help="Port; 0 takes a free one.")
    ] = 8650,
    database: Database = "",
    lifetime: Annotated[
        int, typer.Option("--lifetime", help="For how many seconds readers trust what is signed.")
    ] = 3_600,
    fabric: Annotated[
        Path, typer.Option("--anchor-state", help="State folder of a fabric that anchors the log's checkpoints.")
    ] = Path(".state"),
    anchor_binding: Annotated[
        str, typer.Option("--anchor-binding", help="Its binding of the fingerprint cryptlet; empty anchors nothing.")
    ] = "",
    anchor_seconds: Annotated[int, typer.Option("--anchor-seconds", help="How often.")] = 600,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Count records as usage whose proofs hold under this policy.")
    ] = None,
    per_minute: Annotated[
        int, typer.Option("--uploads-per-minute", min=0, help="Of one address; 0 bounds them not. Reads have no bound.")
    ] = 120,
    at_once: Annotated[
        int, typer.Option("--uploads-at-once", min=1, help="Of all addresses; one has a quarter of the places.")
    ] = 16,
    proxy: Annotated[
        str,
        typer.Option("--proxy", help="Address of the proxy whose X-Forwarded-For counts; by default nobody's."),
    ] = "",
) -> None:
    """Serve a registry: static files, API and pages; renew what expires."""
    from fabric.gateway.logs import log_to_stderr
    from registry.server.limits import Limits
    from registry.server.run import Anchoring, Serving, run

    log_to_stderr()
    anchoring = Anchoring(fabric, anchor_binding, anchor_seconds)
    limits = Limits(per_minute=per_minute, at_once=at_once, at_once_each=-(-at_once // 4))
    run(Serving(folder, (host, port), database, lifetime, anchoring, policy, limits, proxy))


@app.command("trust")
def trust(
    name: Name,
    url: Annotated[str, typer.Argument(help="Its address, or the folder of a mirror.")],
    root: Annotated[Path, typer.Option("--root", help="Its root metadata, got from its operator.")],
    namespace: Annotated[
        list[str], typer.Option("--namespace", help="It answers for this one; by default for all.")
    ] = [],  # noqa: B006 - typer makes its own
) -> None:
    """Trust a registry by its root metadata."""
    from registry.client.known import ANY, Entry, read_root

    known().trust(name, Entry(url=url, namespaces=tuple(namespace) or (ANY,)), read_root(root))
    typer.echo(f"{name} is trusted at {url}")


@app.command("pin")
def pin(name: Name, namespaces: Annotated[list[str], typer.Argument(metavar="NAMESPACE...")]) -> None:
    """Have one registry alone answer for a namespace."""
    known().pin(name, tuple(namespaces))
    typer.echo(f"{', '.join(namespaces)}: asked of {name} alone")


@app.command("forget")
def forget(name: Name) -> None:
    """Trust a registry no more."""
    known().forget(name)
    typer.echo(f"{name} is trusted no more")


@app.command("list")
def list_known(as_json: AsJson = False) -> None:
    """List the registries that are trusted."""
    entries = known().entries
    if as_json:
        show({name: entry.model_dump() for name, entry in entries.items()}, as_json=True)
    elif entries:
        table([[name, entry.url, ", ".join(entry.namespaces)] for name, entry in sorted(entries.items())])
    else:
        typer.echo("no registry is trusted yet: cryptlet registry trust NAME URL --root FILE", err=True)


@app.command("pending")
def pending(name: Name, as_json: AsJson = False) -> None:
    """List what waits at a registry for a signature."""
    from registry.cli.operating import list_pending

    list_pending(name, as_json=as_json)


@app.command("approve")
def approve(
    name: Name,
    claim: Annotated[
        str, typer.Argument(metavar="CLAIM", help="The namespace; where several claim it, the entry, 64 digits.")
    ],
    ceremony: Ceremony = DEFAULT_CEREMONY,
    as_json: AsJson = False,
) -> None:
    """Approve a claim of a namespace with the authorities' keys, after you made sure who claims it."""
    from registry.cli.operating import approve_claim

    approve_claim(name, claim, ceremony, as_json=as_json)


@app.command("drop")
def drop(
    name: Name,
    digests: Annotated[list[str], typer.Argument(metavar="ENTRY...", help="What waits, 64 hexadecimal digits each.")],
    ceremony: Ceremony = DEFAULT_CEREMONY,
) -> None:
    """Have what waits forgotten, such as claims by which somebody takes the places of others."""
    from registry.cli.operating import drop_pending

    drop_pending(name, digests, ceremony)


@app.command("moderate")
def moderate(
    name: Name,
    ref: Annotated[str, typer.Argument(metavar="REF", help="NAMESPACE/NAME@VERSION")],
    state: Annotated[str, typer.Argument(metavar="STATE", help="quarantined, active, or revoked")],
    reason: Annotated[str, typer.Option("--reason", help="Why; empty for active.")] = "",
    ceremony: Ceremony = DEFAULT_CEREMONY,
    as_json: AsJson = False,
) -> None:
    """Put a release into quarantine, take it out, or revoke it, with the authorities' keys."""
    from registry.cli.operating import moderate_release

    moderate_release(name, ref, (state, reason), ceremony, as_json=as_json)


@app.command("mirror")
def mirror(name: Name, folder: Annotated[Path, typer.Argument(help="The copy's folder.")]) -> None:
    """Audit a registry and copy it into a plain folder that any web server can hand out."""
    from registry.cli.operating import mirror_registry

    mirror_registry(name, folder)


@app.command("audit")
def audit(
    name: Name,
    against: Annotated[
        list[str], typer.Option("--against", help="Another source of the same log: a URL or a folder.")
    ] = [],  # noqa: B006 - typer makes its own
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Checks anchored checkpoints under this policy.")
    ] = None,
) -> None:
    """Read a registry's whole log again, hold it against its rules and records, and against other sources."""
    from registry.cli.operating import audit_registry

    audit_registry(name, against, policy)


@app.command("rotate")
def rotate(
    folder: Folder,
    what: Annotated[str, typer.Argument(help="online, or root")] = "online",
    ceremony: Ceremony = DEFAULT_CEREMONY,
    new: Annotated[Path, typer.Option("--new", help="Folder for the new offline keys, of root.")] = Path(
        "ceremony-new"
    ),
    threshold: Annotated[int, typer.Option("--threshold", help="How many offline keys must sign.")] = 1,
) -> None:
    """Replace the online keys, or the offline ones. Stop the server first; it signs everything anew when it starts."""
    from registry.cli.operating import rotate_keys

    rotate_keys(folder, what, (ceremony, new), threshold)


@app.command("restore")
def restore(
    folder: Folder,
    source: Annotated[str, typer.Option("--from", help="A mirror's folder or URL, or the public folder itself.")],
    database: Database = "",
) -> None:
    """Write a registry's lost database again from its published log; the online keys must be there."""
    from registry.cli.operating import restore_database

    restore_database(folder, source, database)
