"""The request pipeline: token, quota, route, company header, merged parameters, and one shape of error per endpoint."""

import inspect
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.core.faults import App, Receive, Scope, Send

from .auth import OAuth
from .errors import ApiError, Invalid, body_of
from .fields import Spec, parse
from .query import Filters, Pairs, page_numbers, paged
from .quota import REFUSAL, Quota
from .store import Company, Project
from .world import Actor, World

MISSING_COMPANY = (
    "Missing Procore-Company-Id header! Requests must name the company they are for. "
    "Add the header with the id of the company to this request."
)


@dataclass(frozen=True, slots=True)
class Reply:
    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One authenticated request of a company."""

    world: World
    actor: Actor
    method: str
    url: str
    path: dict[str, str]
    pairs: Pairs
    query: dict[str, str]
    body: dict[str, Any]
    company_id: int | None

    @property
    def company(self) -> Company:
        if self.company_id is None:
            raise ApiError(400, "company_id is required", {"company_id": ["is missing"]})
        return self.world.company(self.company_id)

    @property
    def params(self) -> dict[str, Any]:
        """Query and body merged, as v1 takes project_id and company_id from either."""
        return {**self.query, **self.body}

    def named_company(self) -> Company:
        """The company of endpoints that document company_id: the header does not replace that parameter."""
        raw = self.params.get("company_id")
        if raw is None:
            raise ApiError(400, "company_id is required", {"company_id": ["is missing"]})
        if str(raw) != str(self.company.id):
            raise ApiError(403, "company_id is not the company of the Procore-Company-Id header")
        return self.company

    def filters(self) -> Filters:
        return Filters(self.pairs)

    def id(self, name: str = "id") -> int:
        try:
            return int(self.path[name])
        except ValueError:
            raise ApiError(404, f"{name} not found") from None

    def project(self, tool: str | None = None) -> Project:
        """The project of the path or the parameters, if the caller may see it and the tool is on there."""
        raw = self.path.get("project_id") or self.params.get("project_id")
        if raw is None:
            raise ApiError(400, "project_id is required", {"project_id": ["is missing"]})
        try:
            project = self.world.store.projects.find(int(raw))
        except (TypeError, ValueError):
            raise ApiError(400, "project_id is not an integer", {"project_id": ["is not an integer"]}) from None
        if project is None or project.company_id != self.company_id:
            raise ApiError(404, "Project not found")
        if not project.permitted and not self.actor.is_person:
            raise ApiError(self.world.settings.unpermitted_project, "The service account has no access to this project")
        if tool is not None and tool not in project.tools:
            raise ApiError(403, f"The tool {tool} is not enabled in this project")
        if self.method != "GET" and not project.active and self.world.settings.inactive_project_writes == "refuse":
            raise ApiError(403, "The project is not active")
        return project

    def wrapped(self, name: str) -> dict[str, Any]:
        value = self.body.get(name)
        if not isinstance(value, dict):
            raise ApiError(400, f"param is missing or the value is empty: {name}", {name: ["is missing"]})
        return value

    def fields(self, spec: Spec, attributes: Mapping[str, Any]) -> dict[str, Any]:
        return parse(spec, attributes, reject_unknown=self.world.settings.unknown_keys == "reject")

    def page(
        self,
        rows: Sequence[Any],
        render: Callable[[Any], Any],
        *,
        default: int | None = None,
        maximum: int | None = None,
        envelope: bool = False,
    ) -> Reply:
        settings = self.world.settings
        page, per_page = page_numbers(
            self.query, default or settings.per_page_default, maximum or settings.per_page_max
        )
        body, headers = paged(rows, self.pairs, self.url, page, per_page, render)
        return Reply({"data": body} if envelope else body, 200, headers)

    def deleted(self) -> Reply:
        """v1 DELETE answers 200; with a JSON body unless the switch says as documented."""
        return Reply(None if self.world.settings.empty_delete_body else {})


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` has `{name}` segments. `family` selects the error shapes. The handler returns a Reply or a JSON body."""

    method: str
    path: str
    handler: Handler
    family: str
    status: int = 200


