"""Which rows are in hand, whose they are, and whose turn it is where several concern the same document."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set

from connector.domain.documents.invoice import Invoice
from connector.domain.identity import Entity, EntityRef, RowRef
from connector.domain.ports.target import NaturalKey

from .work import Work

_ORDER = {
    entity: place
    for place, entity in enumerate(
        (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE, Entity.PAYMENT)
    )
}

Subject = EntityRef | NaturalKey
"""What rows take turns at: a document, or a number in the target."""


class Turns:
    """Rows in hand belong to one task each, and are not claimed again before it ends.

    A document is written by one row at a time, and by none while rows that link to it are. Rows that link to one order
    take turns, for a target adds them up there, and so do rows that want one number there; those of one supplier may
    go on together. Who has to wait is parked, and claimed and judged anew once what it waits for is free.
    """

    def __init__(self) -> None:
        self._owner: dict[RowRef, object] = {}
        self._owned: defaultdict[object, dict[RowRef, None]] = defaultdict(dict)
        self._admitted: dict[RowRef, Work] = {}
        self._taken: set[Subject] = set()
        self._shared: Counter[Subject] = Counter()
        self._parked: defaultdict[Subject, list[RowRef]] = defaultdict(list)
        self.parked = 0

    @property
    def rows(self) -> Set[RowRef]:
        return self._owner.keys()

    @property
    def active(self) -> int:
        return len(self._owner) - self.parked

    def take(self, rows: Iterable[RowRef], owner: object) -> None:
        """Put rows into a task's hands, newly claimed or from another task's."""
        for row in rows:
            if row in self._owner:
                self._owned[self._owner[row]].pop(row, None)
            self._owner[row] = owner
            self._owned[owner][row] = None

    def admit(self, works: Sequence[Work]) -> list[Work]:
        """Those that may go on now, what others depend on first, and invoices by date and number; the others are
        parked."""
        admitted: list[Work] = []
        for work in sorted(works, key=_place):
            row = work.due.row
            busy = self._busy(work)
            if busy is None:
                self._taken |= _alone(work)
                self._shared.update(work.linked - _alone(work))
                self._admitted[row] = work
                admitted.append(work)
            else:
                self._owned[self._owner[row]].pop(row, None)
                self._parked[busy].append(row)
                self.parked += 1
        return admitted

    def _busy(self, work: Work) -> Subject | None:
        """What this row has to wait for; who came first and waits already goes first."""
        alone = _alone(work)
        subjects: list[Subject] = [*sorted({work.due.ref, *work.linked}), *_numbers(work)]
        return next((subject for subject in subjects if self._closed(subject, shared=subject not in alone)), None)

    def _closed(self, subject: Subject, *, shared: bool) -> bool:
        if subject in self._taken:
            return True
        return subject in self._parked if shared else self._shared[subject] > 0

    def end(self, owner: object) -> None:
        """The task's rows can be claimed again, and so can those that were parked behind them."""
        for row in self._owned.pop(owner, ()):
            del self._owner[row]
            work = self._admitted.pop(row, None)
            if work is not None:
                self._free(work)

    def _free(self, work: Work) -> None:
        alone = _alone(work)
        self._taken -= alone
        self._shared.subtract(work.linked - alone)
        for subject in alone | work.linked:
            if self._shared[subject] <= 0:
                del self._shared[subject]
                self._unpark(subject)

    def _unpark(self, subject: Subject) -> None:
        """All of them: any one may have changed meanwhile, and then would not tell the next."""
        for row in self._parked.pop(subject, ()):
            del self._owner[row]
            self.parked -= 1


def _place(work: Work) -> tuple[int, str, str]:
    """What bills an order first does so first, whichever came first, as far as both are here."""
    place, document = _ORDER[work.due.row.entity], work.record.document if work.record is not None else None
    if not isinstance(document, Invoice):
        return place, "", ""
    return place, str(document.issue_date or ""), document.invoice_number or ""


def _alone(work: Work) -> set[Subject]:
    orders = (ref for ref in work.linked if ref.entity is Entity.PURCHASE_ORDER)
    return {work.due.ref, *orders, *_numbers(work)}


def _numbers(work: Work) -> list[NaturalKey]:
    return [part.alone for part in work.rendered.parts if part.alone is not None]
