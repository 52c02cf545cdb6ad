"""Acts of administrators: companies, periods, users and rights, apps, and the sandbox's own counters."""

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from connector.sandbox.core.sandbox import Act

from .auth import App
from .desk import Desk, Payload
from .errors import FunctionalError
from .seed import add_division, add_financial_year
from .site import Site
from .store import User


def administration(site: Site, desk: Desk) -> dict[str, Act]:
    doings: dict[str, Callable[[Payload], Any]] = {
        "create_division": lambda payload: _create_division(site, payload),
        "edit_division": lambda payload: _edit_division(desk, payload),
        "move_division": lambda payload: _move_division(desk, payload),
        "create_financial_year": lambda payload: add_financial_year(desk.division(payload), int(payload["year"])),
        "close_period": lambda payload: _close_period(desk, payload),
        "set_exchange_rate": lambda payload: _set_rate(desk, payload),
        "create_user": lambda payload: _create_user(site, payload),
        "edit_user": lambda payload: _edit_user(site, payload),
        "set_right": lambda payload: _set_right(site, payload),
        "create_app": lambda payload: _create_app(site, payload),
        "edit_app": lambda payload: _edit_app(site, payload),
        "log_in": lambda payload: _log_in(site, payload),
        "revoke": lambda payload: {"chains": site.authority.revoke(payload.get("client_id"), payload.get("user"))},
        "drop_webhooks": lambda payload: _drop_webhooks(site, payload),
        "clear_error_block": lambda payload: site.block.clear(),
        "counters": lambda payload: site.counters(),
    }
    return {name: _act(doing) for name, doing in doings.items()}


def _act(doing: Callable[[Payload], Any]) -> Act:
    async def act(payload: Payload) -> Any:
        return doing(payload)

    return act


def _create_division(site: Site, payload: Payload) -> Any:
    code = int(payload["code"])
    if code in site.world.divisions:
        raise FunctionalError("Data already exists")
    division = add_division(
        site.world, code, payload.get("description", f"Company {code}"), payload.get("currency", "EUR")
    )
    for user in site.world.users.values():
        if not user.denied:
            user.divisions.append(code)
    return division.as_row(None)


def _edit_division(desk: Desk, payload: Payload) -> Any:
    """`purchase_module`, `order_feed`, `blocked_reason` (DivisionBlocked, BlockedCustomer, ...; null lifts it)."""
    division = desk.division(payload)
    for name in ("purchase_module", "order_feed", "blocked_reason", "payment_condition"):
        if name in payload:
            setattr(division, name, payload[name])
    return division.as_row(None)


def _move_division(desk: Desk, payload: Payload) -> Any:
    """All row versions start anew, DivisionMoveDate tells."""
    division = desk.division(payload)
    division.move()
    return division.as_row(None)


def _close_period(desk: Desk, payload: Payload) -> Any:
    """`journal`, `year`, `period`; `open: true` opens it again."""
    division = desk.division(payload)
    key = (str(payload["journal"]), int(payload["year"]), int(payload["period"]))
    if payload.get("open"):
        division.closed_periods.discard(key)
    else:
        division.closed_periods.add(key)
    return sorted(division.closed_periods)


def _set_rate(desk: Desk, payload: Payload) -> Any:
    division = desk.division(payload)
    division.rates[payload["currency"]] = Decimal(str(payload["rate"]))
    return {currency: str(rate) for currency, rate in division.rates.items()}


def _create_user(site: Site, payload: Payload) -> Any:
    divisions = [int(code) for code in payload.get("divisions", sorted(site.world.divisions))]
    name = str(payload["user_name"])
    user = User(
        site.world.new_id(),
        name,
        payload.get("full_name", name),
        divisions,
        divisions[0],
        payload.get("language", "EN"),
    )
    site.world.users[user.id] = user
    return asdict(user)


def _edit_user(site: Site, payload: Payload) -> Any:
    user = site.world.user(payload.get("user"))
    for name in ("language", "divisions", "current_division", "blocked_reason", "full_name"):
        if name in payload:
            setattr(user, name, payload[name])
    return _shown_user(user)


def _set_right(site: Site, payload: Payload) -> Any:
    """`endpoint` and `action` (`*` for any), `allowed`."""
    user = site.world.user(payload.get("user"))
    right = (payload.get("endpoint", "*").lower(), payload.get("action", "*").upper())
    if payload["allowed"]:
        user.denied.discard(right)
    else:
        user.denied.add(right)
    return _shown_user(user)


def _shown_user(user: User) -> Any:
    return {**asdict(user), "denied": sorted(user.denied)}


def _create_app(site: Site, payload: Payload) -> Any:
    world = site.world
    app = App(
        world.new_id(), world.random.randbytes(16).hex(), world.random.randbytes(16).hex(), payload.get("name", "App"),
        list(payload.get("redirect_uris", [])),
    )  # fmt: skip
    site.authority.add_app(app)
    return _shown_app(app)


def _edit_app(site: Site, payload: Payload) -> Any:
    """`client_id` (the first app without it); `redirect_uris`, `scopes`, `client_secret`, `webhook_secret`."""
    app = site.app(payload.get("client_id"))
    for name in ("client_secret", "webhook_secret", "name"):
        if name in payload:
            setattr(app, name, payload[name])
    if "redirect_uris" in payload:
        app.redirect_uris = list(payload["redirect_uris"])
    if "scopes" in payload:
        app.scopes = set(payload["scopes"])
    return _shown_app(app)


def _shown_app(app: App) -> Any:
    return {**asdict(app), "scopes": sorted(app.scopes)}


def _log_in(site: Site, payload: Payload) -> Any:
    """A person logs in and consents: a token pair of a new chain."""
    return site.authority.log_in(site.app(payload.get("client_id")), site.world.user(payload.get("user")))


def _drop_webhooks(site: Site, payload: Payload) -> Any:
    """Lose the next `count` notices of a `topic`, `action` and `key` (each optional)."""
    site.webhooks.drop_next(
        payload.get("topic"), payload.get("action"), payload.get("key"), int(payload.get("count", 1))
    )
    return {"planned": int(payload.get("count", 1))}
