"""The image of an invoice -> a document with an attachment in Exact, which the entry then names.

Exact takes it in three steps (document, attachment, entry); what one of them left behind is found again and used.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connector.domain.documents.invoice import Invoice
from connector.domain.identity import TrafficClass
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Plan, Step, Verb

from .client import ExactClient, Query, Row, guid, text

if TYPE_CHECKING:
    from .rendering import Rendering

PART = "image"
RESOURCE, ATTACHMENTS = "documents/Documents", "documents/DocumentAttachments"
PURCHASE_DOCUMENT = 20
"""Exact's document type of purchase entries."""
BLOB = "blob"
"""Stands in a step's body for the bytes, which are fetched when it is sent."""
ATTACHED = "attached"
"""Beside it: what the document has already, so that the answer is as good as reading it back."""
MARK = " · "
FIELDS = ("ID", "Subject", "Account", "Created", "Creator")


def render(r: "Rendering", invoice: Invoice, supplier: str | None) -> list[Part]:
    if r.options.images == "none":
        return []
    kept = r.wanted.document.extras.get("images") or {}
    files = []
    for attachment in invoice.attachments:
        image = kept.get(attachment.id) or {}
        if image.get("problem"):
            r.find(
                f"image-{image['problem']}",
                f"The image {attachment.name or attachment.id} can't be attached: {image['problem']}.",
                fix="Replace the image at the source by one of at most 10 MB, or set the flow's images: none.",
                field="attachments",
            )
        elif BLOB in image:
            files.append({"name": attachment.name or f"{attachment.id}.pdf", BLOB: image[BLOB]})
    if not files:
        return []
    subject = f"Invoice {invoice.invoice_number}{MARK}{r.stamp}"
    wanted = {"subject": subject, "account": supplier, "files": files}
    return [Part(PART, NaturalKey(RESOURCE, (("Subject", subject),)), r.stamp, wanted, Measure())]


async def look_up(
    client: ExactClient, keys: Sequence[NaturalKey], traffic: TrafficClass
) -> dict[NaturalKey, Sequence[Found]]:
    subjects = sorted({text(dict(key.fields)["Subject"]) for key in keys})
    rows = await client.rows_of(Query(RESOURCE, FIELDS), "Subject", subjects, traffic)
    shown = await _found(client, rows, traffic)
    return {key: [one for one in shown.values() if one.natural_key == key] for key in keys}


async def read(client: ExactClient, ids: Sequence[str], traffic: TrafficClass) -> dict[str, Found]:
    rows = await client.rows_of(Query(RESOURCE, FIELDS), "ID", [guid(one) for one in ids], traffic)
    return await _found(client, rows, traffic)


async def _found(client: ExactClient, rows: Sequence[Row], traffic: TrafficClass) -> dict[str, Found]:
    if not rows:
        return {}
    query = Query(ATTACHMENTS, ("ID", "Document", "FileName"))
    attached = await client.rows_of(query, "Document", [guid(row["ID"]) for row in rows], traffic)
    names: dict[str, list[str]] = {}
    for attachment in attached:
        names.setdefault(attachment["Document"], []).append(attachment["FileName"])
    return {row["ID"]: found(row, names.get(row["ID"], [])) for row in rows}


def found(row: Row, names: Sequence[str]) -> Found:
    subject = str(row.get("Subject") or "")
    return Found(
        target_id=row["ID"],
        natural_key=NaturalKey(RESOURCE, (("Subject", subject),)),
        stamp=subject.partition(MARK)[2] or None,
        status="stored",
        live=True,
        projection={"subject": subject, "account": row.get("Account"), "files": sorted(names)},
    )


def attached(step: Step, row: Row) -> Found:
    """The document after an attachment was added."""
    assert step.body is not None
    assert step.natural_key is not None
    shown = found({"ID": row["Document"], "Subject": dict(step.natural_key.fields)["Subject"]}, ())
    names = sorted([*step.body[ATTACHED], row["FileName"]])
    return replace(shown, projection={**shown.projection, "files": names})


def plan(part: Part, now: Found | None) -> Plan:
    if part.gone:
        return Plan(Verb.NONE)  # the document stays with the account
    if now is None:
        body: dict[str, Any] = {"Subject": part.wanted["subject"], "Type": PURCHASE_DOCUMENT}
        if part.wanted["account"]:
            body["Account"] = part.wanted["account"]
        return Plan(Verb.CREATE, [_step(part, "create-document", RESOURCE, body, creates=True)])
    missing = [file for file in part.wanted["files"] if file["name"] not in now.projection["files"]]
    steps = [
        _step(
            part,
            f"attach {file['name']}",
            ATTACHMENTS,
            {"Document": now.target_id, "FileName": file["name"], BLOB: file[BLOB], ATTACHED: now.projection["files"]},
        )
        for file in missing
    ]
    return Plan(Verb.UPDATE, steps) if steps else Plan(Verb.NONE)


def _step(part: Part, name: str, resource: str, body: Json, *, creates: bool = False) -> Step:
    return Step(name, part.name, "POST", resource, body, natural_key=part.natural_key, creates=creates)
