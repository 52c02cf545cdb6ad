"""The pages of a person's login at a vendor: where it starts, and where the vendor sends the browser back to."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from connector.adapters.gate.authorize import INVITATION_LIFE_S, AuthorisationRefused, Authorisations, Outcome

COOKIE = "connector_login"
_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}


class Login:
    """`GET /oauth/start/{invitation}` sends the browser to the vendor; `GET /oauth/callback` takes it back."""

    def __init__(self, authorisations: Authorisations, *, secure: bool) -> None:
        self._authorisations = authorisations
        self._secure = secure

    def routes(self) -> list[Route]:
        return [Route("/oauth/start/{invitation}", self.start), Route("/oauth/callback", self.callback)]

    async def start(self, request: Request) -> Response:
        try:
            started = await self._authorisations.start(request.path_params["invitation"])
        except AuthorisationRefused as refused:
            return page(400, "This login cannot start", str(refused), "")
        answer = RedirectResponse(started.url, 303, headers=_HEADERS)
        answer.set_cookie(
            COOKIE,
            started.browser,
            max_age=int(INVITATION_LIFE_S),
            path="/oauth",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return answer

    async def callback(self, request: Request) -> Response:
        said = request.query_params
        result = await self._authorisations.finish_authorization(
            said.get("state", ""), said.get("code"), request.cookies.get(COOKIE), said.get("error")
        )
        done = result.outcome is Outcome.AUTHORISED
        title = "The connection is authorised" if done else "The connection is not authorised"
        answer = page(200 if done else 400, title, result.message, result.next_step)
        answer.delete_cookie(COOKIE, path="/oauth", secure=self._secure, httponly=True, samesite="lax")
        return answer


def page(status: int, title: str, message: str, next_step: str) -> HTMLResponse:
    """Says what happened and what is left to do."""
    next_line = f"<p><b>Next:</b> {escape(next_step)}</p>" if next_step else "<p>You may close this window.</p>"
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}}</style></head>
<body><h1>{escape(title)}</h1><p>{escape(message)}</p>{next_line}</body></html>""",
        status,
        headers=_HEADERS,
    )
