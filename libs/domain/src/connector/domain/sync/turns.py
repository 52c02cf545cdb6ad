"""Which rows are in hand, whose they are, and whose turn it is where several concern the same document."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set

from connector.domain.identity import Entity, EntityRef, RowRef

from .work import Work

_ORDER = {
    entity: place
    for place, entity in enumerate(
        (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE, Entity.PAYMENT)
    )
}


class Turns:
    """Rows in hand belong to one task each, and are not claimed again before it ends.

    A document is written by one row at a time, and by none while rows that link to it are. Rows that link to one order
    take turns, for a target adds them up there; those of one supplier may go on together. Who has to wait is parked,
    and claimed and judged anew once the document is free.
    """

    def __init__(self) -> None:
        self._owner: dict[RowRef, object] = {}
        self._owned: defaultdict[object, dict[RowRef, None]] = defaultdict(dict)
        self._admitted: dict[RowRef, Work] = {}
        self._taken: set[EntityRef] = set()
        self._shared: Counter[EntityRef] = Counter()
        self._parked: defaultdict[EntityRef, list[RowRef]] = defaultdict(list)
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
        """Those that may go on now, what others depend on first; the others are parked."""
        admitted: list[Work] = []
        for work in sorted(works, key=lambda work: _ORDER[work.due.row.entity]):
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

    def _busy(self, work: Work) -> EntityRef | None:
        """The document that this row has to wait for; who came first and waits already goes first."""
        refs = sorted({work.due.ref, *work.linked})
        alone = _alone(work)
        return next((ref for ref in refs if self._closed(ref, shared=ref not in alone)), None)

    def _closed(self, ref: EntityRef, *, shared: bool) -> bool:
        if ref in self._taken:
            return True
        return ref in self._parked if shared else self._shared[ref] > 0

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
        for ref in {work.due.ref, *work.linked}:
            if self._shared[ref] <= 0:
                del self._shared[ref]
                self._unpark(ref)

    def _unpark(self, ref: EntityRef) -> None:
        """All of them: any one may have changed meanwhile, and then would not tell the next."""
        for row in self._parked.pop(ref, ()):
            del self._owner[row]
            self.parked -= 1


def _alone(work: Work) -> set[EntityRef]:
    return {work.due.ref, *(ref for ref in work.linked if ref.entity is Entity.PURCHASE_ORDER)}
