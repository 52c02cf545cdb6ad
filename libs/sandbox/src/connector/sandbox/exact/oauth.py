"""The two OAuth pages over HTTP."""

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from . import render
from .auth import Authority, TokenRefusal, token_body
from .errors import FunctionalError, Refusal

ROTATED = "sandbox.exact.rotated"
"""Key in the ASGI scope of a request that rotated a refresh token, so that a spoiled answer can be counted as lost."""


def authorization_page(authority: Authority, request: Request) -> Response:
    """Consent is given at once: the answer is the redirect to the app's callback."""
    if request.method != "GET":
        return render.error(Refusal(405, "Method Not Allowed"))
    try:
        return RedirectResponse(authority.approve(request.query_params), 302)
    except Refusal as refusal:
        return Response(refusal.text, refusal.status, media_type="text/html")
    except FunctionalError as error:
        return Response(str(error), 400, media_type="text/html")


async def token_answer(authority: Authority, request: Request, body: bytes) -> Response:
    """A token pair, or the refusal with its `Reason` header."""
    if request.method != "POST":
        return render.error(Refusal(405, "Method Not Allowed"))
    if "application/x-www-form-urlencoded" not in request.headers.get("content-type", ""):
        return _json(TokenRefusal(400, {"error": "invalid_request"}))
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    rotations = authority.counters.refreshes
    try:
        answer = authority.token(form)
    except TokenRefusal as refusal:
        return _json(refusal)
    if authority.counters.refreshes > rotations:
        if await request.is_disconnected():
            authority.counters.answers_lost += 1
        else:
            request.scope[ROTATED] = True
    return Response(token_body(answer), media_type="application/json")


def _json(refusal: TokenRefusal) -> Response:
    headers = {"Reason": refusal.reason} if refusal.reason else None
    return Response(token_body(refusal.body), refusal.status, headers, "application/json")
