"""External purchase orders: required parts, versions, and the actions that move them."""

from decimal import ROUND_HALF_UP, Decimal

from .fields import Record
from .rules import Action, Payload, Rules, require_status
from .schema import ORDER_LINE
from .store import Rejected, Transmission, Unit

HOLDS = ("buyer_hold", "supplier_hold", "supplier_window_hold", "currency_hold")
NEW_VERSION = ("price", "quantity", "item")
"""What the supplier must hear of again; accounting changes do not make a version."""
FREE_AT_THE_END = frozenset(
    {"exported", "last-exported-at", "internal-revision", "custom-fields", "status", "updated-at"}
)
SENT_AS = {"cxml": "scheduled_for_cxml", "email": "scheduled_for_email", "prompt": "pending_manual",
           "mark_as_sent": "sent_manually", "buy_online": "purchased_online"}  # fmt: skip


def currency_round(amount: Decimal, currency: Record | None) -> Decimal:
    """Half up to the currency's decimals, 2 where none is known."""
    decimals = currency.whole("decimals") if currency else None
    return amount.quantize(Decimal(1).scaleb(-(2 if decimals is None else decimals)), ROUND_HALF_UP)


def line_total(line: Record, currency: Record | None) -> Decimal:
    """Price times quantity; an amount line's price is its amount."""
    if line.text("type").endswith("AmountLine"):
        return currency_round(line.amount("price"), currency)
    return currency_round(line.amount("price") * line.amount("quantity"), currency)


def settle_lines(unit: Unit, lines: list[Record], currency: Record | None) -> None:
    """What order lines and invoice lines have in common: kind, total, currency, the split of the accounting."""
    for line in lines:
        quantity = line.values.get("quantity")
        if line.text("type").endswith("QuantityLine") and quantity is None:
            unit.fail(f"{line.kind.root}.quantity", "can't be blank")
        if line.text("type").endswith("AmountLine") and quantity is not None:
            unit.fail(f"{line.kind.root}.quantity", "must be blank on an amount line")
        own = line.one("currency")
        if own is not None and currency is not None and own is not currency:
            unit.fail(f"{line.kind.root}.currency", "must be the currency of the document")
        if not unit.errors:
            unit.set(line, "total", line_total(line, own or currency))
            _settle_split(unit, line)


def _settle_split(unit: Unit, line: Record) -> None:
    split = line.many("account-allocations")
    percent = sum((part.amount("pct") for part in split), Decimal(0))
    if split and percent != 100 and unit.settings.allocations_must_sum_to_100:
        unit.fail("account", f"the allocations' pct must sum to 100, not {percent}")
    for part in split:
        if part.values.get("amount") is None:
            unit.set(
                part, "amount", currency_round(line.amount("total") * part.amount("pct") / 100, line.one("currency"))
            )


def settle_order(unit: Unit, order: Record) -> None:
    new = unit.is_new(order)
    if new:
        _check_creation(unit, order)
    _default_currency(unit, order)
    _number_lines(unit, order)
    settle_lines(unit, order.many("order-lines"), order.one("currency"))
    _check_ship_to(unit, order)
    if unit.errors:
        return
    if new:
        unit.set(order, "status", "draft" if unit.person else unit.settings.order_status_after_create)
        unit.set(order, "version", order.whole("version") or 1)
        unit.set(order, "internal-revision", 1)
        unit.set(order, "transmission-status", "created")
        _mirror_status(unit, order)
    elif unit.has_changed(order):
        _settle_change(unit, order)


def _check_creation(unit: Unit, order: Record) -> None:
    external = order.text("type") == "ExternalOrderHeader"
    if not unit.person and not external:
        unit.fail("type", "only an ExternalOrderHeader can be created here")
    if not unit.person and not unit.settings.external_orders_enabled:
        unit.fail("base", "External purchase orders are not enabled on this instance")
    supplier = order.one("supplier")
    if supplier is not None and supplier.text("status") != "active":
        unit.fail("supplier", "must be active")
    if not order.many("order-lines"):
        unit.fail("order-lines", "can't be blank")


