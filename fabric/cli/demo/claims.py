"""The second act: a rejected shipment claims from insurers on another ledger, one of whom is not there any more.

Begun before the further shipments are streamed, ended after them: the messages travel meanwhile.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from fabric.cli.demo import fleet
from fabric.cli.demo.bindings import shipment_binding
from fabric.cli.demo.ground import Ground, Told, proofs_of
from fabric.client import MessageInfo, MessageTrace
from fabric.core.clock import SystemClock
from fabric.core.errors import PlatformError
from fabric.core.ids import NOBODY, Account, BindingVersion, parse_word
from fabric.ledger.devnet import Contract
from fabric.trust.message import Channel, End

CONTRACT: Final = "InsuredShipment"
DEPOSIT_WEI: Final = 10**17
INSURERS: Final = {"insurer": 600, "dead insurer": 12}
"""Who is claimed from, and for how many seconds each claim may be delivered."""
WAIT_SECONDS: Final = 180
_POLL_SECONDS: Final = 0.25
_ENDED: Final = ("acknowledged", "refunded")


class Claims:
    """One telling of the act."""

    def __init__(self, ground: Ground, bindings: Mapping[str, BindingVersion]) -> None:
        """Takes the ground and the relay's binding for each ledger; nothing happens before ``begin``."""
        self._ground = ground
        self._bindings = bindings
        self._clock = SystemClock()
        self._contract: Contract | None = None
        self._channels: dict[bytes, str] = {}

    async def begin(self) -> None:
        """Opens a channel to each insurer, and has a bad shipment judged by a contract that claims."""
        ground, step = self._ground, self._ground.progress.step("open channels, reject a shipment", 3)
        contract = await ground.integrator.deploy(CONTRACT, ground.shipments, NOBODY)
        rules = shipment_binding("insured-shipment", ground.shipments, ground.endpoint, contract.account, asks=True)
        await contract.bind(await ground.client.put_binding(rules.document))
        await contract.fund(DEPOSIT_WEI)
        step.done()
        for insurer, patience in INSURERS.items():
            await self._open(contract, insurer, patience)
        step.done()
        bad = ground.cryptlets / "contract" / "cold_chain" / "samples" / "bad.csv"
        await contract.request(await ground.client.put_blob(bad.read_bytes()))
        self._contract = contract
        step.done()

    async def end(self) -> list[Told]:
        """Waits until each claim has ended; returns them in the order of the insurers, with their proofs.

        Raises:
            PlatformError: one has not ended in time; the message says where it is and why.
        """
        step = self._ground.progress.step("claims: delivered, or expired and refunded", len(INSURERS))
        told = []
        for channel, insurer in self._channels.items():
            trace = await self._ended(channel, insurer)
            told.append(Told(insurer, trace, await proofs_of(self._ground, trace)))
            step.done()
        return told

    async def deposits(self) -> dict[str, object]:
        """Returns what the contract holds: free, locked, spent."""
        assert self._contract is not None  # noqa: S101 - begin made it
        state = await self._contract.read()
        return {name: state[name] for name in ("free", "locked", "spent")}

    async def _open(self, contract: Contract, insurer: str, patience: int) -> None:
        """Opens the contract's end of a channel, and the insurer's where there is still somebody to do it."""
        ground = self._ground
        key = ground.folder / f"{insurer.replace(' ', '-')}.key"
        owner = await fleet.run("channel", "account", "--key", str(key), "--state", str(ground.state))
        native, ethereum = (ground.endpoint.ledgers[name].destination.id for name in ("native", "ethereum"))
        account = Account(parse_word(owner["account"], "account"))
        channel = Channel.between(
            End(native, account, self._bindings["native"], ground.accepts("ethereum")),
            End(ethereum, contract.account, self._bindings["ethereum"], ground.accepts("native")),
            bytes(32),
        )
        await contract.open_route(channel, patience)
        self._channels[channel.id] = insurer
        if insurer == "insurer":
            file = ground.folder / "channel.toml"
            file.write_text(_CHANNEL.format(*(_end(end) for end in (channel.first, channel.second))))
            await fleet.run("channel", "open", str(file), "--key", str(key), "--state", str(ground.state))

    async def _ended(self, channel: bytes, insurer: str) -> MessageTrace:
        deadline = self._clock.monotonic_seconds() + WAIT_SECONDS
        last = "it was not sent"
        while self._clock.monotonic_seconds() < deadline:
            found = [item for item in await self._messages() if item.message.channel == channel]
            if found and found[0].state in _ENDED:
                return await self._ground.client.message(found[0].message.id.hex())
            last = f"{found[0].meaning}; {found[0].detail}" if found else last
            await asyncio.sleep(_POLL_SECONDS)
        raise PlatformError(f"the claim for the {insurer} has not ended in {WAIT_SECONDS} s: {last}")

    async def _messages(self) -> tuple[MessageInfo, ...]:
        return (await self._ground.client.messages()).messages


_CHANNEL: Final = "[[ends]]\n{}\n[[ends]]\n{}"


def _end(end: End) -> str:
    fields = {
        "destination": end.destination.hex(),
        "account": end.account.hex(),
        "binding": end.binding.hex(),
        "accepts": end.accepts.name.lower(),
    }
    return "".join(f'{name} = "{value}"\n' for name, value in fields.items())
