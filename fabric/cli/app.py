"""The tree of commands: our own, and those that plug-ins of ``cryptlet.commands`` bring."""

from typing import Annotated

import typer

import fabric
from fabric.cli import author, calls, channel, completion, devnet, ledger, node, relay, run, service, status, verify
from fabric.cli.demo import command as demo
from fabric.cli.doctor import command as doctor
from fabric.core import plugins
from fabric.core.errors import PluginError


def build_app() -> typer.Typer:
    """Returns the command line application."""
    app = typer.Typer(
        name="cryptlet",
        help="Off-chain compute that anyone can check, for any ledger.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich costs 250 ms at each start
    )
    app.callback()(_root)
    app.command()(author.new)
    app.command("test")(author.run_tests)
    app.command()(run.run)
    for name in plugins.names(plugins.COMMANDS):
        _mount(app, plugins.load(plugins.COMMANDS, name), name)
    app.command()(service.up)
    app.command()(status.status)
    app.command()(doctor.doctor)
    app.add_typer(node.app, name="node")
    app.command()(calls.bind)
    app.command()(calls.invoke)
    app.command()(calls.result)
    app.command()(verify.verify)
    app.add_typer(ledger.app)
    app.command()(demo.demo)
    app.command()(completion.completion)
    app.add_typer(devnet.app, name="devnet")
    app.add_typer(relay.app, name="relay")
    app.add_typer(channel.app, name="channel")
    app.add_typer(channel.messages, name="message")
    return app


def _mount(app: typer.Typer, plugin: object, name: str) -> None:
    if not isinstance(plugin, typer.Typer):
        raise PluginError(f"plug-in {name!r} of {plugins.COMMANDS} is no typer application")
    app.registered_commands.extend(plugin.registered_commands)
    app.registered_groups.extend(plugin.registered_groups)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"cryptlet {fabric.__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Off-chain compute that anyone can check, for any ledger."""
