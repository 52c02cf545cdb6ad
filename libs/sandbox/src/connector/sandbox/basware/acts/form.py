"""Reading what an act is given: one record or a list of them, fields by the vendor's names, amounts exactly."""

import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from connector.sandbox.basware.schema import Table, read, said
from connector.sandbox.basware.tenant import Tenant
from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

One = Callable[[World, Tenant, dict[str, Any]], dict[str, Any]]


def act(world: World, one: One, plural: str) -> Act:
    """An act on one record, or on each of a list given under `plural` (then the results come as a list)."""

    async def done(request: dict[str, Any]) -> Any:
        world.background.settle()
        given = dict(request)
        tenant = world.tenant(given.pop("bwcid", None))
        if plural in given:
            return [one(world, tenant, dict(item)) for item in given[plural]]
        return one(world, tenant, given)

    return done


def values(table: Table, given: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The typed fields. Raises ValueError naming every field that is wrong."""
    typed, problems = read(table, given, strict=True, partial=partial)
    if problems:
        raise ValueError(said(problems))
    return typed


def exact(value: Any) -> Decimal:
    return Decimal(str(value if value is not None else 0))


def total(items: Iterable[dict[str, Any]], *names: str) -> Decimal:
    return sum((exact(item.get(name)) for item, name in itertools.product(list(items), names)), Decimal(0))


def required(given: dict[str, Any], name: str) -> Any:
    if name not in given:
        raise ValueError(f"{name} is required")
    return given[name]
