"""What can go wrong with a vendor's answer, as the classes that decide what happens next.

A vendor's room raises these from its own classifier, never by status code alone. The message names what the vendor said
and is fit for people; secrets and personal data never enter it.
"""

from typing import ClassVar

from connector.domain.ports.target import OutcomeKind
from connector.domain.printable import printable


class VendorError(Exception):
    """An answer (or its absence) that is not what was asked for.

    `kind` says what to do; `status` is the HTTP status where there was an answer; `retry_after_s` is what the vendor
    asked us to wait; `request_id` is the vendor's own name of the request, for its support desk.
    """

    kind: ClassVar[OutcomeKind] = OutcomeKind.TRANSIENT

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        message = printable(message)
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.request_id = request_id


class VendorUnavailable(VendorError):
    """An outage, a crash at the vendor, a garbled answer to a read: try again later."""

    kind = OutcomeKind.TRANSIENT


class VendorNotReached(VendorUnavailable):
    """The request never left: no connection could be opened. Nothing happened at the vendor."""

    kind = OutcomeKind.TRANSIENT


class RateLimited(VendorError):
    """The vendor's quota is spent: the gate waits, the item keeps its place."""

    kind = OutcomeKind.RATE_LIMITED


class AuthExpired(VendorError):
    """The access token was refused: enter the gate once more."""

    kind = OutcomeKind.AUTH_EXPIRED


class ReauthorisationNeeded(VendorError):
    """Only a person can help: the connection pauses and people are told."""

    kind = OutcomeKind.REAUTHORISE


class Rejected(VendorError):
    """The vendor refuses the content or the right to it; repeating is useless. Carries the vendor's words."""

    kind = OutcomeKind.REJECTED


class VendorConflict(VendorError):
    """The object is not in the state the request supposed: look again, then plan again."""

    kind = OutcomeKind.CONFLICT


class UnknownOutcome(VendorError):
    """Sent, and nobody can say whether it was carried out: look up before anything else."""

    kind = OutcomeKind.UNKNOWN
