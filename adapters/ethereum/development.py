"""Accounts of a development node, which holds their keys: for those who stand beside the fabric."""

from collections.abc import Mapping

from adapters.ethereum.accounts import NodeAccount
from adapters.ethereum.plugin import identify
from adapters.ethereum.rpc import Rpc
from adapters.ethereum.settings import parse_settings
from fabric.core.canonical import JsonValue
from fabric.trust.destination import Destination


async def open_account(settings: Mapping[str, JsonValue], number: int) -> tuple[NodeAccount, Destination]:
    """Opens one of a node's accounts, and the deployment that the node serves.

    Args:
        settings: see ``adapters.ethereum.settings.Settings``.
        number: of the account.

    Raises:
        ConfigError: the node holds no such account.
        ForeignLedger: the node serves another ledger.
        LedgerUnavailable: the node does not answer.
    """
    read = parse_settings(settings)
    rpc = Rpc(read.url, read.timeout_seconds)
    try:
        destination = await identify(rpc, read)
        return await NodeAccount.open(rpc, number), destination
    except BaseException:
        await rpc.aclose()
        raise
