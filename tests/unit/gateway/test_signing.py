"""The gateway's signers: a ledger gets one of the kind that it asks for, with a grant of its own."""

from pathlib import Path

import pytest

from fabric.core.errors import Refused
from fabric.gateway.signing import ChannelSigner, KeyFiles, open_signer
from fabric.ledger.devnet import ChannelClient
from fabric.signers.create import P256, KeyFile, public_keys
from fabric.signers.proposals import Identity
from fabric.signers.queries import ChaincodeEvents


async def test_a_channel_gets_a_signer_for_its_chaincode_alone(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path / "log.key", tmp_path / "account.key", tmp_path / "client.key")
    (public,) = await public_keys([KeyFile(P256, keys.client)])
    signer = await open_signer(ChannelClient("trade", "settlement"), keys)
    assert isinstance(signer, ChannelSigner)
    assert signer.client_key == public
    await signer.allow([bytes(20)])
    identity = Identity("Org1MSP", "certificate")
    assert (await signer.sign_query(ChaincodeEvents("trade", "settlement", 0, identity))).signature
    with pytest.raises(Refused):
        await signer.sign_query(ChaincodeEvents("trade", "bank", 0, identity))
    await signer.aclose()
    assert not keys.account.exists()
