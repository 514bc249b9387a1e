"""``cryptlet node``: a machine that lends its enclaves to a fabric."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.core.errors import ConfigError

if TYPE_CHECKING:
    from fabric.node.service import NodeConfig
    from fabric.runtime.cluster import Cluster

app = typer.Typer(help="A machine that lends its enclaves to a fabric.", no_args_is_help=True)
FOLDER = Path(".state/node")
_PORTS = "21000-21063"


@app.command()
def up(
    *,
    address: Annotated[str, typer.Option(help="This machine's address, by which the others reach it.")],
    name: Annotated[str, typer.Option(help="Name of the node; the gateway's configuration has it too.")],
    head: Annotated[bool, typer.Option("--head", help="Be the head, which the others join.")] = False,
    join: Annotated[str, typer.Option(help="ADDRESS:PORT of the head.")] = "",
    folder: Annotated[Path, typer.Option(help="Folder of the node's keys and enclaves.")] = FOLDER,
    facts: Annotated[Path, typer.Option(help="The file that the gateway writes (cluster.facts).")] = Path("facts.json"),
    token_file: Annotated[Path, typer.Option(help="File with the cluster's token, mode 600.")] = Path("ray.token"),
    ports: Annotated[str, typer.Option(help="Where this machine's Ray listens: FIRST-LAST, 32 or more.")] = _PORTS,
    reach: Annotated[str, typer.Option(help="Ports of all machines, which alone are reached.")] = "",
    enclaves: Annotated[int, typer.Option(min=1, max=64, help="How many enclaves run here.")] = 1,
    cpus: Annotated[int, typer.Option(min=1, max=1024, help="Processor cores that Ray may give away.")] = 2,
    allow_unjailed_ray: Annotated[
        bool, typer.Option("--allow-unjailed-ray", help="Run Ray without its jail where none can be built.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when Ray has joined.")] = False,
) -> None:
    """Run a node: Ray in its jail, and enclaves beside it. Stops on Ctrl-C or SIGTERM."""
    import asyncio

    from fabric.cli.stopping import until_told
    from fabric.gateway.logs import log_to_stderr
    from fabric.node.folder import open_folder
    from fabric.node.service import NodeConfig
    from fabric.runtime.member import Member, parse_ports, read_token

    if head == bool(join):
        raise ConfigError("a node is the head (--head) or joins one (--join ADDRESS:PORT): give one of the two")
    member = Member(
        name=name,
        address=address,
        ports=parse_ports(ports, "--ports"),
        reach=parse_ports(reach or ports, "--reach"),
        token=read_token(token_file),
        head=join,
    )
    log_to_stderr()
    config = NodeConfig(
        folder=open_folder(folder),
        member=member,
        facts=facts,
        enclaves=enclaves,
        cpus=cpus,
        allow_unjailed_ray=allow_unjailed_ray,
    )
    asyncio.run(until_told(_run(config, as_json=as_json)))


@app.command()
def key(folder: Annotated[Path, typer.Option(help="Folder of the node.")] = FOLDER) -> None:
    """Print the public key of this node's attester, made where it is missing, for the gateway's configuration."""
    import asyncio

    from fabric.node.folder import open_folder

    typer.echo(asyncio.run(open_folder(folder).attester_key()).hex())


@app.command()
def token(file: Annotated[Path, typer.Argument(help="Where it is written; it must not be there yet.")]) -> None:
    """Make the token of a new cluster; give the file to each of its machines."""
    import os
    import secrets

    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"token file {file}: {error.strerror}") from error
    with os.fdopen(handle, "w") as written:
        written.write(secrets.token_hex(32) + "\n")


async def _run(config: "NodeConfig", *, as_json: bool) -> None:
    from fabric.node.service import run

    attester = await config.folder.attester_key()

    def joined(cluster: "Cluster") -> None:
        facts = {
            "node": config.member.name,
            "attester": attester.hex(),
            "ray": "jailed" if cluster.jailed else "NOT jailed: code in Ray can read this machine's keys",
        }
        lines = [f"  {name:18} {value}" for name, value in facts.items()]
        typer.echo(json.dumps(facts) if as_json else "\n".join(["the node has joined", *lines, "Ctrl-C stops it"]))
        sys.stdout.flush()

    await run(config, joined)
