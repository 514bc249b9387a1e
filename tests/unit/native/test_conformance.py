"""The conformance suite of the ledger port against a real native ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.native.envelope import account_of, sign_envelope
from adapters.native.ledger import NativeLedger, submission_of
from fabric.core.ids import request_id
from fabric.ledger.conformance.harness import Asked, Batch, Harness
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.ledger.port import Register
from fabric.trust.attestation import KeySet
from tests.support import native
from tests.support.native import ALICE, ENCLAVE, SeededSigner, open_native
from tests.support.seeded_keys import SeededKeys


class NativeHarness:
    """A native ledger in a folder; the fabric's account there is alice's."""

    def __init__(self, folder: Path, ledger: NativeLedger) -> None:
        self._folder = folder
        self.ledger = ledger
        self._nonce = 0

    @property
    def source(self) -> NativeLedger:
        return self.ledger

    @property
    def keys(self) -> KeySet:
        return ENCLAVE.public

    def registration(self) -> Register:
        return native.register(self.ledger.destination.id)

    def batch(self, label: str, count: int, *, stranger: bool = False) -> Batch:
        names = [f"{label} {number}" for number in range(count)]
        records = native.records(self.ledger, names, account_of(ALICE.public.ed25519))
        signer = SeededKeys("stranger") if stranger else ENCLAVE
        consumes = tuple(native.consume(records, index) for index in range(count))
        return Batch(native.settle(self.ledger, records, signer), consumes)

    async def settle_down(self) -> None:
        """An accepted call is final at once."""

    async def ask(self, label: str) -> Asked:
        request, nonce = native.request(label), self._nonce
        self._nonce += 1
        envelope = sign_envelope(request, self.ledger.destination.id, nonce, SeededSigner(ALICE))
        await self.ledger.submit([submission_of(envelope)])
        account = account_of(ALICE.public.ed25519)
        words = (request.method, request.input, request.binding)
        invocation = request_id(self.ledger.destination.id, account, nonce, *words)
        return Asked(invocation, account, nonce, *words, request.state_version)

    async def reopen(self) -> None:
        await self.ledger.aclose()
        self.ledger = await open_native(self._folder)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    made = NativeHarness(tmp_path, await open_native(tmp_path))
    yield made
    await made.ledger.aclose()


class TestNativeLedger(LedgerSuite):
    pass
