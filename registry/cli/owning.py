"""``namespace``, ``owner``, ``promote``: who publishes under which name."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from registry.cli.common import DEFAULT_KEY, AsJson, KeyFile, To, api_for, open_own_key, show, told

namespaces = typer.Typer(
    name="namespace", no_args_is_help=True, add_completion=False, help="Claim a namespace; see whose it is."
)
owners = typer.Typer(name="owner", no_args_is_help=True, add_completion=False, help="Change who owns a namespace.")
Namespace = Annotated[str, typer.Argument(metavar="NAMESPACE")]
NewKeys = Annotated[
    list[str], typer.Argument(metavar="KEY...", help="Ed25519 public keys, 64 hexadecimal digits each.")
]
Threshold = Annotated[int, typer.Option("--threshold", help="How many owners a release takes; 0 leaves it as it is.")]


@namespaces.command("claim")
def claim(
    namespace: Namespace,
    key: KeyFile = DEFAULT_KEY,
    owner: Annotated[list[str], typer.Option("--owner", help="Public key of another owner.")] = [],  # noqa: B006 - typer makes its own
    threshold: Annotated[int, typer.Option("--threshold", help="How many owners a release takes.")] = 1,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Claim a namespace; the registry's operators approve it, once and for ever."""
    from registry.book.bodies import Claim, Owners
    from registry.publish import open_publisher
    from registry.tuf.keys import Key

    api = api_for(namespace, to)
    publisher = open_publisher(key)
    if publisher.is_new:
        typer.echo(f"made a new publisher key in {key}; keep it, only its owner can publish as you", err=True)
    body = Claim(Owners(tuple(sorted({publisher.identity, *map(_key, owner)})), threshold))
    outcome = api.submit(api.make(namespace, body, [Key(publisher.key)]))
    told(outcome, as_json=as_json, done="claimed", namespace=namespace, key=publisher.identity.hex())


@namespaces.command("show")
def show_namespace(namespace: Namespace, to: To = "", as_json: AsJson = False) -> None:
    """Show who owns a namespace, as its registry says."""
    found, sequence = api_for(namespace, to).namespace(namespace)
    values: dict[str, object] = {"namespace": namespace, "owners": [key.hex() for key in found.keys]}
    values |= {"threshold": found.threshold, "entries": sequence, "issuers": [item.url for item in found.issuers]}
    show(values, as_json=as_json)


