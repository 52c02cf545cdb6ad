"""Basware's room against the sandbox over HTTP: redirects, lists, rounds, acknowledgements, images, vendors."""

from decimal import Decimal
from typing import Any

from connector.adapters.clock import SystemClock
from connector.adapters.systems.basware.auth import AUTH
from connector.adapters.systems.basware.responses import BaswareResponder
from connector.adapters.systems.basware.webhook import Recipient
from connector.domain.documents.envelope import RecordStatus
from connector.domain.documents.invoice import InvoiceStatus
from connector.domain.identity import Entity, EntityRef, FlowId, TrafficClass
from connector.domain.ports.answers import DueAnswer
from connector.domain.ports.source import Notice, Unreadable
from connector.domain.sync.states import State
from tests.contract.basware_source.basware import (
    BASWARE,
    FINGERPRINTS,
    OpenGate,
    Receiver,
    Room,
    canonical_of,
    receiving,
    row,
)


async def test_an_invoice_is_read_through_the_redirect_with_its_round_and_supplier(room: Room) -> None:
    source = room.source()
    await room.sweep(source, "vendors")
    key = room.sandbox.create_invoice("R-1", row("60.00", "12.60"), row("40.00", "8.40", costCenterCode="CC2"))
    (read,) = await room.read(source, Entity.INVOICE, key)
    record = canonical_of(read, Entity.INVOICE)
    document: Any = record.document
    assert record.status is RecordStatus.OK
    assert (document.invoice_number, document.totals.net, document.totals.gross) == (
        "R-1",
        Decimal("100.00"),
        Decimal("121.00"),
    )
    assert [(line.net_amount, line.accounting[0].cost_center) for line in document.lines] == [
        (Decimal("60.00"), "CC1"),
        (Decimal("40.00"), "CC2"),
    ]
    assert document.supplier.id == "vendor-V100"
    assert record.extras["round"] == 0
    assert record.findings == []


async def test_every_call_names_itself_and_the_link_is_followed_without_our_token(room: Room) -> None:
    """The blob origin refuses any Authorization: a read succeeds only without."""
    room.sandbox.set(require_request_id=True)
    secrets = {name: room.sandbox.credentials[name] for name in ("client_id", "client_secret")}
    settings = room.sandbox.settings()
    await AUTH.renew(room.http, settings, secrets, None, deadline_s=5.0, before_send=None)
    invoice, order = room.sandbox.create_invoice("R-2"), room.sandbox.create_order("PO-R2")
    with receiving(Receiver(Recipient(("sécret",)))) as address:
        source = room.source(address=address, stuck_after_s=0.001)
        for job in source.jobs:
            await room.sweep(source, job.name)
        reads = await room.read(source, Entity.INVOICE, invoice)
        await source.acknowledge(Entity.INVOICE, reads, TrafficClass.LIVE)
        orders = await room.read(source, Entity.PURCHASE_ORDER, order)
        await source.acknowledge(Entity.PURCHASE_ORDER, orders, TrafficClass.LIVE)
    responder = BaswareResponder(BASWARE, settings, OpenGate(room.sandbox.token()), room.http, SystemClock())
    ref, flow = EntityRef(BASWARE, Entity.INVOICE, invoice), FlowId("acme", "basware-exact")
    due = DueAnswer(ref, 0, flow, State.SYNCED, [], {"entry": {"number": "7"}})
    await responder.answer(due, await responder.look(due), before_send)
    room.sandbox.set(require_request_id=False)
    called = {call["path"].split("/")[2] for call in room.sandbox.calls("/v1/")}
    assert called >= {"tokens", "accountingDocuments", "exportedPurchaseOrders", "vendors", "tasks", "subscriptions"}
    assert {call["status"] for call in room.sandbox.calls("/v1/")} <= {200, 302, 404}
    assert (len(reads), room.sandbox.invoice(invoice)["processingStatus"]) == (1, "Transferred")


async def before_send() -> float:
    return 5.0


async def test_many_invoices_are_listed_a_hundred_a_call(room: Room) -> None:
    keys = [room.sandbox.create_invoice(f"M-{n}") for n in range(12)]
    source = room.source()
    room.sandbox.forget()
    reads = await room.read(source, Entity.INVOICE, *keys)
    assert {read.native_id for read in reads} == set(keys)
    assert len(room.sandbox.calls("/v1/accountingDocuments")) == 1


async def test_an_empty_list_is_no_error(room: Room) -> None:
    source = room.source()
    for page in await room.sweep(source, "invoices"):
        for reads in page.rows.values():
            await source.acknowledge(Entity.INVOICE, reads, TrafficClass.LIVE)
    pages = await room.sweep(source, "invoices")
    assert [list(page.rows.values()) for page in pages] == [[]]


