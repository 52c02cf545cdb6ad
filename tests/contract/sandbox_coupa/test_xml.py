"""XML in and out, for the resources that old clients use it with."""

from xml.etree import ElementTree as Et

import httpx

from .conftest import Office

XML = {"Accept": "application/xml", "Content-Type": "application/xml"}


def parsed(answer: httpx.Response, status: int) -> Et.Element:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/xml")
    return Et.fromstring(answer.content)


def attribute(element: Et.Element, path: str, name: str) -> str | None:
    found = element.find(path)
    assert found is not None, path
    return found.get(name)


async def test_a_supplier_goes_in_and_comes_out_with_types_and_nils(office: Office) -> None:
    body = """<supplier><name>Bolts &amp; Co</name><number>V-1001</number><status>active</status>
      <invoice-matching-level>2-way</invoice-matching-level><website nil="true"/><on-hold type="boolean">true</on-hold>
      <primary-address><street1>1 Way</street1><country><code>NL</code></country></primary-address>
      <custom-fields><erp-source-id>E:1</erp-source-id></custom-fields></supplier>"""
    made = parsed(await office.http.post("/api/suppliers", content=body, headers=XML), 201)
    assert (made.tag, made.findtext("name"), made.findtext("on-hold")) == ("supplier", "Bolts & Co", "true")
    assert attribute(made, "id", "type") == "integer"
    assert attribute(made, "created-at", "type") == "datetime"
    assert attribute(made, "website", "nil") == "true"
    assert made.findtext("primary-address/country/code") == "NL"
    listed = parsed(await office.http.get("/api/suppliers", headers=XML), 200)
    assert (listed.tag, listed.get("type"), len(listed)) == ("suppliers", "array", 1)
    assert (await office.get("suppliers"))[0]["custom-fields"] == {"erp-source-id": "E:1"}


async def test_an_order_and_an_invoice_carry_their_lists_of_lines(office: Office) -> None:
    await office.supplier()
    order = """<order-header><type>ExternalOrderHeader</type><po-number>PO-1</po-number>
      <supplier><number>V-1001</number></supplier><ship-to-address><location-code>MAIN</location-code></ship-to-address>
      <ship-to-user><login>receiving</login></ship-to-user>
      <order-lines type="array">%s%s</order-lines></order-header>"""
    line = """<order-line><description>Bolts</description><price>2.5</price><quantity>4</quantity>
      <currency><code>EUR</code></currency></order-line>"""
    made = parsed(await office.http.post("/api/purchase_orders", content=order % (line, line), headers=XML), 201)
    assert [total.text for total in made.findall("order-lines/order-line/total")] == ["10.00", "10.00"]
    assert attribute(made, "order-lines/order-line/price", "type") == "decimal"
    listed = parsed(await office.http.get("/api/purchase_orders", headers=XML), 200)
    assert listed.tag == "order-headers"
    invoice = """<invoice-header><invoice-number>I-1</invoice-number>
      <invoice-date>2026-01-31</invoice-date>
      <supplier><number>V-1001</number></supplier><account-type><name>Company Chart</name></account-type>
      <line-level-taxation type="boolean">true</line-level-taxation><currency><code>EUR</code></currency>
      <invoice-lines type="array"><invoice-line><description>Bolts</description><price>2.5</price><quantity>4</quantity>
        <account><code>100-4000</code><account-type><name>Company Chart</name></account-type></account>
        <tax-lines type="array"><tax-line><amount>2.10</amount></tax-line></tax-lines></invoice-line></invoice-lines>
      </invoice-header>"""
    made = parsed(await office.http.post("/api/invoices", content=invoice, headers=XML), 201)
    assert (made.tag, made.findtext("total-with-taxes")) == ("invoice-header", "12.10")
    assert made.findtext("invoice-lines/invoice-line/tax-lines/tax-line/amount") == "2.10"
    exported = b"<order-header><exported type='boolean'>true</exported></order-header>"
    order_id = listed.findtext("order-header/id")
    assert (
        parsed(await office.http.put(f"/api/purchase_orders/{order_id}", content=exported, headers=XML), 200).findtext(
            "exported"
        )
        == "true"
    )


async def test_errors_and_empty_results_are_xml_too(office: Office) -> None:
    empty = parsed(await office.http.get("/api/lookup_values?name=none", headers=XML), 404)
    assert [e.text for e in empty] == ["No results match your search criteria."]
    refused = parsed(await office.http.post("/api/suppliers", content="<supplier/>", headers=XML), 400)
    assert refused.tag == "errors"
    assert "name can't be blank" in [e.text for e in refused.findall("error")]
    assert (await office.http.post("/api/suppliers", content="<supplier>", headers=XML)).status_code == 400
    value = """<lookup-value><name>Rent</name><external-ref-num>4200</external-ref-num>
      <lookup><name>GL Account</name></lookup></lookup-value>"""
    assert parsed(await office.http.post("/api/lookup_values", content=value, headers=XML), 201).tag == "lookup-value"


async def test_a_document_type_and_its_entities_are_refused(office: Office) -> None:
    bomb = """<!DOCTYPE s [<!ENTITY a "x">]><supplier><name>&a;</name>
      <invoice-matching-level>none</invoice-matching-level></supplier>"""
    refused = parsed(await office.http.post("/api/suppliers", content=bomb, headers=XML), 400)
    assert refused.findtext("error") == "The XML could not be parsed."
