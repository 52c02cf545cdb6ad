"""The way in: request ids, credentials, quota and scopes before a handler; paging and representation after it."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil, floor
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from connector.sandbox.core.faults import App, Message, Receive, Scope, Send

from .auth import Client
from .schema import parse_time
from .store import Collection, Facet, Record
from .tenant import Tenant
from .wire import RefusalError, empty, encode, gateway, media_type, p2p_error, parameter_error, plain_json
from .world import World

CONTINUATION = "x-amz-meta-continuationtoken"
BODY_LIMIT = 6 * 1024 * 1024
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageSize:
    most: int
    usual: int


@dataclass(slots=True)
class Call:
    """One authorised request."""

    world: World
    request: Request
    tenant: Tenant
    client: Client
    request_id: str
    query: dict[str, str]
    """Parameters by lower-case name: Basware takes them in any case and ignores unknown ones."""

    @property
    def now(self) -> float:
        return self.world.clock.time()

    def parameter(self, name: str) -> str | None:
        return self.query.get(name.casefold()) or None

    def instant(self, name: str) -> datetime | None:
        given = self.parameter(name)
        if given is None:
            return None
        try:
            return parse_time(given.replace(" ", "+"))
        except ValueError:
            raise self.bad_parameter(f"{name} must be an ISO 8601 date-time") from None

    def path(self, name: str) -> str:
        return str(self.request.path_params[name])

    async def json(self) -> Any:
        """The body, numbers with decimals as Decimal. Refuses what is too large or no JSON."""
        body = await self.request.body()
        if len(body) > BODY_LIMIT:
            raise RefusalError(parameter_error(self.request_id, "The request is larger than 6 MB"))
        try:
            return json.loads(body, parse_float=Decimal)
        except ValueError as error:
            message = f"The body is not valid JSON: {error}"
            raise RefusalError(
                p2p_error(self.request_id, 400, "VALIDATION", "SCHEMA_VALIDATION_ERROR", message)
            ) from None

    def answer(self, value: Any, status: int = 200) -> Response:
        kind = media_type(self.request.headers.get("accept"), self.world.settings)
        return Response(encode(value, self.world.settings), status, media_type=kind)

    def bad_parameter(self, message: str) -> RefusalError:
        return RefusalError(parameter_error(self.request_id, message))

    def listed(
        self,
        collection: Collection,
        facet: Facet,
        size: PageSize,
        *,
        keep: Callable[[Record], bool] = lambda record: True,
        weigh: Callable[[Record], int] = lambda record: 0,
    ) -> tuple[list[Record], str | None]:
        """One page of a list and the token of the next. An empty list is a 404."""
        limit = self._page_size(size)
        found: list[Record] = []
        weight = 0
        after = self._continued()
        for record in collection.select(facet, self.now, after=after, changed_ms=self._changed_ms()):
            if not keep(record):
                continue
            weight += weigh(record)
            if len(found) == limit or (found and weight > self.world.settings.page_row_limit):
                return found, self._token(found[-1].position)
            found.append(record)
        if not found:
            raise RefusalError(empty(404))
        return found, None

    def document(self, value: Any, token: str | None = None) -> Response:
        """A body behind a redirect to the second origin (or at once, where redirects are off)."""
        kind = media_type(self.request.headers.get("accept"), self.world.settings)
        return self.download(encode(value, self.world.settings), kind, token)

    def download(self, content: bytes, kind: str, token: str | None = None) -> Response:
        settings = self.world.settings
        header = {CONTINUATION: token} if token else {}
        if not settings.redirects:
            return Response(content, 200, header, kind)
        final = header if settings.continuation_on in ("final", "both") else {}
        first = header if settings.continuation_on in ("redirect", "both") else {}
        link = self.world.blob.link(content, kind, final, life_s=settings.link_ttl_s)
        return RedirectResponse(link, 302, first)

    def page(self, value: Any, token: str | None) -> Response:
        answer = self.answer(value)
        if token:
            answer.headers[CONTINUATION] = token
        return answer

    def _page_size(self, size: PageSize) -> int:
        given = self.parameter("pageSize")
        if given is None:
            return size.usual
        if not given.isdigit() or not 1 <= int(given) <= size.most:
            raise self.bad_parameter(f"pageSize must be between 1 and {size.most}")
        return int(given)

    def _changed_ms(self) -> int:
        """The last millisecond that lastUpdated must be later than."""
        since = self.instant("lastUpdated")
        if since is None:
            return -1
        since_ms = since.timestamp() * 1000
        return ceil(since_ms) - 1 if self.world.settings.last_updated_inclusive else floor(since_ms)

    def _asked(self) -> str:
        """What a continuation token is bound to."""
        question = [self.tenant.bwcid, self.request.url.path, sorted(self.query.items())]
        return hashlib.sha256(json.dumps(question).encode()).hexdigest()[:24]

    def _token(self, position: int) -> str:
        payload = json.dumps([self._asked(), position, self.now]).encode()
        return base64.urlsafe_b64encode(self._seal(payload) + payload).decode()

    def _seal(self, payload: bytes) -> bytes:
        return hmac.new(self.world.secret, payload, hashlib.sha256).digest()[:12]

    def _continued(self) -> int:
        given = self.request.headers.get(CONTINUATION)
        if not given:
            return 0
        try:
            raw = base64.urlsafe_b64decode(given)
        except (binascii.Error, ValueError):
            raw = b""
        if not hmac.compare_digest(raw[:12], self._seal(raw[12:])):
            raise self.bad_parameter("The continuation token is not valid")
        asked, position, at = json.loads(raw[12:])
        if asked != self._asked():
            raise self.bad_parameter("The continuation token belongs to another query")
        life_s = self.world.settings.continuation_ttl_s
        if life_s and self.now > at + life_s:
            raise self.bad_parameter("The continuation token has expired")
        return int(position)


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


def guarded(world: World, scope: str, handler: Handler) -> Endpoint:
    """A handler behind credentials (401), quota (429) and scope (403)."""

    async def endpoint(request: Request) -> Response:
        grant = world.auth.recognise(request.headers.get("authorization"))
        if grant is None:
            return gateway(401, "Unauthorized")
        if (refusal := world.rate_limit.refusal(grant.client.client_id)) is not None:
            return refusal
        if scope not in grant.scopes:
            return gateway(403, "Forbidden")
        query = {name.casefold(): value for name, value in request.query_params.items()}
        tenant = world.tenants[grant.client.bwcid]
        call = Call(world, request, tenant, grant.client, request.state.request_id, query)
        try:
            return await handler(call)
        except RefusalError as refused:
            return refused.response

    return endpoint


def front(world: World, app: App) -> App:
    """What every reply shares: due changes made first, a tolerated trailing slash, and an x-amzn-RequestId."""

    async def fronted(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        world.background.settle()
        request_id = world.seeded.uuid()
        scope.setdefault("state", {})["request_id"] = request_id
        path: str = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path.rstrip("/")

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-amzn-requestid", request_id.encode())]
            await send(message)

        if (refusal := _request_id_refusal(world, scope)) is not None:
            await refusal(scope, receive, with_id)
            return
        await app(scope, receive, with_id)

    return fronted


def _request_id_refusal(world: World, scope: Scope) -> Response | None:
    """The Network API insists on X-BW-REQUEST-ID (uuid4); the other paths only by switch."""
    network = scope["path"].startswith(("/v1/invoices", "/v2/files"))
    if not (network or world.settings.require_request_id):
        return None
    given = dict(scope["headers"]).get(b"x-bw-request-id", b"").decode("latin-1")
    if UUID4.fullmatch(given):
        return None
    error = {
        "id": world.seeded.uuid(),
        "type": "VALIDATION",
        "code": "Error.004.0002",
        "message": "The request is not valid",
        "info": "",
        "validationErrors": [{"fieldId": "X-BW-REQUEST-ID", "fieldMessage": "must be a version 4 UUID"}],
    }
    return plain_json(400, {"version": "1.0", "errors": error})