async def test_what_basware_does_not_show_yet_is_asked_for_again(room: Room) -> None:
    answers = await room.source().read(
        Entity.INVOICE, [Notice(Entity.INVOICE, "nowhere")], room.stamp, TrafficClass.LIVE
    )
    assert isinstance(answers[0], Unreadable)


async def test_acknowledging_comes_after_and_twice_is_once(room: Room) -> None:
    source = room.source()
    key = room.sandbox.create_invoice("A-1")
    reads = await room.read(source, Entity.INVOICE, key)
    assert room.sandbox.invoice(key)["processingStatus"] == "WaitingForTransfer"
    await source.acknowledge(Entity.INVOICE, reads, TrafficClass.LIVE)
    await source.acknowledge(Entity.INVOICE, reads, TrafficClass.LIVE)
    assert room.sandbox.invoice(key)["processingStatus"] == "TransferInProgress"


async def test_nothing_is_acknowledged_in_a_dry_run(room: Room) -> None:
    async def dry() -> bool:
        return False

    key = room.sandbox.create_invoice("A-0")
    source = room.source(is_live=dry)
    await source.acknowledge(Entity.INVOICE, await room.read(source, Entity.INVOICE, key), TrafficClass.LIVE)
    assert room.sandbox.invoice(key)["processingStatus"] == "WaitingForTransfer"
    await room.sweep(source, "invoices")
    assert [page.keys for page in await room.sweep(source, "invoices") if page.keys] == []


async def test_an_invoice_still_offered_after_it_was_swept_is_read_by_key_and_so_acknowledged(room: Room) -> None:
    source = room.source()
    key = room.sandbox.create_invoice("A-2")
    swept = [
        read.native_id for page in await room.sweep(source, "invoices") for read in page.rows.get(Entity.INVOICE, ())
    ]
    assert key in swept
    again = [notice.native_id for page in await room.sweep(source, "invoices") for notice in page.keys]
    assert key in again


async def test_only_an_offered_invoice_opens_a_round(room: Room) -> None:
    source = room.source()
    ours = room.sandbox.create_invoice("O-1")
    theirs = room.sandbox.create_invoice("O-2")
    first = canonical_of((await room.read(source, Entity.INVOICE, ours))[0], Entity.INVOICE)
    token = {"authorization": f"Bearer {room.sandbox.token()}"}
    for key in (ours, theirs):
        await room.http.post(f"{room.sandbox.base_url}/v1/accountingDocuments/{key}/acknowledge", headers=token)
    later = canonical_of((await room.read(source, Entity.INVOICE, ours))[0], Entity.INVOICE)
    foreign = canonical_of((await room.read(source, Entity.INVOICE, theirs))[0], Entity.INVOICE)
    assert later.content_digest == first.content_digest
    assert "round" not in foreign.extras


async def test_an_invoice_taken_back_shows_as_cancelled(room: Room) -> None:
    source = room.source()
    key = room.sandbox.create_invoice("W-1")
    await room.read(source, Entity.INVOICE, key)
    room.sandbox.act("withdraw_invoice", invoiceId=key)
    document: Any = canonical_of((await room.read(source, Entity.INVOICE, key))[0], Entity.INVOICE).document
    assert document.status is InvoiceStatus.CANCELLED


async def test_an_unknown_company_is_a_finding_on_the_document(room: Room) -> None:
    key = room.sandbox.create_invoice("C-1", companyCode="DE01")
    record = canonical_of((await room.read(room.source(), Entity.INVOICE, key))[0], Entity.INVOICE)
    assert [finding.code for finding in record.findings] == ["company-unknown"]


async def test_an_image_rests_beside_the_document_and_one_too_large_says_so(room: Room) -> None:
    source = room.source(images=True, image_cap_bytes=4096)
    key = room.sandbox.create_invoice("I-1")
    room.sandbox.act("attach_to_invoice", invoiceId=key, filename="a.pdf")
    record = canonical_of((await room.read(source, Entity.INVOICE, key))[0], Entity.INVOICE)
    (image,) = record.extras["images"].values()
    assert len(await room.blobs.get("acme", image["blob"])) == image["size"]
    small = room.source(images=True, image_cap_bytes=100)
    record = canonical_of((await room.read(small, Entity.INVOICE, key))[0], Entity.INVOICE)
    assert [finding.code for finding in record.findings] == ["image-too-large"]


async def test_an_expired_link_is_asked_for_once_more(room: Room) -> None:
    key = room.sandbox.create_invoice("L-1")
    room.sandbox.fault(path="/documents/", when="before", action="respond", status=403, body="<Error/>", times=1)
    source = room.source(images=True)
    room.sandbox.act("attach_to_invoice", invoiceId=key, filename="a.pdf")
    room.sandbox.forget()
    room.sandbox.fault(
        path="/documents/", when="before", action="respond", status=403, body="<Error/>", times=1, skip=1
    )
    record = canonical_of((await room.read(source, Entity.INVOICE, key))[0], Entity.INVOICE)
    assert [image.get("problem") for image in record.extras["images"].values()] == [None]


