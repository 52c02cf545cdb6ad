"""Client-credentials tokens, and which scope each resource asks for."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import jwt

from .store import Instance


def _both(name: str) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset({f"core.{name}.read"}), frozenset({f"core.{name}.write"})


COMMON = _both("common")
INTEGRATION = _both("integration")
ORDERS = _both("purchase_order")
INVOICE_WRITE = frozenset({"core.invoice.write"})
SCOPES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "suppliers": _both("supplier"),
    "supplier_sites": (
        frozenset({"core.supplier_sites.read", "core.supplier.read"}), frozenset({"core.supplier_sites.write"}),
    ),
    "purchase_orders": ORDERS,
    "purchase_order_lines": ORDERS,
    "invoices": (frozenset({"core.invoice.read"}), INVOICE_WRITE | {"core.invoice.create"}),
    "accounts": _both("accounting"),
    "account_types": _both("accounting"),
    "items": (frozenset({"core.item.read", "core.catalog.read"}), frozenset({"core.item.write"})),
    "users": _both("user"),
    "legal_entities": _both("legal_entity"),
    **dict.fromkeys(
        ("lookups", "lookup_values", "addresses", "payment_terms", "shipping_terms", "currencies", "exchange_rates",
         "departments", "commodities", "tax_codes", "uoms"), COMMON,
    ),
    **dict.fromkeys(
        ("integrations", "integration_runs", "integration_errors", "integration_history_records"), INTEGRATION
    ),
}  # fmt: skip
INVOICE_ACTIONS: dict[str, frozenset[str]] = {
    "": INVOICE_WRITE,
    "void": frozenset({"core.invoice.delete"}),
    "abandon": frozenset({"core.invoice.delete"}),
    "delete": frozenset({"core.invoice.delete"}),
    "dispute": INVOICE_WRITE,
    "withdraw_dispute": INVOICE_WRITE,
    "bypass_approvals": frozenset({"core.invoice.approval.bypass"}),
    "bypass_current_approval": frozenset({"core.invoice.approval.bypass"}),
    "restart_approvals": frozenset({"core.invoice.approval.write"}),
}
ALL_SCOPES = frozenset().union(*(s for pair in SCOPES.values() for s in pair), *INVOICE_ACTIONS.values())


def scopes_for(resource: str, verb: str, action: str) -> frozenset[str]:
    """The scopes of which a token must have one. `verb` is the HTTP method, `action` the part after the id or ""."""
    read, write = SCOPES[resource]
    if verb == "GET":
        return read
    if resource == "invoices" and verb != "POST":
        return INVOICE_ACTIONS.get("delete" if verb == "DELETE" else action, write)
    return write


@dataclass
class Client:
    """An OAuth client an administrator created. `login` is the user its calls act as."""

    client_id: str
    secret: str
    login: str
    scopes: frozenset[str] = ALL_SCOPES


@dataclass(frozen=True)
class Token:
    client: Client
    scopes: frozenset[str]
    usable_from: float
    expires_at: float


@dataclass(frozen=True)
class TokenAnswer:
    status: int
    body: dict[str, object]


class Unauthorized(Exception):
    """The call carries no usable token."""


@dataclass
class Auth:
    """The instance's OAuth clients and the tokens they hold."""

    instance: Instance
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    minted: int = 0

    def mint(self, body: bytes, content_type: str, authorization: str) -> TokenAnswer:
        """Answer `POST /oauth2/token`; credentials may be in the body or in a Basic header."""
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return TokenAnswer(400, {"error": "invalid_request"})
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        client_id, secret = _basic(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        client = self.clients.get(client_id)
        if client is None or client.secret != secret:
            return TokenAnswer(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return TokenAnswer(400, {"error": "unsupported_grant_type"})
        asked = frozenset(form.get("scope", "").split())
        if not asked <= client.scopes:
            return TokenAnswer(400, {"error": "invalid_scope"})
        return self._grant(client, asked or client.scopes)

    def check(self, authorization: str, api_key: str) -> Token:
        """The token of a call, or `Unauthorized`."""
        settings, now = self.instance.settings, self.instance.now().timestamp()
        scheme, _, text = authorization.partition(" ")
        token = self.tokens.get(text) if scheme.lower() == "bearer" else None
        if token is None and settings.legacy_api_key and api_key == settings.legacy_api_key:
            return Token(next(iter(self.clients.values())), ALL_SCOPES, now, now)
        if token is None or not token.usable_from <= now < token.expires_at:
            raise Unauthorized
        return token

    def _grant(self, client: Client, scopes: frozenset[str]) -> TokenAnswer:
        settings, now = self.instance.settings, self.instance.now().timestamp()
        self.tokens = {text: token for text, token in self.tokens.items() if token.expires_at > now}
        self.minted += 1
        expires_at = now + settings.token_expires_in_s
        claims = {
            "iss": "coupa", "aud": client.client_id, "sub": client.login, "iat": int(now), "exp": int(expires_at),
            "jti": str(self.minted), "scope": sorted(scopes),
            # Real tokens have no bounded length: make sure none fits a short column.
            "context": hashlib.sha256(client.secret.encode()).hexdigest() * 16,
        }  # fmt: skip
        text = jwt.encode(claims, hashlib.sha256(client.secret.encode()).digest(), algorithm="HS256")
        self.tokens[text] = Token(client, scopes, now + settings.token_activation_lag_s, expires_at)
        return TokenAnswer(
            200,
            {
                "access_token": text,
                "token_type": "bearer",
                "expires_in": settings.token_expires_in_s,
                "scope": " ".join(sorted(scopes)),
            },
        )


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret
