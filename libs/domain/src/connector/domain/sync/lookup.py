"""What a render asked, hit or miss, with the version of each answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId
from connector.domain.ports.configuration import Snapshot
from connector.domain.ports.references import ReferenceEntry, ReferenceKey
from connector.domain.ports.target import Dependency, Json, LinkedObject

from .patterns import Patterns

PARTIES = (Entity.SUPPLIER, Entity.REFERENCE)
"""Many documents use them at once; only documents that build on one document have to take turns."""


@dataclass(slots=True)
class Answers:
    """Links and references known to a batch of rows; a key that is present with None was asked for and is missing."""

    links: dict[EntityRef, tuple[str, LinkedObject] | None] = field(default_factory=dict)
    references: dict[ReferenceKey, ReferenceEntry | None] = field(default_factory=dict)
    linking: dict[str, Sequence[LinkedObject]] = field(default_factory=dict)
    patterns: dict[str, Patterns] = field(default_factory=dict)
    """By mapping table."""


def link_key(ref: EntityRef) -> str:
    return f"link:{ref.key}"


def mapping_key(table: str, key: str) -> str:
    return f"mapping:{table}/{key}"


class RecordingLookup:
    """Answers from memory; questions without an answer yet are collected, and asked before rendering again."""

    def __init__(self, flow: FlowId, configuration: Snapshot, answers: Answers) -> None:
        self._flow = flow
        self._configuration = configuration
        self._answers = answers
        self.used: dict[str, str | None] = {}
        self.unanswered_links: set[EntityRef] = set()
        self.unanswered_references: set[ReferenceKey] = set()
        self.unanswered_linking: set[str] = set()
        self.linked: set[EntityRef] = set()

    @property
    def complete(self) -> bool:
        return not (self.unanswered_links or self.unanswered_references or self.unanswered_linking)

    @property
    def inputs(self) -> list[Dependency]:
        return [Dependency(key, version) for key, version in sorted(self.used.items())]

    def mapping(self, table: str, key: str) -> str | None:
        entry = self._configuration.mappings.get((self._flow, table), {}).get(key)
        self.used[mapping_key(table, key)] = entry.version if entry else None
        return entry.value if entry else None

    def pattern(self, table: str, key: str) -> str | None:
        if table not in self._answers.patterns:
            self._answers.patterns[table] = Patterns(self._configuration.mappings.get((self._flow, table), {}))
        found = self._answers.patterns[table].best(key)
        return self.mapping(table, found if found is not None else key)

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        key = ReferenceKey(connection, kind, code)
        if key not in self._answers.references:
            self.unanswered_references.add(key)
            return None
        entry = self._answers.references[key]
        exists = entry is not None and entry.body is not None
        self.used[str(key)] = entry.version if entry is not None and exists else None
        return entry.body if entry is not None else None

    def link(self, ref: EntityRef) -> LinkedObject | None:
        if ref not in self._answers.links:
            self.unanswered_links.add(ref)
            return None
        answer = self._answers.links[ref]
        self.used[link_key(ref)] = answer[0] if answer else None
        if answer and ref.entity not in PARTIES:
            self.linked.add(ref)
        return answer[1] if answer else None

    def linking(self, key: str) -> Sequence[LinkedObject]:
        if key not in self._answers.linking:
            self.unanswered_linking.add(key)
        return self._answers.linking.get(key, ())
