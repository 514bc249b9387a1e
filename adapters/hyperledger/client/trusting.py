"""The checks of endorsers' and orderers' signatures that the settings ask for."""

from functools import partial

from google.protobuf.message import DecodeError

from adapters.hyperledger.authorities import Holder, Msp, check_holder, check_signature, parse_msps
from adapters.hyperledger.client.answers import UntrueAnswer
from adapters.hyperledger.client.blocks import Block
from adapters.hyperledger.client.chain import CheckSeal
from adapters.hyperledger.client.endorsing import Verify
from adapters.hyperledger.policies import Policy, is_satisfied, parse_policy
from adapters.hyperledger.proto import common_pb2, msp_pb2
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError, Malformed, VerificationError
from fabric.signers.proposals import Endorsed

ORDERER = "orderer"


def verifier_of(trust: JsonObject) -> Verify:
    """Returns what checks endorsements against the policy of a destination; raises ``ConfigError``."""
    try:
        msps, policy = parse_msps(trust["msps"], "msps"), parse_policy(trust["policy"], "policy")
    except Malformed as error:
        message = f"hyperledger: {error}"
        raise ConfigError(message) from error
    return partial(_verify, msps, policy)


def seal_checker(orderers: JsonObject | None) -> CheckSeal:
    """Returns what checks that an orderer signed a block; where none are configured it lets every block pass."""
    if orderers is None:
        return _unsealed
    try:
        msps = parse_msps(orderers, "orderers")
    except Malformed as error:
        message = f"hyperledger: {error}"
        raise ConfigError(message) from error
    return partial(_check_seal, msps)


def _verify(msps: dict[str, Msp], policy: Policy, endorsed: Endorsed, time: int) -> None:
    try:
        endorsers = {each.endorser: each.signature for each in endorsed.endorsements}
        holders = []
        for endorser, signature in endorsers.items():
            holder = _holder(msps, endorser, time)
            check_signature(holder.key, signature, endorsed.response + endorser)
            holders.append(holder)
    except (VerificationError, Malformed) as error:
        message = f"endorsement: {error}"
        raise UntrueAnswer(message) from error
    if not is_satisfied(policy, holders):
        named = ", ".join(sorted(holder.msp for holder in holders)) or "nobody"
        message = f"endorsement: {named} signed, which does not satisfy the policy"
        raise UntrueAnswer(message)


def _check_seal(msps: dict[str, Msp], block: Block) -> None:
    """Checks that at least one orderer signed a block's header, whatever became of its certificate since."""
    try:
        signed = common_pb2.Metadata.FromString(block.signed)
        reasons = []
        for each in signed.signatures:
            creator = common_pb2.SignatureHeader.FromString(each.signature_header).creator
            try:
                holder = _holder(msps, creator, None)
                check_signature(holder.key, each.signature, signed.value + each.signature_header + block.header)
            except (VerificationError, Malformed) as error:
                reasons.append(str(error))
                continue
            if ORDERER in holder.roles:
                return
            reasons.append("a signer that is no orderer")
    except DecodeError as error:
        raise Malformed("block", f"block {block.number}: its signatures cannot be read: {error}") from error
    raise Malformed("block", f"block {block.number} is signed by no orderer: {'; '.join(reasons) or 'no signature'}")


def _unsealed(block: Block) -> None:
    del block


def _holder(msps: dict[str, Msp], identity: bytes, time: int | None) -> Holder:
    try:
        claimed = msp_pb2.SerializedIdentity.FromString(identity)
    except DecodeError as error:
        raise Malformed("identity", str(error)) from error
    return check_holder(msps, claimed.mspid, claimed.id_bytes, time)
