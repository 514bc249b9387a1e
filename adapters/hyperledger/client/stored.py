"""What a submission stores: a signed envelope that is sent as often as needed, or a refusal that is never sent."""

from dataclasses import dataclass

from cryptography import x509
from google.protobuf.message import DecodeError

from adapters.hyperledger.client.applied import Refusal, parse_refusal
from adapters.hyperledger.client.identity import end_of
from adapters.hyperledger.proto import common_pb2, msp_pb2
from fabric.core import canonical
from fabric.core.errors import LedgerError, Malformed
from fabric.ledger.port import Submission
from fabric.signers.proposals import write_base64
from fabric.trust.fields import read_base64, read_object


@dataclass(frozen=True)
class Sent:
    """A transaction of one or more pieces of work.

    Attributes:
        transaction: its id.
        envelope: the signed ``common.Envelope``.
    """

    transaction: str
    envelope: bytes

    @property
    def submission(self) -> Submission:
        """What is stored, by the transaction's id."""
        return Submission(canonical.encode({"envelope": write_base64(self.envelope)}), self.transaction)

    def certificate_end(self) -> int:
        """Returns when the certificate that it was signed under ends, Unix seconds; raises ``LedgerError``."""
        try:
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(self.envelope).payload)
            creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
            pem = msp_pb2.SerializedIdentity.FromString(creator).id_bytes
            return end_of(x509.load_pem_x509_certificate(pem))
        except (DecodeError, ValueError) as error:
            message = f"stored submission {self.transaction}: {error}"
            raise LedgerError(message) from error


def refused(refusal: Refusal) -> Submission:
    """Returns the submission of work that the rules refused at endorsement."""
    fields: canonical.JsonObject = {"rule": refusal.rule, "reason": refusal.reason}
    return Submission(canonical.encode({"refused": fields}), f"refused by {refusal.rule}")


def read_stored(submission: Submission) -> Sent | Refusal:
    """Reads a stored submission.

    Raises:
        LedgerError: it cannot be read, or its envelope is of another transaction; no fault of the ledger.
    """
    try:
        value = canonical.decode_object(submission.data)
        if "refused" in value:
            return parse_refusal(read_object(value, frozenset({"refused"}), "submission")["refused"])
        fields = read_object(value, frozenset({"envelope"}), "submission")
        sent = Sent(submission.locator, read_base64(fields["envelope"], "submission.envelope"))
        _check_transaction(sent)
    except (Malformed, DecodeError) as error:
        message = f"stored submission {submission.locator}: {error}"
        raise LedgerError(message) from error
    return sent


def _check_transaction(sent: Sent) -> None:
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(sent.envelope).payload)
    found = common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id
    if found != sent.transaction:
        raise Malformed("submission.envelope", f"of transaction {found}; it was changed in the database")
