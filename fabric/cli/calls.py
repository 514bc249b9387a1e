"""``cryptlet bind``, ``invoke`` and ``result``: talk to a running fabric over gRPC."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.cli.inputs import read_input
from fabric.cli.plain import plain
from fabric.core.errors import Malformed

if TYPE_CHECKING:
    from fabric.client import Anchor, Answer, Call, Client, Result
    from fabric.core.ids import InvocationId

State = Annotated[Path, typer.Option(help="The state folder of the fabric.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DEFAULT_STATE = Path(".state")
_LOOK_SECONDS = 0.25


def bind(
    file: Annotated[Path, typer.Argument(help="The binding, as TOML (docs/guide/bindings.md).")],
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Put a binding in force: which cryptlet, whose calls, which ledgers."""
    import asyncio

    from fabric.bindings.file import read_binding_file
    from fabric.cli.verify import read_policy
    from fabric.gateway.endpoint import Endpoint

    ledgers = {name: item.destination for name, item in Endpoint.read(state).ledgers.items()}
    binding = read_binding_file(file, ledgers, read_policy(None, state))
    asyncio.run(_put_binding(state, binding.document))
    document = {"binding": binding.name, "version": binding.version.hex()}
    typer.echo(json.dumps(document) if as_json else f"{binding.name} is in force, version {binding.version.hex()}")


def invoke(
    binding: Annotated[str, typer.Argument(help="Name or version of the binding.")],
    method: Annotated[str, typer.Argument(help="Name of the method.")],
    input_file: Annotated[Path, typer.Argument(help="File with the input; - reads standard input.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key; a random one by default.")] = None,
    deadline_ms: Annotated[int, typer.Option(min=0, help="Longest run time; 0 takes the fabric's default.")] = 0,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Run one method of a cryptlet; answers when the result is stored."""
    import asyncio
    import secrets

    from fabric.client import Call

    call = Call(method, read_input(input_file), key or secrets.token_hex(16), deadline_ms)
    answer = asyncio.run(_invoke(state, binding, call))
    _print_answer(answer, as_json=as_json)


def result(
    invocation: Annotated[str, typer.Argument(help="Id of the invocation, 64 hexadecimal digits.")],
    proofs: Annotated[Path | None, typer.Option(help="Write the proof of each ledger into this folder.")] = None,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to wait until it is final on every ledger.")] = 0,
    state: State = DEFAULT_STATE,
    as_json: AsJson = False,
) -> None:
    """Show a result and how far it got on each ledger; with --proofs, fetch its proof files."""
    import asyncio

    from fabric.core.ids import InvocationId, parse_word

    try:
        name = InvocationId(parse_word(invocation, "INVOCATION"))
    except Malformed as error:
        raise Malformed(error.format, f"{error.reason}, as `cryptlet invoke` prints them") from error
    found, files = asyncio.run(_result(state, name, wait, proofs))
    document = result_document(found) | ({"proofs": [str(path) for path in files]} if proofs else {})
    if as_json:
        typer.echo(json.dumps(document))
    else:
        _print_result(found, files)


def open_client(state: Path) -> "Client":
    """Returns a client of the fabric that runs on a state folder; raises ``NotFound`` where none does."""
    from fabric.client import Client
    from fabric.gateway.endpoint import Endpoint, read_api_key

    return Client(Endpoint.read(state).target, read_api_key(state))


def result_document(found: "Result") -> dict[str, object]:
    """Returns a result as a JSON document."""
    answer = found.answer
    return {
        "invocation": answer.invocation.hex(),
        "cryptlet": found.cryptlet,
        "output": None if answer.output is None else json.loads(answer.output),
        "failure": None if answer.failure is None else {"code": answer.failure.code, "message": answer.failure.message},
        "anchors": [
            {
                "ledger": item.ledger,
                "destination": item.destination.hex(),
                "status": item.status,
                "locator": item.locator,
                "batch": item.batch.hex(),
                "consumption": item.consumption,
                "consumption_locator": item.consumption_locator,
                "cost": dict(item.cost),
            }
            for item in found.anchors
        ],
    }


async def _put_binding(state: Path, document: bytes) -> None:
    async with open_client(state) as client:
        await client.put_binding(document)


async def _invoke(state: Path, binding: str, call: "Call") -> "Answer":
    async with open_client(state) as client:
        reply = await client.invoke(binding, [call])
    return reply.answers[0]


async def _result(
    state: Path, invocation: "InvocationId", wait: int, folder: Path | None
) -> "tuple[Result, list[Path]]":
    async with open_client(state) as client:
        found = await _settled(client, invocation, wait) if wait else await client.result(invocation)
        if folder is None:
            return found, []
        return found, _write_proofs(folder, found, await _proofs(client, invocation, found))


async def _proofs(client: "Client", invocation: "InvocationId", found: "Result") -> list[bytes]:
    from fabric.client import RemoteError
    from fabric.core.errors import ProofNotReady

    try:
        return [await client.proof(invocation, anchor.destination) for anchor in found.anchors]
    except RemoteError as error:
        if error.remote_code == ProofNotReady.code:
            raise ProofNotReady(f"{error}; --wait 60 waits for it") from error
        raise


async def _settled(client: "Client", invocation: "InvocationId", seconds: int) -> "Result":
    """Returns a result once nothing more happens to it on any ledger; raises ``ProofNotReady`` when time is over."""
    import asyncio

    from fabric.core.errors import ProofNotReady

    waiting: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await client.result(invocation)
                if not (waiting := [item.ledger for item in found.anchors if not _is_settled(item)]):
                    return found
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError as error:
        raise ProofNotReady(
            f"not final on {', '.join(waiting) or 'its ledgers'} after {seconds} s; `cryptlet status` shows what waits"
        ) from error


def _is_settled(anchor: "Anchor") -> bool:
    effects = [anchor.status, *([anchor.consumption] if anchor.consumption else [])]
    return all(each in {"final", "operator-final"} or each.startswith("refused") for each in effects)


def _write_proofs(folder: Path, found: "Result", proofs: list[bytes]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    name = found.answer.invocation.hex()[:16]
    files = [folder / f"{name}.{_file_name(anchor.ledger)}.proof.json" for anchor in found.anchors]
    for path, proof in zip(files, proofs, strict=True):
        path.write_bytes(proof)
    return files


def _file_name(ledger: str) -> str:
    """Returns a ledger's name as part of a file name: the fabric chose it, and it must not lead elsewhere."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in ledger)


def _print_answer(answer: "Answer", *, as_json: bool) -> None:
    if answer.failure is not None:
        from fabric.client import RemoteError

        message = f"{answer.failure.message} (retry: {answer.retry})"
        raise RemoteError(answer.failure.code, "OK", message, answer.retry)
    output = json.loads(answer.output or b"null")
    if as_json:
        typer.echo(json.dumps({"invocation": answer.invocation.hex(), "output": output}))
        return
    typer.echo(f"invocation  {answer.invocation.hex()}")
    typer.echo(json.dumps(output, indent=2))


def _print_result(found: "Result", files: list[Path]) -> None:
    document = result_document(found)
    typer.echo(f"cryptlet    {plain(found.cryptlet)}")
    typer.echo(f"invocation  {document['invocation']}")
    typer.echo(json.dumps(document["output"] if document["failure"] is None else document["failure"], indent=2))
    for item in found.anchors:
        consumed = f"; {item.consumption} {item.consumption_locator}" if item.consumption else ""
        typer.echo(plain(f"  {item.ledger:12} {item.status:15} {item.locator}{consumed}"))
    for path in files:
        typer.echo(f"  proof        {path}")
