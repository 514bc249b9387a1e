"""The cryptlet: what a ledger tells becomes what the other's mailbox takes, nothing added and nothing left out."""

from fabric.sdk import Context, Cryptlet, method
from fabric.sdk.messages import AcknowledgementLetter, DeliveryLetter, LedgerEvents, acknowledge, deliver


class Relay(Cryptlet):
    """Carries every message of the channels whose ends name its binding."""

    @method
    def deliver(self, ctx: Context, value: LedgerEvents) -> DeliveryLetter:  # noqa: ARG002 - no time and no chance in it
        """Returns the delivery of a message that was sent."""
        return deliver(value.only("sent"))

    @method
    def acknowledge(self, ctx: Context, value: LedgerEvents) -> AcknowledgementLetter:  # noqa: ARG002 - as above
        """Returns the acknowledgement of a message that was delivered, or that expired."""
        return acknowledge(value.only("delivered", "expired"))
