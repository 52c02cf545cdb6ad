"""The company's records: tables with indexes and row versions, divisions, and the site that holds them."""

import random
import uuid
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connector.sandbox.core.clock import SandboxClock

from .errors import FunctionalError
from .feeds import DELETED, ENTITIES
from .schema import Entity, Row, plain
from .settings import REGIONS, Settings

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def index_key(value: Any) -> Any:
    """Texts compare as the vendor's database does: blanks at the end do not count, those in front do."""
    return value.rstrip() if isinstance(value, str) else value


class Table:
    """Rows of one entity by key, with indexes and the order of their last changes."""

    def __init__(self, entity: Entity, next_version: Callable[[], int]) -> None:
        self.entity = entity
        self.rows: dict[Any, Row] = {}
        self.deleted: list[Row] = []
        self._next_version = next_version
        self._index: dict[str, dict[Any, dict[Any, None]]] = {name: {} for name in entity.indexed}
        self._changes: list[tuple[int, datetime, Any]] = []

    def put(self, row: Row, at: datetime) -> None:
        key = row[self.entity.key]
        if (old := self.rows.get(key)) is not None:
            self._unindex(key, old)
        row["Timestamp"] = self._next_version()
        self.rows[key] = row
        for name, index in self._index.items():
            index.setdefault(index_key(row.get(name)), {})[key] = None
        self._changes.append((row["Timestamp"], row.get("Modified") or at, key))
        if len(self._changes) > 2 * len(self.rows) + 1000:
            self._changes = [change for change in self._changes if self._current(change)]

    def remove(self, key: Any) -> Row:
        row = self.rows.pop(key)
        self._unindex(key, row)
        self.deleted.append(row)
        return row

    def drop(self, keys: Iterable[Any]) -> None:
        """Take rows out without keeping them as deleted ones (rows of feeds)."""
        for key in keys:
            if (row := self.rows.pop(key, None)) is not None:
                self._unindex(key, row)

    def _unindex(self, key: Any, row: Row) -> None:
        for name, index in self._index.items():
            value = index_key(row.get(name))
            keys = index[value]
            del keys[key]
            if not keys:
                del index[value]

    def _current(self, change: tuple[int, datetime, Any]) -> bool:
        row = self.rows.get(change[2])
        return row is not None and row["Timestamp"] == change[0]

    def indexed(self, name: str) -> bool:
        return name == self.entity.key or name in self._index

    def keys_where(self, name: str, value: Any) -> Iterable[Any]:
        """Keys of rows whose indexed field has this value."""
        if name == self.entity.key:
            return (value,) if value in self.rows else ()
        return self._index[name].get(index_key(value), ())

    def where(self, name: str, value: Any) -> list[Row]:
        return [self.rows[key] for key in self.keys_where(name, value)]

    def one(self, name: str, value: Any) -> Row | None:
        return next((self.rows[key] for key in self.keys_where(name, value)), None)

    def changed_after(self, version: int) -> Iterator[Any]:
        """Keys in order of their row versions, above the given one."""
        start = bisect_right(self._changes, version, key=lambda change: change[0])
        return (change[2] for change in self._changes[start:] if self._current(change))

    def modified_since(self, at: datetime) -> Iterator[Any]:
        start = bisect_left(self._changes, at, key=lambda change: change[1])
        return (change[2] for change in self._changes[start:] if self._current(change))

    def version_before(self, at: datetime) -> int:
        """The highest row version of a change made before this time; 1 when there is none."""
        end = bisect_left(self._changes, at, key=lambda change: change[1])
        return self._changes[end - 1][0] if end else 1

    def renumber(self, at: datetime) -> None:
        """Give every row a new version, in the order of the old ones."""
        rows = sorted(self.rows.values(), key=lambda row: row["Timestamp"])
        self._changes = []
        for row in rows:
            row["Timestamp"] = self._next_version()
            self._changes.append((row["Timestamp"], row.get("Modified") or at, row[self.entity.key]))


@dataclass(slots=True)
class User:
    id: str
    user_name: str
    full_name: str
    divisions: list[int]
    current_division: int
    language: str = "EN"
    denied: set[tuple[str, str]] = field(default_factory=set)
    """Endpoint in lower case and action this user has no right for; `*` stands for any of either."""
    blocked_reason: str | None = None
    """BlockedUser, InactiveUser, LicenseExpired: every call is refused with this `Reason`."""

    def may(self, endpoint: str, action: str) -> bool:
        endpoint, action = endpoint.lower(), action.upper()
        wanted = {(endpoint, action), (endpoint, "*"), ("*", action), ("*", "*")}
        return not wanted & self.denied


