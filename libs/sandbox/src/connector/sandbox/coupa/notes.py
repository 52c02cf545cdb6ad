"""Comments and attachments on orders and invoices."""

import email
import email.policy
from collections.abc import Mapping
from typing import Any

from .fields import MomentText, Record
from .schema import INVOICE, ORDER
from .store import Instance
from .view import View
from .wire import bad_request

ATTACHABLE = (ORDER, INVOICE)


class Notes:
    """What people and clients hang on a document."""

    def __init__(self, instance: Instance, view: View) -> None:
        self._instance = instance
        self._view = view

    def of(self, name: str, record: Record) -> list[dict[str, Any]]:
        return self._instance.notes.get((name, record.id), [])

    def add(
        self, name: str, record: Record, payload: Mapping[str, Any], user: Record | None, body: bytes, content_type: str
    ) -> dict[str, Any]:
        """A comment from JSON or XML; an attachment from `attachment[file]` and `attachment[type]` of a form."""
        content = _attachment(body, content_type) if name == "attachments" else _comment(payload)
        note = {
            "id": self._instance.next_id(name),
            "created-at": MomentText(self._instance.moment().astimezone(self._view.tz).isoformat()),
            **content,
            "created-by": None if user is None else self._view.summary(user),
        }
        self._instance.notes.setdefault((name, record.id), []).append(note)
        return note


def _comment(payload: Mapping[str, Any]) -> dict[str, Any]:
    text = payload.get("comments") or payload.get("comment")
    if not text:
        raise bad_request("comments can't be blank")
    return {"comments": str(text)}


def _attachment(body: bytes, content_type: str) -> dict[str, Any]:
    form = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    if not form.is_multipart():
        raise bad_request("an attachment is sent as multipart/form-data")
    parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
    file, kind = parts.get("attachment[file]"), parts.get("attachment[type]")
    if file is None:
        raise bad_request("attachment[file] is missing")
    content = file.get_payload(decode=True)
    return {
        "type": kind.get_content().strip() if kind is not None else "file",
        "file": file.get_filename(),
        "size": len(content) if isinstance(content, bytes) else 0,
    }
