"""The marketplace's commands, for ``cryptlet.commands``."""

import typer

from registry.cli import headers, owning, releasing, serving, using

app = typer.Typer(add_completion=False, no_args_is_help=True)
for command in (
    owning.promote,
    releasing.deprecate,
    releasing.yank,
    releasing.restore,
    releasing.revoke,
    releasing.rebuild,
    using.search,
    using.info,
    using.install,
    using.diff,
    headers.header,
):
    app.command()(command)
for group in (owning.namespaces, owning.owners, serving.app):
    app.add_typer(group)
