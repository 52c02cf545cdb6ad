"""The vendor's paths: routing, the checks every call passes, and the reads and writes of entities."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.core.faults import Receive, Scope, Send

from . import query, render, views
from .auth import Authority, Expired, Grant
from .entities import DOCUMENT_ATTACHMENTS, WEBHOOK_SUBSCRIPTIONS
from .errors import BAD_PAYLOAD, GENERIC, FunctionalError, Refusal
from .feeds import ENTITIES, ME
from .master import HANDLERS
from .oauth import authorization_page, token_answer
from .query import Page, Query
from .quota import COUNTED_ERRORS, Blocked, ErrorBlock, LimitReached, Quota
from .records import check_mandatory, parsed
from .schema import Entity, Kind, Row, parse
from .store import Actor, Division, Table, World
from .webhooks import Webhooks

_KEYED = re.compile(r"([^()]+)\((?:guid)?'?([^']*)'?\)", re.IGNORECASE)
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})


@dataclass(slots=True)
class Target:
    """What a path names below its division."""

    entity: Entity
    key: Any = None
    collection: str | None = None
    count: bool = False


@dataclass(slots=True)
class Call:
    """One call that passed authentication."""

    request: Request
    grant: Grant
    division: Division | None
    path: str
    """Path below the division, as sent."""
    options: dict[str, str]
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    """Rate headers for the answer."""

    @property
    def actor(self) -> Actor:
        return Actor(self.grant.user, self.grant.app.client_id)

    @property
    def method(self) -> str:
        return self.request.method

    def wants_json(self) -> bool:
        return "application/json" in self.request.headers.get("accept", "").lower()

    def wants_representation(self) -> bool:
        return "return=representation" in self.request.headers.get("prefer", "").lower().replace(" ", "")


class Api:
    """The ASGI application of one site."""

    def __init__(self, world: World, authority: Authority, webhooks: Webhooks, quota: Quota, block: ErrorBlock) -> None:
        self.world, self.authority, self.webhooks, self.quota, self.block = world, authority, webhooks, quota, block
        self.settings = world.settings
        self.active: Counter[tuple[str, str]] = Counter()
        self.most_parallel = 0
        """Most calls of one app to one company under way at once; the vendor wants one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        await self._wait(self.settings.answer_after_s)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if self.settings.down:
            return Response("<html><body><h1>Service Unavailable</h1></body></html>", 503, media_type="text/html")
        path = request.url.path.lower().rstrip("/")
        if path == "/api/oauth2/auth":
            return authorization_page(self.authority, request)
        if path == "/api/oauth2/token":
            return await self._token(request)
        if path.startswith("/api/v1/"):
            return await self._call(request)
        if path == "/docs/sysattachment.aspx":
            return self._attachment(request)
        return Response("<html><body>The resource cannot be found.</body></html>", 404, media_type="text/html")

    async def _token(self, request: Request) -> Response:
        body = await request.body()
        await self._until_commit()
        return await token_answer(self.authority, request, body)

    async def _until_commit(self) -> None:
        await self._wait(min(self.settings.commit_after_s, self.settings.processing_s), self.settings.processing_s)

    async def _wait(self, seconds: float, at_most: float | None = None) -> None:
        seconds += (
            self.settings.latency_jitter_s * self.world.random.random() if self.settings.latency_jitter_s else 0.0
        )
        seconds = seconds if at_most is None else min(seconds, at_most)
        if seconds > 0:
            await self.world.clock.sleep(seconds)

    # Every call below /api/v1

    async def _call(self, request: Request) -> Response:
        body = await request.body()
        segments = request.url.path.strip("/").split("/")[2:]
        if segments and segments[0].lower() == "beta":
            segments = segments[1:]
        try:
            grant = self.authority.grant(request.headers.get("authorization"))
        except Expired as refusal:
            self._count_error(refusal.grant, segments, refusal.status)
            return render.error(refusal)
        except Refusal as refusal:
            return render.error(refusal)
        parallel = (grant.app.client_id, segments[0] if segments else "")
        self.active[parallel] += 1
        self.most_parallel = max(self.most_parallel, self.active[parallel])
        try:
            await self._until_commit()
            return await self._counted(request, grant, segments, body)
        finally:
            self.active[parallel] -= 1

    async def _counted(self, request: Request, grant: Grant, segments: list[str], body: bytes) -> Response:
        options = dict(parse_qsl(request.url.query, keep_blank_values=True))
        call = Call(request, grant, None, "/".join(segments[1:]), options, body)
        now = self.world.clock.time()
        try:
            if segments and segments[0].isdigit():
                call.headers = self.quota.take(grant.app.client_id, int(segments[0]), now)
            self.block.check(self._error_key(grant, segments), now)
            response = await self._dispatch(call, segments)
        except LimitReached as limit:
            return Response(b"", 429, limit.headers)
        except Refusal as refusal:
            if not isinstance(refusal, Blocked):
                self._count_error(grant, segments, refusal.status)
            response = render.error(refusal)
        except FunctionalError as refused:
            language = self.settings.language or grant.user.language
            response = render.error(Refusal(500, refused.text(language)))
        if len(response.body) > self.settings.answer_limit:
            response = render.error(Refusal(500, GENERIC))
        response.headers.update(call.headers)
        return response

    def _count_error(self, grant: Grant, segments: list[str], status: int) -> None:
        if status in COUNTED_ERRORS:
            self.block.count(self._error_key(grant, segments), self.world.clock.time())

    @staticmethod
    def _error_key(grant: Grant, segments: list[str]) -> tuple[str, str, int, str]:
        division = int(segments[0]) if segments and segments[0].isdigit() else 0
        endpoint = "/".join(segments[1:]).partition("(")[0].lower().rstrip("/")
        return grant.app.client_id, grant.user.id, division, endpoint

    async def _dispatch(self, call: Call, segments: list[str]) -> Response:
        self._check_request(call)
        if [segment.lower().partition("(")[0] for segment in segments] == ["current", "me"]:
            return self._me(call)
        call.division = self._division(call, segments[0] if segments else "")
        if call.path.lower().endswith("/$metadata"):
            return _metadata(call.path[: -len("/$metadata")].lower())
        target = _target(call.path)
        self._check_access(call, target.entity)
        if target.entity.service:
            return views.function(target.entity, call.options, call.grant.user, call.division)
        if call.method == "GET":
            return self._get(call, target)
        return await self._write(call, target)

    def _check_request(self, call: Call) -> None:
        if call.request.headers.get("expect"):
            raise Refusal(500, GENERIC)
        if len(str(call.request.url)) > self.settings.url_limit:
            raise Refusal(400, "Bad Request - Request URL is too long.")
        if len(call.body) > self.settings.body_limit * 4 / 3 + 65_536:
            raise Refusal(400, BAD_PAYLOAD)
        if call.method not in _METHODS:
            raise Refusal(405, "Method Not Allowed")
        if call.method == "GET" and not call.wants_json() and self.settings.no_accept == "406":
            raise Refusal(406, "Not Acceptable")
        if call.grant.user.blocked_reason:
            raise Refusal(403, "Forbidden", call.grant.user.blocked_reason)

    def _division(self, call: Call, code: str) -> Division:
        if not code.isdigit():
            raise Refusal(404, "Resource not found")
        division = self.world.divisions.get(int(code))
        if division is None or division.code not in call.grant.user.divisions:
            raise Refusal(403, "Forbidden", "NoDivisionAccess")
        if division.blocked_reason:
            raise Refusal(403, "Forbidden", division.blocked_reason)
        return division

    def _check_access(self, call: Call, entity: Entity) -> None:
        if call.method not in entity.methods:
            raise Refusal(405, "Method Not Allowed")
        if entity.scope and entity.scope not in call.grant.app.scopes:
            verb = "read" if call.method == "GET" else "manage"
            scope = entity.scope.lower().replace(" ", ".")
            raise Refusal(403, f"Forbidden - Application Scope Violated. Cannot {verb} '{scope}' scope.")
        division = call.division
        assert division is not None
        if entity.path.startswith("purchase/") and not division.purchase_module:
            raise Refusal(403, "Division not accessible")
        if entity.path == "sync/PurchaseOrder/PurchaseOrders" and not division.order_feed:
            raise Refusal(403, "Division not accessible")
        if not call.grant.user.may(entity.path, call.method) and (
            call.method != "GET" or self.settings.missing_right == "403"
        ):
            raise Refusal(403, "Forbidden")

    # Reading

    def _me(self, call: Call) -> Response:
        if call.method != "GET":
            raise Refusal(405, "Method Not Allowed")
        table = views.table_of(ME, [views.me(self.world, call.grant.user)])
        parsed_query = query.parse(call.options, ME, None, self.settings)
        renderer = render.Renderer(self.world.base_url, None, ME, None, 0)
        renderer.url = f"{self.world.base_url}/api/v1/current/Me"
        rows = [renderer.row(row, parsed_query) for row in table.rows.values()]
        return self._list(call, rows, None, None) if call.wants_json() else render.atom(rows, "Me", False, None)

    def _get(self, call: Call, target: Target) -> Response:
        if target.collection is not None:
            target = self._below(call, target)
        entity, division = target.entity, call.division
        assert division is not None
        lines = ENTITIES[entity.lines.entity.lower()] if entity.lines and entity.feed == "page" else None
        asked = query.parse(call.options, entity, lines, self.settings)
        table = self._table(call, entity)
        renderer = render.Renderer(self.world.base_url, division, entity, lines, self.settings.expand_cut)
        if target.key is not None:
            row = table.rows.get(target.key)
            if row is None:
                raise Refusal(404, "Resource not found")
            return self._single(call, renderer.row(row, asked))
        query.check_mandatory_filter(asked, entity, self.settings)
        if target.count:
            return Response(str(query.count(asked, table, entity, division)), media_type="text/plain")
        size = self.settings.page_size if entity.feed == "page" else self.settings.bulk_page_size
        page = query.run(asked, table, entity, division, size)
        return self._page(call, [renderer.row(row, asked) for row in page.rows], page, asked, entity)

    def _below(self, call: Call, target: Target) -> Target:
        """A header's collection, read as its own list: `PurchaseOrders(guid'..')/PurchaseOrderLines`."""
        lines = target.entity.lines
        assert lines is not None
        own = f"{lines.parent} eq guid'{target.key}'"
        asked = call.options.get("$filter")
        call.options = {**call.options, "$filter": f"({asked}) and {own}" if asked else own}
        return Target(ENTITIES[lines.entity.lower()], count=target.count)

    def _table(self, call: Call, entity: Entity) -> Table:
        division, user = call.division, call.grant.user
        assert division is not None
        if not user.may(entity.path, "GET"):
            return views.table_of(entity, [])
        if (rows := views.rows(entity, division, user, call.grant.app.client_id)) is not None:
            return views.table_of(entity, rows)
        if entity.path == "sync/Deleted":
            division.forget_old_deletions()
        return division.table(entity)

    def _single(self, call: Call, row: dict[str, Any]) -> Response:
        return render.json_answer({"d": row}) if call.wants_json() else render.atom([row], "", True, None)

    def _page(self, call: Call, rows: list[dict[str, Any]], page: Page, asked: Query, entity: Entity) -> Response:
        next_url = None
        if page.next_token is not None:
            kept = {name: value for name, value in call.options.items() if name not in ("$skip", "$skiptoken")}
            path = call.request.url.path
            next_url = render.next_url(f"{self.world.base_url}{path}", kept, page.next_token)
        if not call.wants_json():
            return render.atom(rows, entity.name, False, next_url)
        if asked.top is not None and self.settings.top_is_bare_array and page.count is None:
            return render.json_answer({"d": rows})
        return self._list(call, rows, next_url, page.count)

    @staticmethod
    def _list(call: Call, rows: list[dict[str, Any]], next_url: str | None, count: int | None) -> Response:
        body: dict[str, Any] = {"results": rows}
        if count is not None:
            body["__count"] = str(count)
        if next_url is not None:
            body["__next"] = next_url
        return render.json_answer({"d": body})

    def _attachment(self, request: Request) -> Response:
        """The bytes behind an attachment's Url."""
        try:
            self.authority.grant(request.headers.get("authorization"))
        except Refusal as refusal:
            return render.error(refusal)
        options = {name.lower(): value for name, value in request.query_params.items()}
        division = self.world.divisions.get(int(options.get("_division_", "0") or 0))
        row = division.table(DOCUMENT_ATTACHMENTS).rows.get(options.get("id", "")) if division else None
        if row is None:
            return render.error(Refusal(404, "Resource not found"))
        return Response(row["Attachment"], media_type="application/octet-stream")

    # Writing

    async def _write(self, call: Call, target: Target) -> Response:
        entity, division = target.entity, call.division
        assert division is not None
        if call.method == "POST":
            if target.key is not None:
                raise Refusal(405, "Method Not Allowed")
            return self._created(call, entity, await self._create(call, entity))
        table = self._table(call, entity)
        row = table.rows.get(target.key)
        if row is None:
            raise Refusal(404, "Resource not found")
        if entity is WEBHOOK_SUBSCRIPTIONS:
            await self.webhooks.change(division, row, _json(call) if call.method == "PUT" else None, call.actor)
        elif call.method == "DELETE":
            HANDLERS[entity.path].delete(division, row, call.actor)
        else:
            row = HANDLERS[entity.path].update(division, row, _json(call), call.actor)
            if self.settings.representation_on_put and call.wants_representation():
                renderer = render.Renderer(self.world.base_url, division, entity, None, 0)
                return self._single(call, renderer.row(row, Query()))
        return Response(status_code=204)

    async def _create(self, call: Call, entity: Entity) -> Row:
        division = call.division
        assert division is not None
        body = _json(call)
        if entity is WEBHOOK_SUBSCRIPTIONS:
            row = parsed(entity, body)
            check_mandatory(entity, row)
            return await self.webhooks.subscribe(division, row, call.actor, call.grant.app)
        return HANDLERS[entity.path].create(division, body, call.actor)

    def _created(self, call: Call, entity: Entity, row: Row) -> Response:
        renderer = render.Renderer(self.world.base_url, call.division, entity, None, 0)
        shown = renderer.row(row, Query()) if call.wants_representation() else renderer.key_only(row)
        answer = self._single(call, shown)
        answer.status_code = 201
        answer.headers["Location"] = renderer.uri(row)
        return answer


