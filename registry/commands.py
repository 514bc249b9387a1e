"""The commands ``build`` and ``publish``; the command-line tool mounts them by entry point.

Data goes to stdout, talk to stderr; errors are raised and shown by the tool's top level.
"""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def build(
    folder: Annotated[Path, typer.Argument(help="Project folder with its cryptlet.toml.")] = Path(),
    out: Annotated[Path, typer.Option("--out", help="Folder for the wheel; made when missing.")] = Path("dist"),
    verify: Annotated[
        bool, typer.Option("--verify", help="Build it again in a clean place, and refuse one that differs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build the bundle of a cryptlet: a reproducible wheel, and its measurement; or the document of a data service.

    It imports the class on this machine, outside of the sandbox: build sources that you would run. `run` and `rebuild`
    import it in the sandbox.
    """
    from fabric.bundles.build import build as build_bundle
    from fabric.bundles.rebuild import check_reproducible
    from registry.data_service import is_data_service

    if is_data_service(folder):
        _build_data(folder, out, as_json=as_json)
        return
    built = build_bundle(folder)
    if verify:
        check_reproducible(built, folder)  # before anything is written: a wheel that is there can be published
    for name, wheel in built.dependencies.items():
        _write(out / name, wheel)
    target = _write(out / built.filename, built.wheel)
    manifest = built.bundle.manifest
    identity = manifest.project.cryptlet
    _show(
        {
            "wheel": str(target),
            "name": identity.name,
            "version": identity.version,
            "kind": identity.kind,
            "methods": sorted(manifest.methods),
            "sha256": built.bundle.wheel_digest.hex(),
            "measurement": built.bundle.measurement.hex(),
            **({"rebuilt": "the same bytes in a clean place"} if verify else {}),
        },
        as_json=as_json,
    )


@app.command()
def lint(
    path: Annotated[Path, typer.Argument(metavar="[FOLDER|WHEEL]", help="Project folder, or a wheel file.")] = Path(),
    as_json: Json = False,
) -> None:
    """Compare what the code of a cryptlet uses with what its manifest asks for; exit code 1 on an error."""
    from registry.lint import errors_of, lint_path

    findings = lint_path(path)
    errors = len(errors_of(findings))
    counts: dict[str, object] = {"errors": errors, "warnings": len(findings) - errors}
    if as_json:
        from dataclasses import asdict

        _show({"findings": [asdict(one) for one in findings], **counts}, as_json=True)
    else:
        for one in findings:
            typer.echo(one)
        typer.echo(", ".join(f"{number} {name}" for name, number in counts.items()), err=True)
    if errors:
        raise typer.Exit(1)


@app.command()
def publish(
    wheel: Annotated[Path, typer.Argument(help="Wheel file that `cryptlet build` made.")],
    registry: Annotated[Path, typer.Option("--registry", help="Folder of the registry; made when missing.")] = Path(
        ".state/registry"
    ),
    key: Annotated[Path, typer.Option("--key", help="The publisher's Ed25519 key file; made when missing.")] = Path(
        "publisher.key"
    ),
    binding: Annotated[
        Path | None, typer.Option("--binding", help="Write a draft of a binding into this file, for `cryptlet bind`.")
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", help="Publish to a served registry, under this one.")] = "",
    stage: Annotated[bool, typer.Option("--stage", help="Have it wait for a second key: `cryptlet promote`.")] = False,
    to: Annotated[str, typer.Option("--to", help="Name of the served registry, where several are known.")] = "",
    oidc: Annotated[
        Path | None, typer.Option("--oidc", help="File with an OIDC token: stages the wheel for an owner's key.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sign a bundle with the publisher's key and publish it: to a folder, or under a namespace of a served registry."""
    if namespace:
        from registry.cli.releasing import publish_served, stage_by_token

        if oidc is not None:
            stage_by_token(wheel, namespace, oidc, to, as_json=as_json)
            return

        publish_served(wheel, namespace, key, (to, stage), as_json=as_json)
        return
    _publish_folder(wheel, registry, (key, binding), as_json=as_json)


def _publish_folder(wheel: Path, registry: Path, how: tuple[Path, Path | None], *, as_json: bool) -> None:
    from fabric.bundles.bundle import read_bundle
    from fabric.core.errors import Malformed, NotFound
    from registry.beside import wheels_beside
    from registry.draft import check_free, write_draft
    from registry.folder import FolderRegistry
    from registry.publish import open_publisher
    from registry.publish import publish as publish_bundle

    key, binding = how
    try:
        data = wheel.read_bytes()
    except OSError as error:
        raise NotFound(f"{wheel}: {error.strerror or error}; `cryptlet build FOLDER` makes a wheel") from error
    try:
        bundle = read_bundle(data)  # before a key is made for nothing
    except Malformed as error:
        raise Malformed(str(wheel), f"no bundle as `cryptlet build` makes it: {error}") from error
    if binding is not None:
        check_free(binding, bundle)
    dependencies = tuple(wheels_beside(wheel, bundle).values())
    publisher = open_publisher(key)
    if publisher.is_new:
        typer.echo(f"made a new publisher key in {key}; keep it, only its owner can publish as you", err=True)
    measurement, publication = publish_bundle(data, FolderRegistry(registry), publisher, dependencies)
    if binding is not None:
        write_draft(binding, bundle)
    _show(
        {
            "name": publication.name,
            "version": publication.version,
            "kind": publication.kind,
            "measurement": measurement.hex(),
            "publisher": publisher.identity.hex(),
            "registry": str(registry),
            **({} if binding is None else {"binding": str(binding)}),
        },
        as_json=as_json,
    )


def _build_data(folder: Path, out: Path, *, as_json: bool) -> None:
    """Builds what has no class: every file of it is data, so that building it again gives the same by itself."""
    from registry.data_service import build_data_service

    service = build_data_service(folder)
    target = _write(out / service.filename, service.document)
    _show(
        {
            "document": str(target),
            "name": service.name,
            "version": service.version,
            "kind": "data",
            "freshness_seconds": service.freshness_seconds,
            "measurement": service.measurement.hex(),
        },
        as_json=as_json,
    )


def _write(target: Path, data: bytes) -> Path:
    from fabric.core.errors import StoreError

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror or error}") from error
    return target


def _show(values: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(values))
        return
    width = max(map(len, values))
    for name, value in values.items():
        typer.echo(f"{name:<{width}}  {', '.join(value) if isinstance(value, list) else value}")