def _check_ship_to(unit: Unit, order: Record) -> None:
    if unit.errors.get("ship-to-address") == ["is not known"]:
        unit.errors["ship-to-address"] = ["Invalid Ship-To Address"]


def _default_currency(unit: Unit, order: Record) -> None:
    if order.one("currency") is None:
        lines = order.many("order-lines")
        first = lines[0].one("currency") if lines else None
        unit.set(order, "currency", first)


def _number_lines(unit: Unit, order: Record) -> None:
    lines = order.many("order-lines")
    taken = {line.text("line-num") for line in lines} - {""}
    if len(taken) < sum(1 for line in lines if line.text("line-num")):
        unit.fail("order-line.line-num", "has already been taken")
    free = (str(n) for n in range(1, 2 + 2 * len(lines)) if str(n) not in taken)
    for line in lines:
        unit.set(line, "order-header-number", order.text("po-number"))
        unit.set(line, "order-header-id", order.id)
        if not line.text("line-num"):
            unit.set(line, "line-num", next(free))
        for name in ("invoiced", "received"):
            if line.values.get(name) is None:
                unit.set(line, name, Decimal(0))


def _settle_change(unit: Unit, order: Record) -> None:
    _check_editable(unit, order)
    before, sent = unit.before(order, "version"), order.whole("version")
    if sent is None or sent < before:
        unit.fail("version", f"must be at least {before}")
        return
    _check_removed(unit, order)
    if unit.errors:
        return
    _mirror_status(unit, order)
    unit.set(order, "internal-revision", (order.whole("internal-revision") or 0) + 1)
    if sent > before or (order.text("status") != "draft" and _needs_new_version(unit, order)):
        unit.set(order, "version", max(sent, before + 1))
        unit.set(order, "exported", False)
        if order.text("status") == "issued":
            transmit(unit, order)
    if unit.person and unit.settings.ui_edit_resets_exported:
        unit.set(order, "exported", False)


def _check_editable(unit: Unit, order: Record) -> None:
    if unit.person and order.text("type") == "ExternalOrderHeader":
        unit.fail("base", "an external purchase order can't be edited on screen")
    status = unit.before(order, "status")
    if status in unit.settings.editable_order_statuses:
        return
    headers = {name for name, value in order.values.items() if unit.before(order, name) != value}
    parts = [part for part in unit.written() if part is not order]
    if headers - FREE_AT_THE_END or parts:
        unit.fail("status", f"an order that is {status} can't be changed")


def _check_removed(unit: Unit, order: Record) -> None:
    for line in unit.changed():
        if line.kind is ORDER_LINE and line.deleted and line.amount("invoiced"):
            unit.fail("order-lines", f"line {line.text('line-num')} has been invoiced and can't be removed")
    if not order.many("order-lines"):
        unit.fail("order-lines", "can't be blank")


def _needs_new_version(unit: Unit, order: Record) -> bool:
    for record in unit.written():
        if record.kind is not ORDER_LINE or record.owner is not order:
            continue
        if unit.is_new(record) or record.deleted:
            return True
        if any(unit.before(record, name) != record.values.get(name) for name in NEW_VERSION):
            return True
    return False


def _mirror_status(unit: Unit, order: Record) -> None:
    for line in order.many("order-lines"):
        if not line.text("status").startswith("soft_closed_for"):
            unit.set(line, "status", order.text("status"))


def transmit(unit: Unit, order: Record) -> None:
    """Send the order to its supplier, unless the order or the supplier says not to."""
    override, supplier = order.text("transmission-method-override"), order.one("supplier")
    if override == "do_not_transmit" or supplier is None:
        return
    method = "email" if override == "email" else supplier.text("po-method") or "prompt"
    unit.set(order, "transmission-status", SENT_AS.get(method, "pending_manual"))
    instance = unit.instance
    instance.transmissions.append(
        Transmission(order.id, order.text("po-number"), order.whole("version") or 1, instance.moment())
    )


