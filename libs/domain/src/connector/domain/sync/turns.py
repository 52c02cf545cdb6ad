"""Which rows are in hand, whose they are, and whose turn it is where several concern the same document."""

from collections import defaultdict, deque
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

    Of rows that concern one document, one is active; the others are parked until it is done.
    """

    def __init__(self) -> None:
        self._owner: dict[RowRef, object] = {}
        self._owned: defaultdict[object, set[RowRef]] = defaultdict(set)
        self._refs: dict[RowRef, frozenset[EntityRef]] = {}
        self._busy: set[EntityRef] = set()
        self._parked: defaultdict[EntityRef, deque[RowRef]] = defaultdict(deque)
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
                self._owned[self._owner[row]].discard(row)
            self._owner[row] = owner
            self._owned[owner].add(row)

    def admit(self, works: Sequence[Work]) -> list[Work]:
        """Those that may go on now, what others depend on first; the others are parked."""
        admitted: list[Work] = []
        for work in sorted(works, key=lambda work: _ORDER[work.due.row.entity]):
            row = work.due.row
            busy = next((ref for ref in work.serial if ref in self._busy), None)
            if busy is None:
                self._busy |= work.serial
                self._refs[row] = work.serial
                admitted.append(work)
            else:
                self._owned[self._owner[row]].discard(row)
                self._parked[busy].append(row)
                self.parked += 1
        return admitted

    def end(self, owner: object) -> None:
        """The task's rows can be claimed again, and so can the next ones that were parked behind them."""
        for row in self._owned.pop(owner, ()):
            del self._owner[row]
            for ref in self._refs.pop(row, ()):
                self._busy.discard(ref)
                self._unpark(ref)

    def _unpark(self, ref: EntityRef) -> None:
        queue = self._parked.get(ref)
        if not queue:
            return
        del self._owner[queue.popleft()]
        self.parked -= 1
        if not queue:
            del self._parked[ref]
