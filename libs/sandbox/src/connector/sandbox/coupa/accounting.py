"""Lookups, lookup values and accounts; on a dynamic chart an account comes into being when it is first used."""

from collections.abc import Mapping
from typing import Any

from .fields import Record
from .rules import Rules
from .schema import ACCOUNT, SEGMENTS
from .store import Instance, Segment, Unit


def resolve_account(unit: Unit, holder: Record, raw: Mapping[str, Any]) -> Record | None:
    """By id, by segments or by code, within a chart; None if there is no such account and none can come into being.

    Says why (`account: Segment 1 - Cost Center can't be blank`) when the request is a create.
    """
    instance = unit.instance
    if raw.get("id") not in (None, ""):
        found = instance["accounts"].find("id", int(raw["id"]) if str(raw["id"]).isdigit() else None)
        return found[0] if found and _usable(unit, found[0]) else None
    chart = _chart_of(instance, holder, raw.get("account-type"))
    segments = {name: str(raw[name]) for name in SEGMENTS if raw.get(name) not in (None, "")}
    code = str(raw.get("code") or "")
    if chart is None or not (segments or code):
        return _only_one(instance, code) if code and raw.get("account-type") is None else None
    joined = "-".join(segments[name] for name in SEGMENTS if name in segments)
    existing = [one for one in instance["accounts"].find("code", code or joined) if one.one("account-type") is chart]
    matching = [one for one in existing if all(one.values.get(name) == value for name, value in segments.items())]
    if matching:
        return matching[0] if _usable(unit, matching[0]) else None
    pending = next((a for a in unit.created if a.kind is ACCOUNT and a.values["code"] == (code or joined)), None)
    return pending or _come_into_being(unit, chart, segments, code)


def _come_into_being(unit: Unit, chart: Record, segments: dict[str, str], code: str) -> Record | None:
    layout = unit.instance.charts.get(chart.id)
    if not chart.flag("dynamic-flag") or layout is None:
        return None
    if not segments:
        parts = code.split("-")
        if len(parts) > len(layout):
            return None
        segments = dict(zip(SEGMENTS, parts, strict=False))
    if not _segments_exist(unit, layout, segments):
        return None
    account = unit.create(ACCOUNT)
    account.values.update(segments)
    account.values["account-type"] = chart
    account.values["code"] = "-".join(segments[name] for name in SEGMENTS[: len(layout)])
    account.values["name"] = account.values["code"]
    return account


def _segments_exist(unit: Unit, layout: list[Segment], segments: Mapping[str, str]) -> bool:
    complete = True
    for number, (name, segment) in enumerate(zip(SEGMENTS, layout, strict=False), start=1):
        problem = _segment_problem(unit.instance, segment, segments.get(name, ""))
        if problem:
            complete = False
            if unit.creating and unit.settings.unknown_reference_on_create == "reject":
                unit.fail("account", f"Segment {number} - {segment.name} {problem}")
    return complete


def _segment_problem(instance: Instance, segment: Segment, value: str) -> str:
    if not value:
        return "can't be blank"
    known = [v for v in instance["lookup_values"].find("external-ref-num", value) if v.one("lookup") is segment.lookup]
    if not known:
        return f"{value} is not a value of {segment.lookup.text('name')}"
    return "" if any(v.flag("active") for v in known) else f"{value} is inactive"


def _usable(unit: Unit, account: Record) -> bool:
    """An account can be used while it and the lookup values behind its segments are active."""
    chart = account.one("account-type")
    layout = unit.instance.charts.get(chart.id) if chart else None
    if not account.flag("active"):
        return False
    if chart is None or layout is None or not chart.flag("dynamic-flag"):
        return True
    return _segments_exist(unit, layout, {name: account.text(name) for name in SEGMENTS})


def _chart_of(instance: Instance, holder: Record, raw: Any) -> Record | None:
    """The chart the reference names, else the one of the document that holds it."""
    types = instance["account_types"]
    if isinstance(raw, Mapping):
        if raw.get("id") not in (None, ""):
            found = types.find("id", int(raw["id"]) if str(raw["id"]).isdigit() else None)
        else:
            found = types.find("name", str(raw.get("name") or ""))
        return found[0] if found else None
    one: Record | None = holder
    while one is not None:
        if (chart := one.one("account-type")) is not None:
            return chart
        one = one.owner
    return None


def _only_one(instance: Instance, code: str) -> Record | None:
    found = instance["accounts"].find("code", code)
    return found[0] if len(found) == 1 else None


def settle_account(unit: Unit, account: Record) -> None:
    chart = account.one("account-type")
    if chart is None:
        return
    if chart.flag("dynamic-flag") and unit.is_new(account) and unit.settings.reject_account_post_on_dynamic_chart:
        unit.fail(
            "account", "can't be created on a dynamic chart of accounts: it comes into being from its lookup values"
        )
    given = [account.text(name) for name in SEGMENTS if account.text(name)]
    unit.set(account, "code", "-".join(given))


def settle_account_type(unit: Unit, chart: Record) -> None:
    """A dynamic chart names the lookup behind each of its segments."""
    layout = []
    for given in chart.values.get("segments") or ():
        found = unit.instance["lookups"].find("name", given["lookup"])
        if not found:
            unit.fail("segments", f"there is no lookup {given['lookup']}")
            return
        layout.append(Segment(given.get("name") or given["lookup"], found[0]))
    if layout:
        unit.instance.charts[chart.id] = layout


def settle_lookup_value(unit: Unit, value: Record) -> None:
    """`external-ref-code` joins the numbers from the root; a value's parent is one of the same lookup."""
    parent = value.one("parent")
    if parent is not None and parent.one("lookup") is not value.one("lookup"):
        unit.fail("parent", "must be a value of the same lookup")
        return
    number = value.text("external-ref-num")
    separator = unit.settings.external_ref_code_separator
    code = number if parent is None else f"{parent.text('external-ref-code')}{separator}{number}"
    unit.set(value, "external-ref-code", code or None)
    unit.set(value, "depth", 1 if parent is None else (parent.whole("depth") or 1) + 1)


ACCOUNT_RULES = Rules(settle_account)
ACCOUNT_TYPE_RULES = Rules(settle_account_type)
LOOKUP_VALUE_RULES = Rules(settle_lookup_value)
