"""``cryptlet completion``: the script by which a shell completes commands and options."""

import os
from enum import StrEnum
from typing import Annotated, Final

import typer

PROGRAM: Final = "cryptlet"
VARIABLE: Final = "_CRYPTLET_COMPLETE"
"""Set by the script when a shell asks what could follow; the command then answers and does nothing else."""


class Shell(StrEnum):
    """A shell that can be told."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the completion script of a shell.

    bash: cryptlet completion bash > ~/.local/share/bash-completion/completions/cryptlet

    zsh: cryptlet completion zsh > DIR/_cryptlet, for a DIR of $fpath

    fish: cryptlet completion fish > ~/.config/fish/completions/cryptlet.fish
    """
    # Typer's own, which it re-exports without saying so.
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))


def prepare() -> None:
    """Lets the command answer a shell that asks; costs nothing when none does."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined] # as above

        completion_init()
