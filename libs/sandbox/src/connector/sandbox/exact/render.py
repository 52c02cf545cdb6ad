"""Answers on the wire: verbose JSON with `__metadata` and `__deferred`, Atom for who does not ask for JSON, EDMX."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.responses import Response

from .errors import Refusal
from .query import Query, Selection
from .schema import EDM, Entity, Kind, Row, wire
from .store import Division

_HIDDEN = {"Attachment"}
"""Write-only: an attachment's bytes are read from its Url."""


class Renderer:
    """Rows of one entity in one division as the vendor shows them."""

    def __init__(
        self, base_url: str, division: Division | None, entity: Entity, lines: Entity | None, cut: int
    ) -> None:
        self.division, self.entity, self.lines, self.cut = division, entity, lines, cut
        prefix = f"{base_url}/api/v1/{division.code}/" if division else f"{base_url}/api/v1/"
        self.url = prefix + entity.path
        self.line_url = prefix + lines.path if lines else ""

    def uri(self, row: Row) -> str:
        return f"{self.url}({_key(self.entity, row)})"

    def row(self, row: Row, query: Query) -> dict[str, Any]:
        shown = self._fields(self.entity, row, query.select, self.uri(row))
        collection = self.entity.lines
        if collection is None or self.division is None:
            return shown
        name = collection.collection
        if name in query.expand:
            rows = self.line_rows(row)
            cut = rows[: self.cut] if self.cut else rows
            shown[name] = {"results": [self._line(line, query.expand[name]) for line in cut]}
        elif query.collections:
            shown[name] = {"__deferred": {"uri": f"{self.uri(row)}/{name}"}}
        return shown

    def line_rows(self, row: Row) -> list[Row]:
        """The rows below a header, in the order of their line numbers."""
        if self.lines is None or self.entity.lines is None or self.division is None:
            return []
        found = self.division.table(self.lines).where(self.entity.lines.parent, row[self.entity.key])
        return sorted(found, key=lambda line: line.get("LineNumber") or 0)

    def key_only(self, row: Row) -> dict[str, Any]:
        """A created entity as shown without `Prefer: return=representation`: every property null but the key."""
        shown: dict[str, Any] = dict.fromkeys(self.entity.fields)
        return {
            "__metadata": self._metadata(self.entity, self.uri(row)),
            **shown,
            self.entity.key: row[self.entity.key],
        }

    def _line(self, line: Row, select: Selection) -> dict[str, Any]:
        assert self.lines is not None
        return self._fields(self.lines, line, select, f"{self.line_url}({_key(self.lines, line)})")

    def _fields(self, entity: Entity, row: Row, select: Selection, uri: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"__metadata": self._metadata(entity, uri)}
        division, joined = self.division, entity.joined
        for name, spec in entity.fields.items():
            if select is not None and name not in select:
                continue
            value = division.value(entity, row, name) if division and name in joined else row.get(name)
            shown[name] = None if name in _HIDDEN else wire(spec, value)
        return shown

    @staticmethod
    def _metadata(entity: Entity, uri: str) -> dict[str, str]:
        return {"uri": uri, "type": entity.model}


def _key(entity: Entity, row: Row) -> str:
    value = row[entity.key]
    return f"guid'{value}'" if entity.fields[entity.key].kind is Kind.GUID else str(value)


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return Response(text.encode(), status, headers, "application/json; charset=utf-8")


def error(refusal: Refusal) -> Response:
    body = {"error": {"code": "", "message": {"lang": "", "value": refusal.text}}}
    headers = {"Reason": _header(refusal.reason or refusal.text)}
    return json_answer(body, refusal.status, headers)


def _header(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace").decode("latin-1")[:500]


def atom(rows: Iterable[dict[str, Any]], title: str, single: bool, next_url: str | None) -> Response:
    """What a client gets that does not send `Accept: application/json`."""
    entries = [
        f'<entry><id>{escape(row["__metadata"]["uri"])}</id><content type="application/xml"><m:properties>'
        + "".join(_property(name, value) for name, value in row.items() if not isinstance(value, dict))
        + "</m:properties></content></entry>"
        for row in rows
    ]
    namespaces = (
        'xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
        'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
    )
    head = '<?xml version="1.0" encoding="utf-8"?>'
    if single and entries:
        text = head + entries[0].replace("<entry>", f"<entry {namespaces}>", 1)
    else:
        link = f'<link rel="next" href="{escape(next_url, {chr(34): "&quot;"})}"/>' if next_url else ""
        text = f'{head}<feed {namespaces}><title type="text">{escape(title)}</title>{"".join(entries)}{link}</feed>'
    return Response(text.encode(), media_type="application/atom+xml; charset=utf-8")


def _property(name: str, value: Any) -> str:
    if value is None:
        return f'<d:{name} m:null="true"/>'
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<d:{name}>{escape(text)}</d:{name}>"


def edmx(service: str, entities: Iterable[Entity]) -> Response:
    """`$metadata` of one service."""
    types = []
    for entity in entities:
        properties = "".join(
            f'<Property Name="{name}" Type="{EDM[spec.kind]}" Nullable="{"false" if name == entity.key else "true"}"/>'
            for name, spec in entity.fields.items()
        )
        key = f'<Key><PropertyRef Name="{entity.key}"/></Key>'
        types.append(f'<EntityType Name="{entity.model.rpartition(".")[2]}">{key}{properties}</EntityType>')
    text = (
        '<?xml version="1.0" encoding="utf-8"?><edmx:Edmx Version="1.0" '
        'xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"><edmx:DataServices>'
        f'<Schema Namespace="Exact.Web.Api.Models" xmlns="http://schemas.microsoft.com/ado/2006/04/edm">{"".join(types)}'
        "</Schema></edmx:DataServices></edmx:Edmx>"
    )
    return Response(text.encode(), media_type="application/xml; charset=utf-8", headers={"X-Service": service})


def next_url(url: str, options: dict[str, str], token: str) -> str:
    """The same request with a skip token, absolute."""
    kept = {**options, "$skiptoken": token}
    query = "&".join(f"{name}={quote(value, safe=SAFE)}" for name, value in kept.items())
    return f"{url}?{query}"


SAFE = "(),'*/:$"
