"""From an entry as Exact shows it to the entry that is wanted.

What can be changed on an open entry is changed; anything else replaces it, since Exact takes new lines only with a new
entry. An entry that does not show what was sent is taken back while it is open, and a person looks at the difference.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from connector.domain.digest import digest
from connector.domain.ports.target import Found, Json, Part, Plan, Step, TargetObject, Verb
from connector.domain.reasons import Reason
from connector.domain.sync.measures import differences as measured

from .entries import OPEN_ENTRY, RESOURCE, compared

UPDATABLE = ("YourRef", "EntryDate", "DueDate", "PaymentCondition", "Document")
NUMBERS = ("AmountFC", "VATAmountFC")
UNDO = "undo"


def plan(part: Part, known: TargetObject | None, now: Found | None) -> Plan:
    if part.gone:
        return _take_back(part, now)
    if now is None:
        return _make(part, known)
    wrong = list(_differences(part, now))
    if not wrong:
        return Plan(Verb.NONE)
    if not now.live:
        message = f"Entry {now.extra['number']} was rejected in Exact."
        return Plan(Verb.FROZEN, reason=_reason(part, "refused-in-target", message, "Correct it, then transfer again."))
    if now.status != str(OPEN_ENTRY):
        message = f"It is booked as entry {now.extra['number']}, processed, and the invoice is another by now."
        fix = "Correct the booking in Exact by hand, or withdraw the change at the source."
        return Plan(Verb.FROZEN, reason=_reason(part, "booked-in-target", message, fix))
    if known is not None and known.extra.get("tried") == _tried(part):
        return _undo(part, now, wrong)
    return _change(part, known, now, wrong)


def _make(part: Part, known: TargetObject | None) -> Plan:
    """A new entry; but not again what was just taken back, nor what people deleted since: that takes a new round."""
    reached = known.step_reached if known is not None else None
    if reached is not None and reached.startswith(UNDO) and not part.frozen.get("again"):
        return _differs(part, reached.removeprefix(f"{UNDO}: "))
    if known is not None and reached is None and known.frozen.get("round") == part.frozen.get("round"):
        message = f"Entry {known.extra.get('number')} was deleted in Exact."
        fix = "Have the invoice transferred again at the source, or leave it: it stays as it is."
        return Plan(Verb.FROZEN, reason=_reason(part, "refused-in-target", message, fix))
    return Plan(Verb.CREATE, [_create(part)])


def _differences(part: Part, now: Found) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, actual) of the header, the lines, and the figures both sides must agree on."""
    shown = now.projection["header"]
    for name, wanted in _header(part).items():
        if name != "Description" and str(wanted) != str(shown.get(name)):
            yield name, wanted, shown.get(name)
    ours, theirs = list(part.wanted["lines"]), list(now.projection["lines"])
    with_vat = [line["VATAmountFC"] is not None for line in ours]
    theirs_with = with_vat if len(theirs) == len(ours) else [True] * len(theirs)
    wanted_lines = Counter(compared(line, vat) for line, vat in zip(ours, with_vat, strict=True))
    shown_lines = Counter(compared(line, vat) for line, vat in zip(theirs, theirs_with, strict=True))
    if wanted_lines != shown_lines:
        yield "lines", sorted(map(str, (wanted_lines - shown_lines))), sorted(map(str, (shown_lines - wanted_lines)))
    yield from measured(part.measure, now.measure)


def _header(part: Part) -> dict[str, Any]:
    header = dict(part.wanted["header"])
    if part.wanted["image"] and "image" in part.siblings:
        header["Document"] = part.siblings["image"]
    return header


def _change(part: Part, known: TargetObject | None, now: Found, wrong: list[tuple[str, Any, Any]]) -> Plan:
    if all(what in UPDATABLE for what, _, _ in wrong):
        body = {what: expected for what, expected, _ in wrong} | {"Description": part.wanted["header"]["Description"]}
        step = f"update-{digest(body)[:8]}"
        if known is not None and known.step_reached == step:
            return _differs(part, _told(wrong))
        return Plan(Verb.UPDATE, [_step(part, step, "PUT", now, body)])
    return Plan(Verb.REPLACE, [_step(part, "replace", "DELETE", now, None)])


def _take_back(part: Part, now: Found | None) -> Plan:
    if now is None or not now.live:
        return Plan(Verb.NONE)
    if now.status != str(OPEN_ENTRY):
        message = f"It is gone at its source, and booked as entry {now.extra['number']}, which is processed."
        return Plan(Verb.FROZEN, reason=_reason(part, "booked-in-target", message, "Reverse the entry in Exact."))
    return Plan(Verb.CANCEL, [_step(part, "delete", "DELETE", now, None)])


def _undo(part: Part, now: Found, wrong: list[tuple[str, Any, Any]]) -> Plan:
    return Plan(Verb.CANCEL, [_step(part, f"{UNDO}: {_told(wrong)}", "DELETE", now, None)])


def _told(wrong: list[tuple[str, Any, Any]]) -> str:
    return "; ".join(f"{what} expected {expected}, actual {actual}" for what, expected, actual in wrong)[:400]


def _differs(part: Part, told: str) -> Plan:
    fix = "Compare both documents; put Exact's VAT codes or the mapping right, then: connector release."
    message = f"Exact shows other figures than were sent: {told}."
    return Plan(Verb.FROZEN, reason=_reason(part, "target-differs", message, fix))


def _reason(part: Part, code: str, message: str, fix: str) -> Reason:
    return Reason(code=code, message=message, fix=fix, field=part.name)


def _tried(part: Part) -> str:
    return digest(_body(part))


def _body(part: Part) -> dict[str, Any]:
    return {
        **_header(part),
        "ExternalLinkReference": part.stamp,
        "PurchaseEntryLines": [_line(line) for line in part.wanted["lines"]],
    }


def _line(line: Json) -> dict[str, Any]:
    return {
        name: Decimal(value) if name in NUMBERS else value
        for name, value in line.items()
        if value is not None and name != "gl"
    }


def _create(part: Part) -> Step:
    return Step(
        name="create",
        part=part.name,
        method="POST",
        resource=RESOURCE,
        body=_body(part),
        natural_key=part.natural_key,
        creates=True,
    )


def _step(part: Part, name: str, method: str, now: Found, body: Json | None) -> Step:
    return Step(name, part.name, method, RESOURCE, body, target_id=now.target_id, natural_key=part.natural_key)