def _move(unit: Unit, order: Record, status: str) -> None:
    unit.set(order, "status", status)
    unit.set(order, "internal-revision", (order.whole("internal-revision") or 0) + 1)
    _mirror_status(unit, order)


def _issue(unit: Unit, order: Record, *, send: bool, from_window: bool = False) -> None:
    held = ("supplier_window_hold",) if from_window else ()
    again = ("issued",) if unit.settings.issue_again else ()
    require_status(order, ("draft", *held, *again), "issued")
    supplier = order.one("supplier")
    if supplier is not None and supplier.flag("buyer-hold"):
        _move(unit, order, "buyer_hold")
    elif supplier is not None and supplier.flag("on-hold"):
        _move(unit, order, "supplier_hold")
    else:
        if order.text("status") != "issued":
            _move(unit, order, "issued")
        if send:
            transmit(unit, order)


def issue(unit: Unit, order: Record, _: Payload) -> None:
    _issue(unit, order, send=True)


def issue_without_send(unit: Unit, order: Record, _: Payload) -> None:
    _issue(unit, order, send=False)


def ignore_window_and_issue(unit: Unit, order: Record, _: Payload) -> None:
    _issue(unit, order, send=True, from_window=True)


def release_from_buyer_hold(unit: Unit, order: Record, _: Payload) -> None:
    require_status(order, ("buyer_hold",), "released")
    _move(unit, order, "issued")
    transmit(unit, order)


def cancel(unit: Unit, order: Record, _: Payload) -> None:
    require_status(order, ("draft", "issued", *HOLDS), "cancelled")
    invoiced = [line.text("line-num") for line in order.many("order-lines") if line.amount("invoiced")]
    if invoiced and unit.settings.cancel_refused_when_invoiced:
        raise Rejected({"base": [f"can't be cancelled: lines {', '.join(invoiced)} have been invoiced"]})
    _move(unit, order, unit.settings.cancelled_spelling)


def close(unit: Unit, order: Record, _: Payload) -> None:
    require_status(order, ("issued", "soft_closed"), "closed")
    soft = order.text("status") == "issued" and unit.settings.soft_close_enabled
    _move(unit, order, "soft_closed" if soft else "closed")


def reopen(unit: Unit, order: Record, payload: Payload) -> None:
    require_status(order, ("soft_closed",), "reopened")
    reason = payload.get("reason-insight-id") or payload.get("reason-insight-code")
    if unit.settings.reopen_needs_reason and not reason:
        raise Rejected({"reason-insight-id": ["can't be blank"]})
    _move(unit, order, "issued")


def hold(unit: Unit, order: Record, payload: Payload) -> None:
    """A person puts the order on hold; `status` says which hold."""
    require_status(order, ("draft", "issued"), "held")
    _move(unit, order, str(payload.get("status") or "buyer_hold"))


def line_action(start: str, end: str) -> Action:
    """Moves one line between open and softly closed for one purpose."""

    def act(unit: Unit, line: Record, _: Payload) -> None:
        require_status(line, (start,), f"made {end}")
        unit.set(line, "status", end)

    return act


ORDER_RULES = Rules(
    settle_order,
    {
        "issue": issue,
        "issue_without_send": issue_without_send,
        "ignore_window_and_issue": ignore_window_and_issue,
        "release_from_buyer_hold": release_from_buyer_hold,
        "cancel": cancel,
        "close": close,
        "reopen": reopen,
    },
)
ORDER_LINE_RULES = Rules(
    actions={
        f"{verb}_for_{purpose}": line_action(*(steps if verb == "soft_close" else steps[::-1]))
        for purpose in ("invoicing", "receiving")
        for steps in (("issued", f"soft_closed_for_{purpose}"),)
        for verb in ("soft_close", "reopen")
    },
)
