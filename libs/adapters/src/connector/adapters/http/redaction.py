"""What may be shown of a request: secrets stay out of every log line, trace, error and audit row."""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

REDACTED = "[redacted]"
_SECRET_HEADERS = frozenset(
    ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-coupa-api-key", "x-api-key")
)
_SECRET_PARAMETERS = frozenset(
    ("access_token", "refresh_token", "client_secret", "client_id", "code", "state", "password", "api_key", "secret",
     "token", "sig", "signature")
)  # fmt: skip


def redact_url(url: str) -> str:
    """The URL without user, password and the values of parameters that may be secret."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = urlencode(
        [(name, REDACTED if name.lower() in _SECRET_PARAMETERS else value) for name, value in parse_qsl(parts.query)],
        safe="[]$'(),*/:",
    )
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: REDACTED if name.lower() in _SECRET_HEADERS else value for name, value in headers.items()}


def redact_text(text: str, secrets: Iterable[str]) -> str:
    """`text` without the given secret values: for a vendor's words, which may repeat what was sent."""
    for secret in sorted((value for value in secrets if len(value) >= 4), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text