@dataclass(slots=True)
class Actor:
    """Who changes a record: a person at the screen, or an app through the API on a user's behalf."""

    user: User
    client_id: str | None = None

    @property
    def through_api(self) -> bool:
        return self.client_id is not None


class Division:
    """One company: its tables, its row versions, its own settings."""

    def __init__(self, code: int, description: str, currency: str, country: str, world: "World") -> None:
        self.code, self.description, self.currency, self.country = code, description, currency, country
        self.world = world
        self.hid = world.random.randrange(1000, 9999)
        self.customer = world.new_id()
        self.created = world.local_now()
        self.move_date: datetime | None = None
        self.status = 1
        self.blocked_reason: str | None = None
        self.purchase_module = True
        self.order_feed = True
        """The order feed exists only in the larger packages."""
        self.payment_condition: str | None = None
        """Code of the condition that applies where neither document nor supplier names one."""
        self.rates: dict[str, Decimal] = {}
        """Exchange rates: own currency per foreign unit."""
        self.closed_periods: set[tuple[str, int, int]] = set()
        """Journal, year and period that take no more entries."""
        self._version = 4_000_000 + world.random.randrange(1_000_000)
        self._deleted_version = 1_000_000 + world.random.randrange(1_000_000)
        self.numbers: Counter[str] = Counter()
        paths = {entity.table for entity in ENTITIES.values() if entity.table}
        self.tables = {path: self._table(path) for path in paths if path != "system/Divisions"}

    def _table(self, path: str) -> Table:
        return Table(ENTITIES[path.lower()], self.next_deleted_version if path == DELETED.path else self.next_version)

    def next_version(self) -> int:
        self._version += 1 + self.world.random.randrange(3)
        return self._version

    def next_deleted_version(self) -> int:
        self._deleted_version += 1 + self.world.random.randrange(3)
        return self._deleted_version

    def move(self) -> None:
        """The company moves to another database: all row versions start anew, from lower numbers."""
        self.move_date = self.world.local_now()
        self._version = self._deleted_version = 1000
        for table in self.tables.values():
            table.renumber(self.move_date)

    def table(self, entity: Entity) -> Table:
        return self.tables[entity.table]

    def referred(self, entity: Entity, row: Row, name: str) -> Row | None:
        """The record a field refers to."""
        value = row.get(name)
        if value is None or value == "":
            return None
        reference = entity.references[name]
        return self.tables[reference.table].one(reference.target_field, value)

    def value(self, entity: Entity, row: Row, name: str) -> Any:
        """A field as it reads today: joined fields follow the record they come from."""
        joined = entity.joined.get(name)
        if joined is None:
            return row.get(name)
        target = self.referred(entity, row, joined.via)
        if target is None:
            return None
        return self.value(self.tables[entity.references[joined.via].table].entity, target, joined.target_field)

    def by_code(self, path: str, code: str | None) -> Row | None:
        return None if code is None else self.tables[path].one("Code", code)

    def decimals(self, currency: str | None) -> Decimal:
        """The smallest amount of a currency, for rounding."""
        row = self.by_code("general/Currencies", currency)
        return row["AmountPrecision"] if row and row.get("AmountPrecision") else Decimal("0.01")

    def save(self, entity: Entity, row: Row, actor: Actor) -> Row:
        """Stamp and store a row (a new one when its key is new)."""
        now = self.world.local_now()
        if "Division" in entity.fields:
            row["Division"] = self.code
        old = self.table(entity).rows.get(row[entity.key])
        if "Created" in entity.fields:
            row["Created"] = old["Created"] if old else now
            row["Creator"] = old["Creator"] if old else actor.user.id
            row["CreatorFullName"] = old["CreatorFullName"] if old else actor.user.full_name
        if "Modified" in entity.fields:
            row["Modified"], row["Modifier"], row["ModifierFullName"] = now, actor.user.id, actor.user.full_name
        self.table(entity).put(row, now)
        return row

    def note_deleted(self, key: str, entity_type: int, actor: Actor) -> None:
        now = self.world.local_now()
        self.tables[DELETED.path].put(
            {"ID": self.world.new_id(), "EntityKey": key, "EntityType": entity_type, "DeletedDate": now,
             "DeletedBy": actor.user.id, "Division": self.code}, now,
        )  # fmt: skip

    def notify(self, entity: Entity, action: str, key: str, actor: Actor, times: int = 1) -> None:
        if entity.topic:
            for _ in range(times):
                self.world.notify(self, entity, action, key, actor)

    def forget_old_deletions(self) -> None:
        limit = self.world.local_now() - timedelta(seconds=self.world.settings.deleted_kept_s)
        table = self.tables[DELETED.path]
        table.drop([key for key, row in table.rows.items() if row["DeletedDate"] < limit])

    def as_row(self, user: User | None) -> Row:
        return {
            "Code": self.code, "Description": self.description, "Hid": self.hid, "HID": self.hid,
            "Country": self.country,
            "Currency": self.currency, "Customer": self.world.customer, "CustomerCode": "1000001",
            "CustomerName": "Voorbeeld Holding", "VATNumber": "NL001234567B01", "ChamberOfCommerceNumber": "12345678",
            "Legislation": "1", "Status": self.status, "BlockingStatus": 1 if self.blocked_reason else 0,
            "Current": user is not None and user.current_division == self.code,
            "IsMainDivision": self.code == min(self.world.divisions), "Main": self.code == min(self.world.divisions),
            "DivisionMoveDate": self.move_date, "Created": self.created, "Modified": self.created,
        }  # fmt: skip


