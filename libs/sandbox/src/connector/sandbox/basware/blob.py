"""The second origin: pre-signed, expiring links to what a redirect points at."""

import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.core.clock import SandboxClock

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class _Blob:
    content: bytes
    media_type: str
    headers: Mapping[str, str]
    expires_at: float


@dataclass(slots=True)
class BlobStore:
    """Objects under unguessable keys; each holds what the document was when the redirect was given."""

    clock: SandboxClock
    secret: bytes
    base_url: str = "http://blob.basware.sandbox"
    blobs: dict[str, _Blob] = field(default_factory=dict)
    _keys: deque[str] = field(default_factory=deque)
    _count: int = 0

    def link(self, content: bytes, media_type: str, headers: Mapping[str, str], *, life_s: float) -> str:
        """Store an object and sign a link to it that lives `life_s` seconds."""
        now = self.clock.now()
        self._forget(now.timestamp())
        self._count += 1
        key = hmac.new(self.secret, b"key %d" % self._count, hashlib.sha256).hexdigest()[:40]
        self.blobs[key] = _Blob(content, media_type, headers, now.timestamp() + life_s)
        self._keys.append(key)
        query = {"X-Amz-Date": now.strftime(_STAMP), "X-Amz-Expires": f"{life_s:g}"}
        query["X-Amz-Signature"] = self._signature(key, query)
        return f"{self.base_url}/documents/{key}?{urlencode(query)}"

    def _signature(self, key: str, query: Mapping[str, str]) -> str:
        signed = f"{key}\n{query.get('X-Amz-Date')}\n{query.get('X-Amz-Expires')}"
        return hmac.new(self.secret, signed.encode(), hashlib.sha256).hexdigest()

    def _forget(self, now: float) -> None:
        while self._keys and self.blobs[self._keys[0]].expires_at <= now:
            del self.blobs[self._keys.popleft()]

    async def serve(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return _error(400, "InvalidArgument", "Only one auth mechanism allowed")
        key, query = request.path_params["key"], dict(request.query_params)
        if not hmac.compare_digest(query.get("X-Amz-Signature", "").encode(), self._signature(key, query).encode()):
            return _error(403, "SignatureDoesNotMatch", "The signature does not match the request")
        blob = self.blobs.get(key)
        if blob is None or self.clock.time() >= blob.expires_at:
            return _error(403, "AccessDenied", "Request has expired")
        return Response(blob.content, 200, dict(blob.headers), blob.media_type)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/documents/{key}", self.serve, methods=["GET"])])


def _error(status: int, code: str, message: str) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")
