"""Lint of a project folder, a wheel file or a bundle: what its code uses against what its manifest asks for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fabric.bundles.build import read_sources
from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lint import Finding, Severity, lint
from fabric.bundles.lock import FOLDER, check_contents, import_names, take_wheels
from fabric.bundles.manifest import TOML_NAME, Project, parse_project
from fabric.core.errors import NotFound, Refused
from registry.beside import wheels_beside


def lint_path(path: Path) -> tuple[Finding, ...]:
    """Returns the findings of a project folder or of a wheel file; the class is not imported.

    Raises:
        NotFound: there is no such folder or file.
        Malformed: no manifest, or no bundle, or a dependency that is not the locked one.
        AuthorError: the folder is no project.
    """
    if path.is_dir():
        sources = read_sources(path)
        toml = sources.pop(TOML_NAME)
        modules = {str(path / name): content for name, content in sources.items() if name.endswith(".py")}
        project = parse_project(toml)
        wheels = [content for name, content in sources.items() if name.startswith(f"{FOLDER}/")]
        found = lint(modules, project, toml, _brought(project, wheels))
        return tuple(replace(one, file=str(path / TOML_NAME)) if one.file == TOML_NAME else one for one in found)
    try:
        wheel = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror or error}; name a project folder or a wheel file") from error
    bundle = read_bundle(wheel)
    return lint_bundle(bundle, tuple(wheels_beside(path, bundle).values()))


def lint_bundle(bundle: Bundle, wheels: Sequence[bytes] | None = None) -> tuple[Finding, ...]:
    """Returns the findings of a bundle, with places in its wheel.

    Args:
        bundle: the bundle.
        wheels: those of its dependencies; without them, what is imported from one cannot be told from what is missing.

    Raises:
        Malformed: the wheels are not those that it locks.
    """
    project = bundle.manifest.project
    known = wheels is not None or not project.dependencies
    return lint(bundle.modules, project, bundle.toml, _brought(project, wheels or ()) if known else None)


def _brought(project: Project, wheels: Sequence[bytes]) -> frozenset[str]:
    taken = take_wheels(project.dependencies, wheels, project.source.package)
    check_contents(project.dependencies, taken)
    return frozenset().union(*(import_names(wheel, name) for name, wheel in taken.items()))


def errors_of(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Returns those that keep a bundle from being published."""
    return tuple(one for one in findings if one.severity is Severity.ERROR)


def refuse_errors(bundle: Bundle, wheels: Sequence[bytes] | None = None) -> None:
    """Holds a bundle against the lint before it is published; the arguments are those of ``lint_bundle``.

    Raises:
        Refused: there are errors; names the first of them, and how many there are.
    """
    errors = errors_of(lint_bundle(bundle, wheels))
    if errors:
        more = f" (and {len(errors) - 1} more; `cryptlet lint` shows all)" if len(errors) > 1 else ""
        raise Refused(f"{bundle.manifest.title} is not published with errors of the lint: {errors[0]}{more}")
