"""What a story is: a company's month in the vendors' sandboxes, and what must have become of each document."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol


class Size(StrEnum):
    SMALL = "small"
    NORMAL = "normal"


class Fate(StrEnum):
    """Where a document must be at the end."""

    MIRRORED = "mirrored"
    """In the target, with the source's figures."""
    ENDED = "ended"
    """Mirrored, then cancelled, closed or voided there, because the source ended it."""
    BLOCKED = "blocked"
    EXCLUDED = "excluded"
    REJECTED = "rejected"


@dataclass(slots=True)
class Expected:
    """One document's fate. `reasons`: for a blocked or excluded one, the codes of which it must show at least one."""

    entity: str
    native_id: str
    number: str
    fate: Fate
    reasons: frozenset[str] = frozenset()
    case: str = ""
    """What it stands for, in words."""


class Book:
    """The expected fates, by entity and native id; a later entry replaces an earlier one."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, str], Expected] = {}

    def expect(
        self, entity: str, native_id: str, number: str, fate: Fate = Fate.MIRRORED, *reasons: str, case: str = ""
    ) -> None:
        self._pages[entity, native_id] = Expected(entity, native_id, number, fate, frozenset(reasons), case)

    def turn(self, entity: str, native_id: str, fate: Fate, *reasons: str, case: str = "") -> None:
        """The document's fate changes."""
        known = self._pages[entity, native_id]
        self.expect(entity, native_id, known.number, fate, *reasons, case=case or known.case)

    def of(self, entity: str) -> list[Expected]:
        return [page for (kind, _), page in self._pages.items() if kind == entity]

    def get(self, entity: str, native_id: str) -> Expected | None:
        return self._pages.get((entity, native_id))

    def __iter__(self) -> Iterator[Expected]:
        return iter(self._pages.values())


@dataclass(frozen=True, slots=True)
class Said:
    """What the connector says of one document: its row's state, and the codes of its reasons."""

    entity: str
    native_id: str
    number: str | None
    state: str
    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class Difference:
    entity: str
    number: str
    what: str
    source: str
    target: str


@dataclass(slots=True)
class Counted:
    source: int = 0
    target: int = 0
    blocked: int = 0
    rejected: int = 0
    excluded: int = 0

    @property
    def adds_up(self) -> bool:
        return self.source == self.target + self.blocked + self.rejected + self.excluded


@dataclass(slots=True)
class Comparison:
    """Both sides side by side."""

    documents: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    totals: dict[str, dict[str, list[Decimal]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: [Decimal(0), Decimal(0)]))
    )
    """By entity and currency: source, target."""
    differences: list[Difference] = field(default_factory=list)
    doubled: int = 0
    blocked_reasons: Counter[str] = field(default_factory=Counter)

    @property
    def agree(self) -> bool:
        return not self.differences and not self.doubled and all(c.adds_up for c in self.documents.values())

    def differ(self, entity: str, number: str, what: str, source: object, target: object) -> None:
        self.differences.append(Difference(entity, number, what, str(source), str(target)))

    def add(self, entity: str, currency: str, source: Decimal, target: Decimal) -> None:
        sums = self.totals[entity][currency]
        sums[0] += source
        sums[1] += target

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": {entity: asdict(counted) for entity, counted in sorted(self.documents.items())},
            "totals": {
                entity: {
                    currency: {"source": f"{source.normalize():f}", "target": f"{target.normalize():f}"}
                    for currency, (source, target) in sorted(currencies.items())
                }
                for entity, currencies in sorted(self.totals.items())
            },
            "differences": [asdict(difference) for difference in self.differences],
            "doubled": self.doubled,
            "blocked_reasons": dict(sorted(self.blocked_reasons.items())),
        }


@dataclass(frozen=True, slots=True)
class Step:
    """A few days of the month. `settled`: only after the connector has carried everything before it. `corrects`: both
    sides must agree before it, and the people who set the connector up then apply what the facts call corrected."""

    title: str
    act: Callable[[], Awaitable[None]]
    settled: bool = False
    corrects: bool = False


class Story(Protocol):
    """One flow's month. It knows the sandboxes' control ports and nothing of the connector."""

    book: Book

    @property
    def switches(self) -> Mapping[str, Mapping[str, Any]]:
        """Settings of each sandbox, by system, to be set before anything happens."""
        ...

    @property
    def facts(self) -> Mapping[str, Any]:
        """What whoever sets the connector up for this company has to know of it."""
        ...

    async def prepare(self) -> None:
        """Everything that exists before the connector is connected."""
        ...

    @property
    def rehearsal(self) -> Sequence[Step]:
        """What happens while the flow is in dry run."""
        ...

    @property
    def month(self) -> Sequence[Step]:
        """What happens once it is live."""
        ...

    async def compare(self, said: Sequence[Said]) -> Comparison: ...
