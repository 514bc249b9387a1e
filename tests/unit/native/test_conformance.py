"""The conformance suite of the ledger port against a real native ledger."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from adapters.native.destination import Native
from adapters.native.envelope import account_of, sign_envelope
from adapters.native.ledger import NativeLedger, submission_of
from fabric.core.clock import FrozenClock
from fabric.core.ids import request_id
from fabric.ledger.conformance.harness import Asked, Harness
from fabric.ledger.conformance.suite import LedgerSuite
from fabric.ledger.rules.operations import OpenChannel, Send
from fabric.trust.message import Channel, Message
from tests.support import batches, native
from tests.support.harness import Works, next_message
from tests.support.native import ALICE, START, SeededSigner, open_native

GENESIS: Final = replace(native.genesis(), appraisers=(batches.APPRAISER.public,))


class NativeHarness(Works):
    """A native ledger in a folder; the fabric's account there is alice's."""

    def __init__(self, folder: Path, ledger: NativeLedger, clock: FrozenClock) -> None:
        super().__init__(ledger.destination, account_of(ALICE.public.ed25519), START, Native())
        self._folder = folder
        self._clock = clock
        self._sent = 0
        self.ledger = ledger
        self._nonce = 0

    @property
    def source(self) -> NativeLedger:
        return self.ledger

    @property
    def mailbox(self) -> NativeLedger:
        return self.ledger

    async def open(self, channel: Channel) -> None:
        await self._act(OpenChannel(channel))

    async def send(self, body: bytes, seconds: int) -> Message:
        expiry = self._clock.unix_seconds() + seconds
        message = next_message(self.channel, self.destination.id, self._sent, body, expiry)
        self._sent += 1
        await self._act(Send(message, body))
        return message

    async def wait_until(self, time: int) -> None:
        self._clock.advance(max(0, time - self._clock.unix_seconds()))

    async def _act(self, operation: OpenChannel | Send) -> None:
        envelope = sign_envelope(operation, self.destination.id, 0, SeededSigner(ALICE))
        await self.ledger.take_call(envelope.encoded)

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
        self.ledger = await open_native(self._folder, self._clock, GENESIS)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    clock = FrozenClock(START)
    made = NativeHarness(tmp_path, await open_native(tmp_path, clock, GENESIS), clock)
    yield made
    await made.ledger.aclose()


class TestNativeLedger(LedgerSuite):
    pass