@owners.command("add")
def add(
    namespace: Namespace,
    keys: NewKeys,
    key: KeyFile = DEFAULT_KEY,
    threshold: Threshold = 0,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Add owners. The change waits where more signatures are needed."""
    _change(namespace, lambda old: old | set(map(_key, keys)), (key, threshold, to), as_json=as_json)


@owners.command("remove")
def remove(
    namespace: Namespace,
    keys: NewKeys,
    key: KeyFile = DEFAULT_KEY,
    threshold: Threshold = 0,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Remove owners. For a key that is in wrong hands use `owner lost`, which says since when."""
    _change(namespace, lambda old: old - set(map(_key, keys)), (key, threshold, to), as_json=as_json)


@owners.command("transfer")
def transfer(
    namespace: Namespace,
    keys: NewKeys,
    key: KeyFile = DEFAULT_KEY,
    threshold: Threshold = 0,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Give a namespace to other owners, who sign with `cryptlet promote`."""
    _change(namespace, lambda _: set(map(_key, keys)), (key, threshold, to), as_json=as_json)


@owners.command("lost")
def lost(
    namespace: Namespace,
    lost_key: Annotated[str, typer.Argument(metavar="KEY", help="The key that is in wrong hands.")],
    since: Annotated[int, typer.Option("--since", help="Since when, Unix seconds: what it signed later is revoked.")],
    key: KeyFile = DEFAULT_KEY,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Say that a key is in wrong hands: it owns nothing more, and what was logged under it since is revoked."""
    from registry.book.bodies import Compromise

    api = api_for(namespace, to)
    outcome = api.submit(api.make(namespace, Compromise(_key(lost_key), since), [open_own_key(key)]))
    told(outcome, as_json=as_json, done="taken away", namespace=namespace, key=lost_key)


@owners.command("trust")
def trust(
    namespace: Namespace,
    issuer: Annotated[str, typer.Option("--issuer", help="URL of the OIDC issuer.")],
    audience: Annotated[str, typer.Option("--audience", help="What its tokens must be meant for.")],
    claim_values: Annotated[list[str], typer.Option("--claim", help="NAME=VALUE that a token must carry.")],
    key: KeyFile = DEFAULT_KEY,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Let an OIDC issuer's tokens stage releases; an owner still promotes each one."""
    from dataclasses import replace

    from fabric.core.errors import Malformed
    from registry.book.bodies import Issuer

    pairs = [text.partition("=") for text in claim_values]
    if not all(name and equals for name, equals, _ in pairs):
        raise Malformed("--claim", "expected NAME=VALUE, such as repository=acme/cold-chain")
    api = api_for(namespace, to)
    present, _ = api.namespace(namespace)
    trusted = Issuer(issuer, audience, {name: value for name, _, value in pairs})
    body = replace(present, issuers=(*(item for item in present.issuers if item.url != issuer), trusted))
    told(api.submit(api.make(namespace, body, [open_own_key(key)])), as_json=as_json, done="trusted", issuer=issuer)


@owners.command("link")
def link(
    namespace: Namespace,
    account: Annotated[
        str, typer.Option("--account", help="CAIP-10: eip155:CHAIN:0xADDRESS, cryptlet:HALF:KEY, or hlfabric:HALF.")
    ],
    account_key: Annotated[
        Path, typer.Option("--account-key", help="The account's key file: hexadecimal or PEM; of hlfabric, PEM.")
    ],
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Of hlfabric: the client's certificate, PEM.")
    ] = None,
    msp: Annotated[str, typer.Option("--msp", help="Of hlfabric: id of the client's MSP.")] = "",
    key: KeyFile = DEFAULT_KEY,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Have your key and a ledger account sign each other, for everybody to see."""
    from registry.book.bodies import Link
    from registry.cli.linking import Holder, sign_account

    api, own = api_for(namespace, to), open_own_key(key)
    link = sign_account(Holder(account, account_key, certificate, msp), own.public, (api.origin(), namespace))
    outcome = api.submit(api.make(namespace, Link(link.to_json()), [own]))
    told(outcome, as_json=as_json, done="linked", namespace=namespace, account=link.account)


def promote(
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="The entry that waits, 64 hexadecimal digits.")],
    key: KeyFile = DEFAULT_KEY,
    wheel: Annotated[Path | None, typer.Option("--wheel", help="Your own build, which must be the same file.")] = None,
    to: Annotated[str, typer.Option("--to", help="Name of the registry, where several are known.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking; what is signed is shown before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign what waits for a second key: a staged release, a transfer. It is measured again, and shown, before."""
    from registry.cli.looking import agree, look_at_entry, look_at_staged

    api, own = api_for("", to or _only()), open_own_key(key)
    staged = api.staged(entry)
    look = (
        look_at_staged(api, entry, staged, own, wheel) if staged else look_at_entry(api, api.waiting(entry), own, wheel)
    )
    agree(look.shown, is_agreed=yes)
    outcome = look.bring()
    told(outcome, as_json=as_json, done=look.done, **look.shown)


def _only() -> str:
    from fabric.core.errors import Refused
    from registry.cli.common import known

    names = sorted(known().entries)
    if len(names) != 1:
        raise Refused(f"name the registry with --to: {', '.join(names) or 'none is known'}")
    return names[0]


def _change(
    namespace: str, alter: Callable[[set[bytes]], set[bytes]], how: tuple[Path, int, str], *, as_json: bool
) -> None:
    from registry.book.bodies import Owners

    key, threshold, to = how
    api = api_for(namespace, to)
    present, _ = api.namespace(namespace)
    keys = tuple(sorted(alter(set(present.keys))))
    body = Owners(keys, threshold or min(present.threshold, len(keys)), present.issuers)
    outcome = api.submit(api.make(namespace, body, [open_own_key(key)]))
    told(outcome, as_json=as_json, done="changed", namespace=namespace, owners=[item.hex() for item in keys])


def _key(text: str) -> bytes:
    from fabric.trust.fields import read_hex

    return read_hex(text, "key", 32)
