"""Verdicts that a source is to be told, once a round: what is kept of them, and what a vendor's room offers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from connector.domain.identity import ConnectionId, EntityRef, FlowId
from connector.domain.reasons import Reason
from connector.domain.sync.states import State

from .epochs import Hold
from .target import BeforeSend, Json, Outcome


@dataclass(frozen=True, slots=True)
class DueAnswer:
    """One verdict to be told. `attempts` counts looks and sends since something last went well; `refused` counts
    answers that the source took and then could not use."""

    ref: EntityRef
    round: int
    flow: FlowId
    verdict: State
    reasons: Sequence[Reason]
    target: Json
    attempts: int = 0
    refused: int = 0
    request_id: str | None = None
    """The source's name of the request that carried the answer, once it took one."""
    not_after_in_s: float | None = None
    """Until an answer of unknown fate can no longer be on its way, by the database's clock; negative once past."""

    @property
    def key(self) -> tuple[EntityRef, int]:
        return self.ref, self.round


class Standing(StrEnum):
    """How a round stands at the source."""

    OPEN = "open"
    """It waits for our answer."""
    NOT_YET = "not-yet"
    """It can't take an answer now, or has not said yet what became of the one it took."""
    ANSWERED = "answered"
    REFUSED = "refused"
    """It took our answer and could not use it: it waits for another one."""
    CLOSED = "closed"
    """It takes no answer of ours any more: somebody else gave one, or took the document back."""


@dataclass(frozen=True, slots=True)
class Look:
    standing: Standing
    detail: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    """The document as the source shows it, for the answer to echo."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a look or a send changed. `ended` closes the round: `answered`, `closed` or `failed`."""

    due_in_s: float | None = None
    attempts: int = 0
    refused: int = 0
    request_id: str | None = None
    ended: str | None = None
    detail: str = ""
    still_out: bool = False
    """The send has no outcome: its not_after stays."""


def story(answer: DueAnswer, told: Told) -> Json:
    """The line of the record's story that says what the source was told, or why not."""
    line = {"round": answer.round, "verdict": str(answer.verdict), "outcome": told.ended or "refused"}
    return {**line, "detail": told.detail} if told.detail else line


class Answers(Protocol):
    """Every change names its hold and fails with EpochLost when it is over."""

    async def claim(self, hold: Hold, limit: int, exclude: Collection[tuple[EntityRef, int]]) -> Sequence[DueAnswer]:
        """Verdicts that are due, oldest first."""
        ...

    async def next_due_in_s(self, hold: Hold) -> float | None: ...

    async def changed(self, source: ConnectionId, timeout_s: float) -> None:
        """Return when a verdict may have become due, or after the time-out."""
        ...

    async def open_call(self, hold: Hold, answer: DueAnswer, deadline_s: float) -> None:
        """Commit that the answer is about to leave: from the first time on the verdict is final. Raises NotSent where
        it is another one by now, or may become one: the document is not in the verdict's state any more."""
        ...

    async def settle(self, hold: Hold, answer: DueAnswer, told: Told) -> None:
        """Store it, with a line in the record's story where the round ended or was refused."""
        ...


class Responder(Protocol):
    """A source's room: looks at a round, and answers it. Raises GateError or VendorError from a look."""

    @property
    def confirm_after_s(self) -> float:
        """How long after an answer the source can say what became of it."""
        ...

    async def look(self, answer: DueAnswer) -> Look: ...

    async def answer(self, answer: DueAnswer, look: Look, before_send: BeforeSend) -> Outcome:
        """Send it under a name made of document, round and refusals, so that it can't count twice."""
        ...
