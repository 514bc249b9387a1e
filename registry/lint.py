"""Lint of a project folder, a wheel file or a bundle: what its code uses against what its manifest asks for."""

from dataclasses import replace
from pathlib import Path

from fabric.bundles.build import read_sources
from fabric.bundles.bundle import Bundle, read_bundle
from fabric.bundles.lint import Finding, Severity, lint
from fabric.bundles.manifest import TOML_NAME, parse_project
from fabric.core.errors import NotFound, Refused


def lint_path(path: Path) -> tuple[Finding, ...]:
    """Returns the findings of a project folder or of a wheel file; the class is not imported.

    Raises:
        NotFound: there is no such folder or file.
        Malformed: no manifest, or no bundle.
        AuthorError: the folder is no project.
    """
    if path.is_dir():
        sources = read_sources(path)
        toml = sources.pop(TOML_NAME)
        modules = {str(path / name): content for name, content in sources.items() if name.endswith(".py")}
        found = lint(modules, parse_project(toml), toml)
        return tuple(replace(one, file=str(path / TOML_NAME)) if one.file == TOML_NAME else one for one in found)
    try:
        wheel = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror or error}; name a project folder or a wheel file") from error
    return lint_bundle(read_bundle(wheel))


def lint_bundle(bundle: Bundle) -> tuple[Finding, ...]:
    """Returns the findings of a bundle, with places in its wheel."""
    return lint(bundle.modules, bundle.manifest.project, bundle.toml)


def errors_of(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Returns those that keep a bundle from being published."""
    return tuple(one for one in findings if one.severity is Severity.ERROR)


def refuse_errors(bundle: Bundle) -> None:
    """Holds a bundle against the lint before it is published.

    Raises:
        Refused: there are errors; names the first of them, and how many there are.
    """
    errors = errors_of(lint_bundle(bundle))
    if errors:
        more = f" (and {len(errors) - 1} more; `cryptlet lint` shows all)" if len(errors) > 1 else ""
        raise Refused(f"{bundle.manifest.title} is not published with errors of the lint: {errors[0]}{more}")
