"""The vendor's HTTP paths: tokens, and everything under /api."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .auth import SCOPES, Auth, Token, Unauthorized, scopes_for
from .fields import Kind, Record
from .integrations import ON_CREATE
from .notes import ATTACHABLE, Notes
from .query import InvalidQuery, Search
from .quota import LeakyBucket
from .schema import ACCOUNT, INVOICE, ORDER, ORDER_LINE, REMIT_TO, SCHEMA, SUPPLIER, SUPPLIER_SITE
from .service import NO_RULES, RULES, Service
from .store import Rejected
from .view import BadFields, Shape, View, parse_fields
from .wire import ApiError, answer, bad_request, error_answer, not_found, parse_payload, wants_xml
from .writing import true

PARTS = {"addresses": ("remit-to-addresses", REMIT_TO), "supplier_sites": ("supplier-sites", SUPPLIER_SITE)}
"""Sub-resources of a supplier: the list they live in and their kind."""
VERBS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@dataclass
class Call:
    """One authenticated request, taken apart."""

    method: str
    path: Sequence[str]
    query: list[tuple[str, str]]
    payload: dict[str, Any]
    user: Record | None
    as_xml: bool
    body: bytes
    content_type: str

    @property
    def is_update(self) -> bool:
        return self.method in ("PUT", "PATCH")

    def control(self, name: str) -> str:
        return next((value for key, value in self.query if key.replace("-", "_") == name), "")


class Api:
    """Serves one instance."""

    def __init__(self, service: Service, auth: Auth, bucket: LeakyBucket) -> None:
        self._service = service
        self._instance = service.instance
        self._settings = service.instance.settings
        self._auth = auth
        self._bucket = bucket
        self._search = Search(service.instance)
        self._notes = Notes(service.instance, service.view)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/oauth2/token", self._token, methods=["POST"]),
                Route("/oauth2/access_tokens", self._token, methods=["POST"]),
                Route("/api/{path:path}", self._api, methods=sorted(VERBS)),
            ]
        )

    async def _token(self, request: Request) -> Response:
        headers = request.headers
        minted = self._auth.mint(
            await request.body(), headers.get("content-type", ""), headers.get("authorization", "")
        )
        return JSONResponse(minted.body, minted.status)

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        as_xml = wants_xml(request.headers.get("accept", ""), request.headers.get("content-type", ""))
        try:
            return self._handle(request, body, as_xml)
        except ApiError as error:
            failed = error
        except Rejected as rejected:
            failed = ApiError(400, rejected.errors)
        except (InvalidQuery, BadFields) as invalid:
            failed = bad_request(str(invalid))
        return error_answer(failed, as_xml=as_xml, html_not_found=self._settings.not_found_as_html)

    def _handle(self, request: Request, body: bytes, as_xml: bool) -> Response:
        self._check_rate()
        token = self._check_token(request)
        self._check_headers(request)
        path = [part for part in request.path_params["path"].split("/") if part]
        if not path or path[0] not in SCOPES:
            raise not_found()
        self._check_scope(token, path, request.method)
        content_type = request.headers.get("content-type", "")
        multipart = content_type.startswith("multipart/")
        users = self._instance["users"].find("login", token.client.login)
        call = Call(
            request.method,
            path,
            parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True),
            {} if multipart else parse_payload(body, content_type),
            users[0] if users else None,
            as_xml,
            body,
            content_type,
        )
        return self._route(call)

    def _check_rate(self) -> None:
        if not self._bucket.admit():
            headers = {"Retry-After": str(int(self._bucket.wait_s()) + 1)} if self._settings.retry_after else {}
            raise ApiError(429, {"base": ["Too many requests"]}, headers)

    def _check_token(self, request: Request) -> Token:
        try:
            return self._auth.check(
                request.headers.get("authorization", ""), request.headers.get("x-coupa-api-key", "")
            )
        except Unauthorized:
            raise ApiError(401, {"base": ["Unauthorized"]}, {"WWW-Authenticate": 'Bearer realm="Coupa"'}) from None

    def _check_headers(self, request: Request) -> None:
        if self._settings.require_api_version and "x-coupa-api-version" not in request.headers:
            raise bad_request("X-Coupa-API-Version is missing")
        accept, sent = request.headers.get("accept", ""), request.headers.get("content-type", "")
        if self._settings.strict_content_types and (
            ("xml" in accept) != ("xml" in sent) if sent else "application/" not in accept
        ):
            raise bad_request("Accept and Content-Type must be the same type")

    def _check_scope(self, token: Token, path: list[str], method: str) -> None:
        resource, action = path[0], path[2] if len(path) > 2 else ""
        if action == "supplier_sites":
            resource = "supplier_sites"
        needed = scopes_for(resource, method, action)
        if not needed & token.scopes:
            raise ApiError(403, {"base": [f"Insufficient scope: {' or '.join(sorted(needed))} is needed"]})

    def _route(self, call: Call) -> Response:
        kind = SCHEMA[call.path[0]] if call.path[0] in SCHEMA and "index" in SCHEMA[call.path[0]].verbs else None
        if kind is None:
            raise not_found()
        match call.path[1:]:
            case []:
                return self._collection(call, kind)
            case [special] if not special.isdigit():
                return self._special(call, kind, special)
            case [record_id]:
                return self._member(call, kind, self._record(kind, record_id))
            case [record_id, name, *rest]:
                return self._below(call, kind, self._record(kind, record_id), name, rest)
            case _:
                raise not_found()

    def _record(self, kind: Kind, record_id: str) -> Record:
        found = self._instance[kind.path].find("id", int(record_id)) if record_id.isdigit() else []
        if not found:
            raise not_found()
        return found[0]

    def _collection(self, call: Call, kind: Kind) -> Response:
        if call.method == "GET":
            return self._list(call, kind, self._search.page(kind, call.query))
        if call.method == "POST" and "create" in kind.verbs:
            return self._shown(call, 201, self._service.create(kind, call.payload, call.user))
        raise not_found()

    def _special(self, call: Call, kind: Kind, name: str) -> Response:
        if kind is ACCOUNT and name == "validate_account" and call.method == "POST":
            return self._validate_account(call)
        if kind.path == "lookup_values" and name == "user_lookup_values" and call.method == "GET":
            return self._list(call, kind, self._search.page(kind, call.query))
        marks = ON_CREATE.get(kind.path, {})
        if name in marks and call.method == "POST":
            record, mark = self._service.create(kind, call.payload, call.user), marks[name]
            return self._shown(call, 201, self._service.act(record, mark, {}, call.user) if mark else record)
        raise not_found()

    def _validate_account(self, call: Call) -> Response:
        problems = self._service.account_problems(call.payload.get("account") or call.payload)
        if problems:
            raise ApiError(400, {"account": problems})
        return answer(200, "account", {"valid": True}, as_xml=call.as_xml)

    def _member(self, call: Call, kind: Kind, record: Record) -> Response:
        if call.method == "GET":
            return self._shown(call, 200, record)
        if call.method == "DELETE" and "delete" in kind.verbs:
            self._service.delete(record, call.user)
            return Response(status_code=200)
        if call.is_update and "update" in kind.verbs:
            return self._update(call, record)
        raise not_found()

    def _update(self, call: Call, record: Record) -> Response:
        exported = call.control("exported")
        if exported and record.kind in (ORDER, INVOICE):
            self._service.mark_exported(record, call.user, true(exported))
            if self._settings.export_call_ignores_body:
                return self._shown(call, 200, record)
        return self._shown(call, 200, self._service.update(record, call.payload, call.user))

    def _below(self, call: Call, kind: Kind, record: Record, name: str, rest: Sequence[str]) -> Response:
        if kind is SUPPLIER and name in PARTS:
            return self._part(call, record, *PARTS[name], rest)
        if kind in ATTACHABLE and name in ("comments", "attachments") and not rest:
            return self._note(call, record, name)
        action = RULES.get(kind.path, NO_RULES).actions.get(name)
        if action is None or rest or not call.is_update:
            raise not_found()
        return self._shown(call, 200, self._service.act(record, action, _hyphenated(call.payload), call.user))

    def _part(self, call: Call, owner: Record, list_name: str, kind: Kind, rest: Sequence[str]) -> Response:
        if not rest:
            if call.method == "GET":
                return self._list(call, kind, self._search.page(kind, call.query, within=owner.many(list_name)))
            if call.method == "POST":
                return self._shown(
                    call, 201, self._service.create_part(owner, list_name, kind, call.payload, call.user)
                )
            raise not_found()
        part = next((one for one in owner.many(list_name) if str(one.id) == rest[0]), None)
        if part is None or len(rest) > 1:
            raise not_found()
        return self._member(call, kind, part)

    def _note(self, call: Call, record: Record, name: str) -> Response:
        if call.method == "GET":
            return answer(200, name[:-1], self._notes.of(name, record), as_xml=call.as_xml)
        if call.method != "POST":
            raise not_found()
        note = self._notes.add(name, record, call.payload, call.user, call.body, call.content_type)
        return answer(201, name[:-1], note, as_xml=call.as_xml)

    def _list(self, call: Call, kind: Kind, records: list[Record]) -> Response:
        if not records and call.as_xml:
            raise ApiError(404, {"base": ["No results match your search criteria."]})
        render = self._renderer(call, kind)
        return answer(200, kind.root, [render(record) for record in records], as_xml=call.as_xml)

    def _shown(self, call: Call, status: int, record: Record) -> Response:
        if call.control("return_object") == "none" and call.method != "GET":
            return Response(status_code=status)
        return answer(status, record.kind.root, self._renderer(call, record.kind)(record), as_xml=call.as_xml)

    def _renderer(self, call: Call, kind: Kind) -> Callable[[Record], dict[str, Any]]:
        """`fields` wins over `return_object`."""
        view = self._service.view
        if kind in (ORDER, ORDER_LINE) and true(call.control("show_deleted_lines")):
            view = View(self._settings, with_deleted=True)
        asked = call.control("fields")
        if asked:
            shape: Shape = parse_fields(asked)
            return lambda record: view.shaped(record, shape)
        match call.control("return_object"):
            case "limited":
                return lambda record: {"id": record.id}
            case "shallow":
                return view.shallow
            case _:
                return view.full


def _hyphenated(payload: dict[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "-"): value for key, value in payload.items()}