class Router:
    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._by_size: defaultdict[tuple[str, int], list[tuple[list[str], Endpoint]]] = defaultdict(list)
        for endpoint in endpoints:
            segments = endpoint.path.strip("/").split("/")
            self._by_size[endpoint.method, len(segments)].append((segments, endpoint))

    def match(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """Endpoints declared first win: fixed segments are declared before `{id}`."""
        parts = path.strip("/").split("/")
        for segments, endpoint in self._by_size[method, len(parts)]:
            if all(part == segment or segment[0] == "{" for part, segment in zip(parts, segments, strict=True)):
                names = {s[1:-1]: part for part, s in zip(parts, segments, strict=True) if s[0] == "{"}
                return endpoint, names
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} in an answer")


def json_response(body: Any, status: int, headers: Mapping[str, str]) -> Response:
    content = b"" if body is None else json.dumps(body, default=_plain, separators=(",", ":")).encode()
    return Response(content, status, dict(headers), media_type="application/json")


class Api:
    """The vendor's application: `/oauth/*` and `/rest/*` on one origin."""

    def __init__(self, world: World, oauth: OAuth, endpoints: Iterable[Endpoint]) -> None:
        self._world = world
        self._oauth = oauth
        self._quota = Quota(world.clock, world.settings)
        self._router = Router(endpoints)

    def asgi(self) -> App:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            response = await self._respond(Request(scope, receive))
            await response(scope, receive, send)

        return app

    async def _respond(self, request: Request) -> Response:
        if request.url.path.startswith("/oauth/"):
            return await self._oauth.answer(request)
        found = self._router.match(request.method, request.url.path)
        family = "v2" if request.url.path.startswith("/rest/v2") else found[0].family if found else ""
        client = self._oauth.holder(request.headers.get("authorization"))
        verdict = self._quota.take(client.id if client is not None else "")
        headers = {"x-request-id": str(uuid.UUID(int=self._world.random.getrandbits(128))), **verdict.headers}
        try:
            if not verdict.allowed:
                raise ApiError(429, REFUSAL)
            if client is None:
                raise ApiError(401, "The access token is invalid")
            if found is None:
                raise ApiError(404, "The requested resource does not exist")
            endpoint, names = found
            call = await self._call(request, endpoint, names, client.actor)
            result = endpoint.handler(call)
            if inspect.isawaitable(result):
                result = await result
            reply = result if isinstance(result, Reply) else Reply(result, endpoint.status)
            return json_response(reply.body, reply.status, {**headers, **reply.headers})
        except Invalid as refusal:
            error = ApiError(422, str(refusal), refusal.errors)
        except ApiError as refusal:
            error = refusal
        body = body_of(error, family, self._world.settings.error_shape)
        return json_response(body, error.status, {**headers, **error.headers})

    async def _call(self, request: Request, endpoint: Endpoint, names: dict[str, str], actor: Actor) -> Call:
        pairs = list(request.query_params.multi_items())
        return Call(
            world=self._world,
            actor=actor,
            method=request.method,
            url=f"{request.url.scheme}://{request.url.netloc}{request.url.path}",
            path=names,
            pairs=pairs,
            query=dict(pairs),
            body=_body(await request.body()),
            company_id=self._company(request, endpoint, names, dict(pairs)),
        )

    def _company(
        self, request: Request, endpoint: Endpoint, names: dict[str, str], query: dict[str, str]
    ) -> int | None:
        """The company of the header; lenient mode falls back on the path or the query."""
        settings = self._world.settings
        raw = request.headers.get("procore-company-id")
        if raw is None:
            if settings.company_header == "reject":
                raise ApiError(settings.company_header_status, MISSING_COMPANY)
            raw = names.get("company_id") or query.get("company_id")
            if raw is None:
                return self._company_of_project(names, query)
        company = self._world.store.companies.find(int(raw) if raw.isdecimal() else None)
        if company is None or not company.connected:
            raise ApiError(403, "App is not connected to this company")
        if names.get("company_id", str(company.id)) != str(company.id):
            raise ApiError(403, "The company of the path is not the company of the Procore-Company-Id header")
        return company.id

    def _company_of_project(self, names: dict[str, str], query: dict[str, str]) -> int | None:
        raw = names.get("project_id") or query.get("project_id") or ""
        project = self._world.store.projects.find(int(raw) if raw.isdecimal() else None)
        return project.company_id if project is not None else None


def _body(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise ApiError(400, "The request body is not valid JSON", {"body": ["is not valid JSON"]}) from None
    if not isinstance(body, dict):
        raise ApiError(400, "The request body must be a JSON object", {"body": ["must be an object"]})
    return body