async def test_an_order_exported_again_behind_our_back_is_due_again(room: Room) -> None:
    source = room.source()
    code = room.sandbox.create_order("PO-1")
    (read,) = await room.read(source, Entity.PURCHASE_ORDER, code)
    room.sandbox.act("change_order", externalCode=code, purpose="more")
    again = await source.acknowledge(Entity.PURCHASE_ORDER, [read], TrafficClass.LIVE)
    assert Notice(Entity.PURCHASE_ORDER, code) in again


async def test_an_order_becomes_a_canonical_one(room: Room) -> None:
    source = room.source()
    coding = [
        {"accountCode": "4000", "costCenterCode": "CC1", "splitPercent": 25},
        {"accountCode": "4100", "costCenterCode": "CC2", "splitPercent": 75},
    ]
    line = {"quantity": "4", "netPrice": "2.5", "taxPercent": "21", "codingRows": coding}
    code = room.sandbox.create_order("PO-2", orderLines=[line])
    record = canonical_of((await room.read(source, Entity.PURCHASE_ORDER, code))[0], Entity.PURCHASE_ORDER)
    document: Any = record.document
    assert (document.order_number, document.lifecycle, document.totals.net) == ("PO-2", "open", Decimal("10.00"))
    assert [(row.share, row.gl_account) for row in document.lines[0].accounting] == [(25, "4000"), (75, "4100")]


async def test_vendors_are_listed_wrapped_or_bare_and_only_what_changed_after_that(room: Room) -> None:
    for shape in ("wrapped", "bare"):
        room.sandbox.set(vendor_list_shape=shape)
        pages = await room.sweep(room.source(), "vendors")
        assert "vendor-V100" in [read.native_id for page in pages for read in page.rows.get(Entity.SUPPLIER, ())]
    room.sandbox.set(vendor_list_shape="wrapped")
    record = canonical_of((await room.read(room.source(), Entity.SUPPLIER, "vendor-V100"))[0], Entity.SUPPLIER)
    document: Any = record.document
    assert (document.number, document.vat_id, document.addresses[0].country) == ("V100", "NL000000100B01", "NL")


async def test_a_vendor_that_a_document_names_first_is_asked_for_before_the_document_goes_on(room: Room) -> None:
    source = room.source()
    unknown = await room.read(source, Entity.INVOICE, room.sandbox.create_invoice("V-0", supplierCode="V776"))
    room.sandbox.act(
        "create_vendor", vendorCode="V777", name="New", companies=[{"companyCode": "NL01"}], sourceSystem="ERP"
    )
    key = room.sandbox.create_invoice("V-1", supplierCode="V777")
    (read,) = await room.read(source, Entity.INVOICE, key)
    due = await source.acknowledge(Entity.INVOICE, [read], TrafficClass.LIVE)
    assert [notice.entity for notice in due] == [Entity.SUPPLIER]
    documents: list[Any] = [canonical_of(one, Entity.INVOICE).document for one in (*unknown, read)]
    assert [document.supplier.id for document in documents] == [None, due[0].native_id]


async def test_of_bank_data_only_the_accounts_hash_and_last_four_leave_the_room(room: Room) -> None:
    iban, bban = "NL91ABNA0417164300", "ABNA 0417164300"
    bank = {"supplierBankBBAN": bban, "supplierBankBIC": "ABNANL2A", "supplierBankName": "Bank of B"}
    keys = [
        room.sandbox.create_invoice("B-1", supplierBankIBAN=iban, **bank),
        room.sandbox.create_invoice("B-2", supplierBankIBAN="nl91 abna 0417 1643 00"),
        room.sandbox.create_invoice("B-3", **bank),
        room.sandbox.create_invoice("B-4"),
    ]
    reads = {read.native_id: read for read in await room.read(room.source(), Entity.INVOICE, *keys)}
    documents: list[Any] = [canonical_of(reads[key], Entity.INVOICE).document for key in keys]
    told = str(reads) + str(documents)
    assert [clear for clear in (iban, bban, "0417164300", "ABNANL2A", "Bank of B") if clear in told] == []
    by_iban, by_bban = FINGERPRINTS.of(iban), FINGERPRINTS.of(bban)
    assert [(one.payee_account, one.payee_account_last4) for one in documents] == [
        (by_iban.hash, "4300"),
        (by_iban.hash, "4300"),
        (by_bban.hash, "4300"),
        (None, None),
    ]
