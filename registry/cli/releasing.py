"""``publish --namespace``, ``deprecate``, ``yank``, ``restore``, ``revoke``, ``rebuild``: an author's releases."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli.common import DEFAULT_KEY, AsJson, KeyFile, To, api_for, open_own_key, parse, reader_for, told

if TYPE_CHECKING:
    from fabric.core.ids import Measurement

RefArgument = Annotated[str, typer.Argument(metavar="REF", help="NAMESPACE/NAME@VERSION")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for people; at most 200 characters.")]


def publish_served(wheel: Path, namespace: str, key: Path, how: tuple[str, bool], *, as_json: bool) -> None:
    """Publishes a wheel to a served registry.

    Args:
        wheel: the file.
        namespace: under which.
        key: the publisher's key file.
        how: name of the registry, or empty; and whether it is staged for a second key.
        as_json: whether one JSON object is printed.
    """
    from fabric.bundles.bundle import read_bundle
    from fabric.core.errors import Refused
    from registry.beside import wheels_beside
    from registry.book.bodies import Release
    from registry.cli.files import read_wheel
    from registry.home import check_home
    from registry.lint import errors_of, lint_path
    from registry.publish import Publisher, sign_publication

    to, staged = how
    data = read_wheel(wheel)
    if wheel.name.endswith(".data.json"):
        _list_service(data, namespace, key, to, as_json=as_json)
        return
    bundle = read_bundle(data)
    check_home(bundle, namespace)
    errors = errors_of(lint_path(wheel))
    if errors:
        raise Refused(f"{wheel}: {errors[0]} ({len(errors)} in all): `cryptlet lint {wheel}` shows what to do")
    own = open_own_key(key)
    body = Release(sign_publication(bundle, Publisher(own.private)), len(data), staged)
    api = api_for(namespace, to)
    outcome = api.enter(namespace, body, [own], data, *wheels_beside(wheel, bundle).values())
    ref = f"{namespace}/{bundle.manifest.title}"
    told(outcome, as_json=as_json, done="published", ref=ref, measurement=bundle.measurement.hex())


def _list_service(data: bytes, namespace: str, key: Path, to: str, *, as_json: bool) -> None:
    """Lists a data service beside the code."""
    from fabric.core import canonical
    from registry.book.bodies import Service
    from registry.data_service import read_data_service

    service = read_data_service(data)
    api = api_for(namespace, to)
    body = Service(service.name, service.version, canonical.decode_object(data))
    outcome = api.enter(namespace, body, [open_own_key(key)])
    told(outcome, as_json=as_json, done="listed", ref=f"{namespace}/{service.title}")


def stage_by_token(wheel: Path, namespace: str, token: Path, to: str, *, as_json: bool) -> None:
    """Brings a wheel with an OIDC token; an owner signs it by ``cryptlet promote``."""
    from fabric.core.errors import NotFound
    from registry.cli.common import show
    from registry.cli.files import read_wheel

    try:
        text = token.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"{token}: no token can be read: {error}") from error
    told = api_for(namespace, to).stage(namespace, text, read_wheel(wheel))
    show({name: told.get(name) for name in ("ref", "measurement", "digest")}, as_json=as_json)
    typer.echo(f"an owner signs it by: cryptlet promote {told.get('digest')} --key FILE", err=True)


def deprecate(
    ref: RefArgument, reason: Reason, key: KeyFile = DEFAULT_KEY, to: To = "", as_json: AsJson = False
) -> None:
    """Tell whoever binds a release to choose another."""
    change(ref, "deprecated", reason, [key], to, as_json=as_json)


def yank(ref: RefArgument, reason: Reason, key: KeyFile = DEFAULT_KEY, to: To = "", as_json: AsJson = False) -> None:
    """Let nobody bind a release anew; bindings that are there go on."""
    change(ref, "yanked", reason, [key], to, as_json=as_json)


def restore(ref: RefArgument, key: KeyFile = DEFAULT_KEY, to: To = "", as_json: AsJson = False) -> None:
    """Take back that a release was deprecated or yanked."""
    change(ref, "active", "", [key], to, as_json=as_json)


def revoke(ref: RefArgument, reason: Reason, key: KeyFile = DEFAULT_KEY, to: To = "", as_json: AsJson = False) -> None:
    """End a release everywhere, for good: nothing starts, what runs ends, no later result counts."""
    change(ref, "revoked", reason, [key], to, as_json=as_json)


def rebuild(
    ref: RefArgument,
    namespace: Annotated[str, typer.Option("--as", help="Your own namespace, which vouches for the result.")],
    folder: Annotated[Path, typer.Option("--from", help="The sources: a project folder with its cryptlet.toml.")],
    key: KeyFile = DEFAULT_KEY,
    to: To = "",
    as_json: AsJson = False,
) -> None:
    """Build a release again from its sources, in the sandbox, and vouch for it in the log if the bytes are the same."""
    import asyncio

    from fabric.core.errors import Refused
    from registry.book.bodies import Rebuild

    wanted = parse(ref, needs_version=True)
    found = reader_for(wanted.namespace, to).resolve(wanted.namespace, wanted.name, wanted.version)
    made = asyncio.run(_measured(folder))
    if made != found.listing.measurement:
        shown = found.listing.measurement.hex()
        raise Refused(f"{folder} builds to {made.hex()}, {ref} is {shown}: other sources, or another builder's version")
    api = api_for(namespace, to)
    outcome = api.submit(api.make(namespace, Rebuild(made), [open_own_key(key)]))
    told(outcome, as_json=as_json, done="vouched for", ref=ref, measurement=made.hex())


async def _measured(folder: Path) -> "Measurement":
    """Returns what sources of others build to; their code runs in a container alone, never beside the owner's key."""
    from fabric.cli.workshop import open_workshop
    from fabric.core.clock import SystemClock

    async with open_workshop(SystemClock()) as workshop:
        return (await workshop.build(folder)).bundle.measurement


def change(ref: str, state: str, reason: str, keys: list[Path], to: str, *, as_json: bool) -> None:
    """Changes the state of a release; raises what the registry refuses with."""
    from fabric.trust.standing import State
    from registry.book.bodies import Change

    wanted = parse(ref, needs_version=True)
    found = reader_for(wanted.namespace, to).resolve(wanted.namespace, wanted.name, wanted.version)
    api = api_for(wanted.namespace, to)
    body = Change(found.listing.measurement, State(state), reason)
    outcome = api.submit(api.make(wanted.namespace, body, [open_own_key(key) for key in keys]))
    told(outcome, as_json=as_json, done=state, ref=ref, measurement=found.listing.measurement.hex())
