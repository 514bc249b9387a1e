"""The checks of endorsers' and orderers' signatures that the settings ask for."""

from functools import partial

from google.protobuf.message import DecodeError

from adapters.hyperledger.certificates import NOT_MADE
from adapters.hyperledger.client.answers import UntrueAnswer
from adapters.hyperledger.client.blocks import Block
from adapters.hyperledger.client.chain import CheckSeal
from adapters.hyperledger.client.endorsing import Verify
from adapters.hyperledger.endorsers import Endorser, Organisations, parse_organisations, read_endorser
from adapters.hyperledger.policies import Policy, is_satisfied, parse_policy
from adapters.hyperledger.proto import common_pb2
from fabric.core.canonical import JsonObject
from fabric.core.errors import ConfigError, Malformed
from fabric.signers.proposals import Endorsed

ORDERER = "orderer"


def verifier_of(trust: JsonObject) -> Verify:
    """Returns what checks endorsements against the policy of a destination; raises ``ConfigError``."""
    try:
        msps, policy = parse_organisations(trust["msps"], "msps"), parse_policy(trust["policy"], "policy")
    except Malformed as error:
        message = f"hyperledger: {error}"
        raise ConfigError(message) from error
    return partial(_verify, msps, policy)


def seal_checker(orderers: JsonObject | None) -> CheckSeal:
    """Returns what checks that an orderer signed a block; where none are configured it lets every block pass."""
    if orderers is None:
        return _unsealed
    try:
        msps = parse_organisations(orderers, "orderers")
    except Malformed as error:
        message = f"hyperledger: {error}"
        raise ConfigError(message) from error
    return partial(_check_seal, msps)


def _verify(msps: Organisations, policy: Policy, endorsed: Endorsed, time: int) -> None:
    # By key: one endorser that spells its identity in two ways is one.
    endorsers: dict[bytes, Endorser] = {}
    for each in endorsed.endorsements:
        try:
            endorser = _signer(msps, each.endorser, each.signature, endorsed.response + each.endorser, time)
        except Malformed as error:
            message = f"endorsement: {error}"
            raise UntrueAnswer(message) from error
        endorsers[endorser.certificate.public_key] = endorser
    if not is_satisfied(policy, (each.who for each in endorsers.values())):
        named = ", ".join(sorted(each.msp for each in endorsers.values())) or "nobody"
        message = f"endorsement: {named} signed, which does not satisfy the policy"
        raise UntrueAnswer(message)


def _check_seal(msps: Organisations, block: Block) -> None:
    """Checks that at least one orderer signed a block's header, whatever became of its certificate since."""
    reasons = []
    try:
        signed = common_pb2.Metadata.FromString(block.signed)
        for each in signed.signatures:
            creator = common_pb2.SignatureHeader.FromString(each.signature_header).creator
            message = signed.value + each.signature_header + block.header
            try:
                signer = _signer(msps, creator, each.signature, message, None)
            except Malformed as error:
                reasons.append(str(error))
                continue
            if signer.who[1] == ORDERER:
                return
            reasons.append("a signer that is no orderer")
    except DecodeError as error:
        raise Malformed("block", f"block {block.number}: its signatures cannot be read: {error}") from error
    raise Malformed("block", f"block {block.number} is signed by no orderer: {'; '.join(reasons) or 'no signature'}")


def _unsealed(block: Block) -> None:
    del block


def _signer(msps: Organisations, identity: bytes, signature: bytes, message: bytes, time: int | None) -> Endorser:
    """Returns who made a signature; raises ``Malformed`` where it is not of an identity that counts."""
    signer = read_endorser(identity)
    reason = signer.why_not(msps, time)
    if reason is None and not signer.certificate.made(signature, message):
        reason = NOT_MADE
    if reason is not None:
        raise Malformed("identity", reason)
    return signer
