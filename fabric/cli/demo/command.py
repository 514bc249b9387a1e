"""The command itself: arguments in, the story told, an account or one JSON document out."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_OUT = Path(".state/demo")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for this run: state, proofs, files.")] = DEFAULT_OUT,
    shipments: Annotated[int, typer.Option(min=1, max=1024, help="How many further shipments are streamed.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the generated logger files.")] = 2026,
    poa: Annotated[bool, typer.Option("--poa", help="On a proof-of-authority network of three geth signers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Run the main job: a cold-chain cryptlet, two ledgers, a contract, proofs, and a refusal."""
    import asyncio

    from fabric.cli.demo.account import print_account, to_document
    from fabric.cli.demo.progress import Progress
    from fabric.cli.demo.story import Story

    with Progress(quiet=as_json or not sys.stderr.isatty()) as progress:
        ending = asyncio.run(Story(_fresh(out), shipments, seed, progress, poa=poa).tell())
    if as_json:
        typer.echo(json.dumps(to_document(ending), indent=2))
    else:
        print_account(ending)
    return 0


def _fresh(out: Path) -> Path:
    """Returns a new folder ``run-N`` below ``out``: a second run never touches the first."""
    for number in range(1, 100_000):
        folder = out / f"run-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise RuntimeError(f"{out} holds 99,999 runs")
