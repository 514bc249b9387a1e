"""A bundle on somebody else's wheel through the real enclave: it runs with what it locks, and does not load without."""

from dataclasses import replace
from pathlib import Path

import pytest

from fabric.bundles.build import build
from fabric.core import canonical
from fabric.enclave.client import EnclaveRefused
from fabric.enclave.launch import EnclaveProcess
from fabric.trust.binding import write_binding
from tests.support.binaries import adder, needs_compiler, write_binary
from tests.support.enclaves import NATIVE, binding, invocation
from tests.support.locked import foreign_wheel, write_locked
from tests.support.projects import signed

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]


async def test_a_bundle_runs_on_the_wheels_that_it_locks(enclave: EnclaveProcess, tmp_path: Path) -> None:
    built = build(write_locked(tmp_path / "project"))
    word, wheels = canonical.encode(signed(built).to_json()), tuple(built.dependencies.values())
    route = {"id": NATIVE.id.hex(), "recipient": "00" * 32, "consume": False, "codec": {"kind": "json"}}
    measured = built.bundle.measurement.hex()
    bound = binding(cryptlet="greeter@1.0.0", measurement=measured, methods=["greet"], destinations=[route])
    call = replace(invocation(1, b'{"name":"ada"}', method="greet"), binding=bound.version)
    async with enclave.client() as client:
        for wrong in ((), (foreign_wheel({"speller/__init__.py": b"evil = 1\n"}),)):
            with pytest.raises(EnclaveRefused, match="is locked by this hash"):
                await client.load(built.wheel, word, wrong)
        assert await client.load(built.wheel, word, wheels) == built.bundle.measurement
        result = await client.run(bound.document, (call,))
    assert [outcome.output or outcome.failure for outcome in result.outcomes] == [b'{"name":"ADA"}']
    assert {entry.record.measurement for batch in result.batches for entry in batch.entries} == {
        built.bundle.measurement
    }


@needs_compiler
async def test_native_code_runs_where_its_binding_grants_it(enclave: EnclaveProcess, tmp_path: Path) -> None:
    built = build(write_binary(tmp_path / "project", adder(tmp_path / "made")))
    word, wheels = canonical.encode(signed(built).to_json()), tuple(built.dependencies.values())
    route = {"id": NATIVE.id.hex(), "recipient": "00" * 32, "consume": False, "codec": {"kind": "json"}}
    measured = built.bundle.measurement.hex()
    plain = binding(cryptlet="greeter@1.0.0", measurement=measured, methods=["add"], destinations=[route])
    granting = write_binding(canonical.decode_object(plain.document) | {"capabilities": ["native"]})
    call = invocation(1, b'{"left":2,"right":40}', method="add")
    async with enclave.client() as client:
        await client.load(built.wheel, word, wheels)
        with pytest.raises(EnclaveRefused, match=r"does not grant what greeter@1\.0\.0 asks for"):
            await client.run(plain.document, (replace(call, binding=plain.version),))
        result = await client.run(granting.document, (replace(call, binding=granting.version),))
    assert [outcome.output or outcome.failure for outcome in result.outcomes] == [b'{"sum":42}']
    (entry,) = result.batches[0].entries
    usage = canonical.decode_object(entry.statement)["usage"]
    assert usage == {"binary_wheels": 1, "input_bytes": len(call.input), "output_bytes": len(b'{"sum":42}')}
