"""What people do at Coupa's own screens, by name. JSON in, JSON out.

`create_<object>` and `edit_<object>` exist for every kind, with the API's field names. A create takes one object or
`{"records": [...]}`; everything else names its object by `id` or a natural key (`{"po-number": "4500001"}`).
`by` is the login of who does it, default `jane.doe`.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from . import invoices, orders
from .auth import ALL_SCOPES, Auth, Client
from .fields import Kind, Record
from .quota import LeakyBucket
from .rules import Action, require_status
from .schema import ACCOUNT, INVOICE, LOOKUP_VALUE, ORDER, ORDER_LINE, SCHEMA, SUPPLIER
from .service import Service
from .store import Rejected, Unit
from .webhooks import Webhooks
from .wire import json_text

Act = Callable[[dict[str, Any]], Awaitable[Any]]
PERSON = "jane.doe"
NAMES = {"purchase_orders": "purchase_order", "purchase_order_lines": "purchase_order_line", "invoices": "invoice"}
"""Kinds whose acts are not called after their root element."""
MOVES: Mapping[str, tuple[Kind, Action]] = {
    "issue_purchase_order": (ORDER, orders.issue),
    "cancel_purchase_order": (ORDER, orders.cancel),
    "close_purchase_order": (ORDER, orders.close),
    "reopen_purchase_order": (ORDER, orders.reopen),
    "hold_purchase_order": (ORDER, orders.hold),
    "release_purchase_order": (ORDER, orders.release_from_buyer_hold),
    "submit_invoice": (INVOICE, invoices.submit),
    "approve_invoice": (INVOICE, invoices.approve),
    "reject_invoice": (INVOICE, invoices.reject),
    "dispute_invoice": (INVOICE, invoices.dispute),
    "withdraw_dispute": (INVOICE, invoices.withdraw_dispute),
    "void_invoice": (INVOICE, invoices.void),
    "abandon_invoice": (INVOICE, invoices.abandon),
    "hold_invoice": (INVOICE, invoices.hold),
}


class Acts:
    """The acts of one instance."""

    def __init__(self, service: Service, auth: Auth, webhooks: Webhooks, bucket: LeakyBucket) -> None:
        self._service = service
        self._auth = auth
        self._webhooks = webhooks
        self._bucket = bucket

    def by_name(self) -> dict[str, Act]:
        acts: dict[str, Act] = {
            "deactivate_lookup_value": self._switch_off(LOOKUP_VALUE),
            "deactivate_account": self._switch_off(ACCOUNT),
            "deactivate_supplier": self._deactivate_supplier,
            "receive_purchase_order_line": self._receive,
            "pay_invoice": self._pay,
            "new_invoice": self._new_invoice,
            "create_oauth_client": self._create_client,
            "set_client_scopes": self._set_scopes,
            "revoke_tokens": self._revoke_tokens,
            "register_webhook": self._register_webhook,
            "drop_notices": self._drop_notices,
            "webhook_log": self._webhook_log,
            "quota": self._quota,
        }
        for kind in SCHEMA.values():
            name = NAMES.get(kind.path, kind.root.replace("-", "_"))
            if "show" in kind.verbs and kind.path not in (
                "purchase_order_lines",
                "remit_to_addresses",
                "supplier_sites",
            ):
                acts[f"create_{name}"] = self._create(kind)
                acts[f"edit_{name}"] = self._edit(kind)
        for name, (kind, action) in MOVES.items():
            acts[name] = self._move(kind, action)
        return acts

    def _create(self, kind: Kind) -> Act:
        async def create(body: dict[str, Any]) -> Any:
            person = self._person(body)
            if "records" in body:
                return [self._created(kind, payload, person) for payload in body["records"]]
            return self._created(kind, body, person)

        return create

    def _created(self, kind: Kind, payload: Mapping[str, Any], person: Record | None) -> Any:
        return self._shown(self._refusing(lambda: self._service.create(kind, payload, person, person=True)))

    def _edit(self, kind: Kind) -> Act:
        async def edit(body: dict[str, Any]) -> Any:
            record = self._find(kind, body)
            payload = {key: value for key, value in body.items() if key not in ("id", "by", "key")}
            return self._shown(
                self._refusing(lambda: self._service.update(record, payload, self._person(body), person=True))
            )

        return edit

    def _move(self, kind: Kind, action: Action) -> Act:
        async def move(body: dict[str, Any]) -> Any:
            record = self._find(kind, body)
            return self._shown(
                self._refusing(lambda: self._service.act(record, action, body, self._person(body), person=True))
            )

        return move

    def _switch_off(self, kind: Kind) -> Act:
        def off(unit: Unit, record: Record, _: Mapping[str, Any]) -> None:
            unit.set(record, "active", False)

        return self._move(kind, off)

    async def _deactivate_supplier(self, body: dict[str, Any]) -> Any:
        def off(unit: Unit, record: Record, _: Mapping[str, Any]) -> None:
            unit.set(record, "status", "inactive")

        return await self._move(SUPPLIER, off)(body)

    async def _receive(self, body: dict[str, Any]) -> Any:
        """Goods came in: `{"id": line, "quantity": 5}`. Invoices that waited for them go to their approval."""

        def receive(unit: Unit, line: Record, payload: Mapping[str, Any]) -> None:
            unit.set(line, "received", line.amount("received") + Decimal(str(payload["quantity"])))

        line = await self._move(ORDER_LINE, receive)(body)
        for bill in self._service.instance["invoice_lines"].find("order-line-id", line["id"]):
            invoice = bill.owner
            if invoice is not None and invoice.text("status") == "pending_receipt":
                self._service.act(invoice, invoices.receipt_arrived, {}, self._person(body), person=True)
        return line

    async def _pay(self, body: dict[str, Any]) -> Any:
        """`{"id": invoice, "amount-paid": "10.00", "payment-date": ..., "notes": ..., "paid": true}`"""
        record = self._find(INVOICE, body)
        payment = {key: body[key] for key in ("amount-paid", "payment-date", "notes") if key in body}
        payload: dict[str, Any] = {"paid": body.get("paid", True), **({"payments": [payment]} if payment else {})}
        return self._shown(
            self._refusing(lambda: self._service.update(record, payload, self._person(body), person=True))
        )

    async def _new_invoice(self, body: dict[str, Any]) -> Any:
        """An invoice captured from an inbox that nobody has opened: new, the only status that can be deleted."""

        def back(unit: Unit, record: Record, _: Mapping[str, Any]) -> None:
            require_status(record, ("draft",), "made new")
            unit.set(record, "status", "new")

        created = await self._create(INVOICE)(body)
        return await self._move(INVOICE, back)({"id": created["id"]})

    async def _create_client(self, body: dict[str, Any]) -> Any:
        """`{"client_id", "client_secret", "login", "scopes": [...]}`, all optional."""
        client_id = str(body.get("client_id") or f"client{len(self._auth.clients) + 1}")
        secret = str(body.get("client_secret") or self._service.instance.random.randbytes(32).hex())
        scopes = frozenset(body.get("scopes") or ALL_SCOPES)
        client = Client(client_id, secret, str(body.get("login") or "integration"), scopes)
        self._auth.clients[client.client_id] = client
        return {"client_id": client.client_id, "client_secret": client.secret, "scopes": sorted(scopes)}

    async def _set_scopes(self, body: dict[str, Any]) -> Any:
        """Tokens already minted keep what they had."""
        client = self._auth.clients[body["client_id"]]
        client.scopes = frozenset(body["scopes"])
        return {"client_id": client.client_id, "scopes": sorted(client.scopes)}

    async def _revoke_tokens(self, _: dict[str, Any]) -> Any:
        revoked = len(self._auth.tokens)
        self._auth.tokens.clear()
        return {"revoked": revoked}

    async def _register_webhook(self, body: dict[str, Any]) -> Any:
        """`{"url", "secret", "events": ["supplier.updated", ...]}`; without events, all."""
        made = self._webhooks.register(body["url"], str(body["secret"]), list(body.get("events") or ()))
        return {"url": made.url, "events": made.events}

    async def _drop_notices(self, body: dict[str, Any]) -> Any:
        """`{"event": "supplier.updated" | "supplier" | "*", "count": 3}`: swallow the next ones."""
        self._webhooks.to_drop[body.get("event", "*")] = int(body.get("count", 1))
        return dict(self._webhooks.to_drop)

    async def _webhook_log(self, _: dict[str, Any]) -> Any:
        return self._webhooks.log()

    async def _quota(self, _: dict[str, Any]) -> Any:
        return {"served": self._bucket.served, "throttled": self._bucket.throttled, "tokens_minted": self._auth.minted}

    def _find(self, kind: Kind, body: Mapping[str, Any]) -> Record:
        """By `key` ({"number": "V1"}), else by `id` or the first natural key in the body."""
        wanted = body.get("key") or body
        for name in kind.keys:
            if wanted.get(name) is not None:
                found = self._service.instance[kind.path].find(name, wanted[name])
                if found:
                    return found[0]
                raise ValueError(f"there is no {kind.root} with {name} {wanted[name]}")
        raise ValueError(f"say which {kind.root}: one of {', '.join(kind.keys)}")

    def _person(self, body: Mapping[str, Any]) -> Record | None:
        login = body.get("by", PERSON)
        found = self._service.instance["users"].find("login", login)
        if not found and login != PERSON:
            raise ValueError(f"there is no user {login}")
        return found[0] if found else None

    def _refusing(self, work: Callable[[], Record]) -> Record:
        """A refusal as the screen would show it."""
        try:
            return work()
        except Rejected as rejected:
            raise ValueError(json_text(rejected.errors).decode()) from None

    def _shown(self, record: Record) -> dict[str, Any]:
        return self._service.view.full(record)
