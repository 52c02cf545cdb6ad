"""HTTP to vendors: httpx on the aiohttp transport, with deadlines, caps and redaction."""

from connector.adapters.http.caller import Caller
from connector.adapters.http.client import BODY_CAP_BYTES, VendorAnswer, request, vendor_http
from connector.adapters.http.redaction import redact_headers, redact_text, redact_url

__all__ = [
    "BODY_CAP_BYTES",
    "Caller",
    "VendorAnswer",
    "redact_headers",
    "redact_text",
    "redact_url",
    "request",
    "vendor_http",
]