def _json(call: Call) -> Mapping[str, Any]:
    if "json" not in call.request.headers.get("content-type", "").lower():
        raise Refusal(400, BAD_PAYLOAD)
    try:
        body = json.loads(call.body, parse_float=Decimal)
    except ValueError:
        raise Refusal(400, BAD_PAYLOAD) from None
    if not isinstance(body, dict):
        raise Refusal(400, BAD_PAYLOAD)
    return body


def _target(path: str) -> Target:
    """The entity, key and collection a path below the division names; case and a trailing slash do not matter."""
    segments = path.strip("/").split("/")
    count = segments[-1].lower() == "$count"
    if count:
        segments.pop()
    if segments and segments[-1].lower() == "$batch":
        raise Refusal(400, "Bad Request - $batch is not supported.")
    keyed = next((n for n, segment in enumerate(segments) if "(" in segment), None)
    if keyed is None:
        return Target(_entity("/".join(segments)), count=count)
    found = _KEYED.fullmatch(segments[keyed])
    if found is None:
        raise Refusal(400, "Bad Request - Error in query syntax.")
    entity = _entity("/".join([*segments[:keyed], found[1]]))
    below = segments[keyed + 1 :]
    if below and (entity.lines is None or [below[0].lower()] != [entity.lines.collection.lower()] or len(below) > 1):
        raise Refusal(404, "Resource not found")
    return Target(entity, _key(entity, found[2]), below[0] if below else None, count)


def _key(entity: Entity, text: str) -> Any:
    value: Any = text
    if entity.fields[entity.key].kind is Kind.INT:
        value = int(text) if text.isdigit() else None
    try:
        return parse(entity, entity.key, value)
    except Refusal:
        raise Refusal(400, "Bad Request - Error in query syntax.") from None


def _entity(path: str) -> Entity:
    entity = ENTITIES.get(path.lower())
    if entity is None:
        raise Refusal(404, "Resource not found")
    return entity


def _metadata(service: str) -> Response:
    entities = [
        e for path, e in ENTITIES.items() if path.startswith(f"{service}/") and "/" not in path[len(service) + 1 :]
    ]
    if not entities:
        raise Refusal(404, "Resource not found")
    return render.edmx(service, entities)