class World:
    """One site: its clock and chance, its users and divisions."""

    def __init__(self, clock: SandboxClock, seed: int, settings: Settings) -> None:
        self.clock, self.settings = clock, settings
        self.random = random.Random(f"{settings.region}-{seed}")
        self.base_url = f"https://start.exactonline.{REGIONS[settings.region]}"
        self.users: dict[str, User] = {}
        self.divisions: dict[int, Division] = {}
        self.customer = self.new_id()
        self.notify: Callable[[Division, Entity, str, str, Actor], None] = lambda *_: None

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def utc_offset(self) -> timedelta:
        if not self.settings.dates_follow_dst:
            return timedelta(hours=1)
        return self.clock.now().astimezone(AMSTERDAM).utcoffset() or timedelta()

    def local_now(self) -> datetime:
        """Wall-clock time at the vendor, to the millisecond."""
        now = self.clock.now()
        local = (now.astimezone(UTC) + self.utc_offset()).replace(tzinfo=None)
        return local.replace(microsecond=local.microsecond // 1000 * 1000)

    def division(self, code: Any) -> Division:
        """The division an act names; the first one when it names none."""
        if code is None:
            return self.divisions[min(self.divisions)]
        if int(code) not in self.divisions:
            raise FunctionalError(f"Unknown: Division {code} (there are {sorted(self.divisions)})")
        return self.divisions[int(code)]

    def user(self, name: str | None) -> User:
        if name is None:
            return next(iter(self.users.values()))
        for user in self.users.values():
            if name in (user.id, user.user_name):
                return user
        raise FunctionalError(f"Unknown: User {name}")

    def dump(self) -> dict[str, list[Row]]:
        """All records of all divisions by entity; deleted ones carry `_deleted`."""
        found: dict[str, list[Row]] = {"system/Divisions": [], "users/Users": []}
        for user in self.users.values():
            found["users/Users"].append({"UserID": user.id, "UserName": user.user_name, "FullName": user.full_name})
        for division in self.divisions.values():
            found["system/Divisions"].append({name: plain(value) for name, value in division.as_row(None).items()})
            for path, table in division.tables.items():
                rows = found.setdefault(path, [])
                rows.extend(_dumped(division, table.entity, row) for row in table.rows.values())
                rows.extend({**_dumped(division, table.entity, row), "_deleted": True} for row in table.deleted)
        return found


def _dumped(division: Division, entity: Entity, row: Row) -> Row:
    return {"Division": division.code, **{name: plain(division.value(entity, row, name)) for name in entity.fields}}


def rounded(amount: Decimal, smallest: Decimal) -> Decimal:
    """Commercial rounding to a currency's smallest amount."""
    return (amount / smallest).quantize(Decimal(1), rounding=ROUND_HALF_UP) * smallest + 0  # no minus zero
