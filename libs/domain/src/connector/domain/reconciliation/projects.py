"""A project's books: what is committed and invoiced on each of its cost codes, at the source and in the target."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from connector.domain.documents.envelope import AnyRecord
from connector.domain.ports.target import Json

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where cost belongs."""

    project: str
    code: str


@dataclass(frozen=True, slots=True)
class Figures:
    """`committed` by orders' net amounts, `invoiced` by what invoices cost: net and the VAT that nobody gives back."""

    committed: Decimal = ZERO
    invoiced: Decimal = ZERO

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(self.committed + other.committed, self.invoiced + other.invoiced)


@dataclass(frozen=True, slots=True)
class Coded:
    """A source document, and what its parts in the target keep of its coding (nothing: it was not written)."""

    record: AnyRecord
    coding: Mapping[str, Json]
    state: str
    """Its row's."""


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A document of the source that has no place in the target (yet), and what it is worth."""

    document: str
    number: str | None
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Books:
    """One side's figures. Only the source's side has documents without a place."""

    figures: Mapping[Place, Figures]
    unplaced: Sequence[Unplaced] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One project and cost code, both sides."""

    place: Place
    source: Figures
    target: Figures

    @property
    def agrees(self) -> bool:
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Reconciliation:
    rows: Sequence[Row]
    unplaced: Sequence[Unplaced] = field(default_factory=tuple)

    @property
    def differences(self) -> Sequence[Row]:
        return [row for row in self.rows if not row.agrees]


def summed(figures: Iterable[tuple[Place, Figures]]) -> dict[Place, Figures]:
    sums: dict[Place, Figures] = {}
    for place, one in figures:
        sums[place] = sums.get(place, Figures()) + one
    return sums


def reconcile(source: Books, target: Books) -> Reconciliation:
    """Every place that either side has figures for, in order."""
    places = sorted(source.figures.keys() | target.figures.keys())
    rows = [Row(place, source.figures.get(place, Figures()), target.figures.get(place, Figures())) for place in places]
    return Reconciliation([row for row in rows if row.source != Figures() or row.target != Figures()], source.unplaced)
