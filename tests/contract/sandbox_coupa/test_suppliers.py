"""Suppliers: validation, references, parts and custom fields."""

from typing import Any

import pytest

from .conftest import Office


async def test_a_supplier_needs_name_and_matching_level_and_starts_as_draft(office: Office) -> None:
    refused = await office.post("suppliers", {}, 400)
    assert refused["errors"] == {"name": ["can't be blank"], "invoice-matching-level": ["can't be blank"]}
    made = await office.post("suppliers", {"name": "Acme", "invoice_matching_level": "2-way", "id": 1, "nonsense": 1})
    assert (made["status"], made["payment-method"], made["supplier-sites"]) == ("draft", "invoice", [])
    assert made["id"] != 1
    assert made["created-by"]["login"] == "integration"


@pytest.mark.parametrize(
    ("fields", "attribute", "message"),
    [
        ({"name": "x" * 101}, "name", "is too long (maximum is 100 characters)"),
        ({"status": "asleep"}, "status", "Supplier status must be one of active, inactive, onboarding."),
        (
            {"po-method": "fax"},
            "po-method",
            "PO method must be one of cxml, xml, email, prompt, mark_as_sent, buy_online.",
        ),
        ({"po-method": "email"}, "po-email", "Supplier email can't be blank when the PO method is email."),
        ({"po-email": "nobody"}, "po-email", "Supplier email is not a valid email address."),
        ({"payment-term": {"code": "Net 99"}}, "payment-term", "is not known"),
        ({"primary-address": {"country": {"code": "Holland"}}}, "supplier-address.country", "is not a known country"),
        ({"on-hold": "maybe"}, "on-hold", "must be true or false"),
    ],
)
async def test_bad_values_are_refused_with_the_attribute_they_stand_in(
    office: Office, fields: dict[str, Any], attribute: str, message: str
) -> None:
    body = {"name": "Acme", "invoice-matching-level": "none", **fields}
    assert (await office.post("suppliers", body, 400))["errors"] == {attribute: [message]}
    assert await office.get("suppliers") == []


async def test_name_and_number_are_unique_also_on_update(office: Office) -> None:
    await office.supplier("V-1")
    second = await office.supplier("V-2")
    refused = await office.post(
        "suppliers", {"name": "Supplier V-1", "number": "V-1", "invoice-matching-level": "none"}, 400
    )
    assert refused["errors"] == {"number": ["has already been taken"], "name": ["has already been taken"]}
    await office.put(f"suppliers/{second['id']}", {"number": "V-1"}, 400)
    renamed = await office.put(f"suppliers/{second['id']}", {"number": "V-3", "name": "New"})
    assert (renamed["number"], renamed["name"]) == ("V-3", "New")
    assert await office.get("suppliers", number="V-2") == []


async def test_an_unknown_reference_is_dropped_silently_on_update(office: Office) -> None:
    made = await office.supplier(**{"payment-term": {"code": "Net 30"}})
    same = await office.put(f"suppliers/{made['id']}", {"payment-term": {"code": "Net 99"}, "website": "a.test"})
    assert (same["payment-term"]["code"], same["website"]) == ("Net 30", "a.test")
    office.settings.unknown_reference_on_update = "reject"
    await office.put(f"suppliers/{made['id']}", {"payment-term": {"code": "Net 99"}}, 400)
    office.settings.unknown_reference_on_create = "ignore"
    assert (await office.supplier("V-9", **{"payment-term": {"code": "Net 99"}}))["payment-term"] is None
    by_id = await office.put(f"suppliers/{made['id']}", {"payment-term-id": 0, "shipping-term": {"code": "DAP"}}, 400)
    assert by_id["errors"] == {"payment-term": ["is not known"]}


async def test_addresses_and_contacts_are_edited_in_place_or_added_never_swapped(office: Office) -> None:
    made = await office.supplier(**{
        "primary-contact": {"email": "a@b.test", "name-given": "Ann", "name-family": "Bo"},
        "supplier-addresses": [{"street1": "1 Way", "country": {"code": "NL"}}],
    })  # fmt: skip
    assert made["primary-contact"]["name-fullname"] == "Ann Bo"
    address = made["supplier-addresses"][0]
    assert address["country"] == {"id": address["country"]["id"], "code": "NL", "name": "Netherlands"}
    path = f"suppliers/{made['id']}"
    await office.put(path, {"primary-contact": {"id": 5, "email": "c@d.test"}}, 400)
    await office.put(path, {"primary-contact": {"email": "c@d.test"}})
    both = await office.put(
        path, {"supplier-addresses": [{"id": address["id"], "city": "Delft"}, {"street1": "2 Way"}]}
    )
    assert both["primary-contact"]["id"] == made["primary-contact"]["id"]
    assert [(a["street1"], a["city"]) for a in both["supplier-addresses"]] == [("1 Way", "Delft"), ("2 Way", None)]
    one = await office.put(path, {"supplier-addresses": [{"id": address["id"], "_delete": True}]})
    assert [a["street1"] for a in one["supplier-addresses"]] == ["2 Way"]
    await office.put(path, {"supplier-addresses": [{"id": 3, "city": "Delft"}]}, 400)


async def test_remit_to_addresses_and_sites_have_paths_of_their_own(office: Office) -> None:
    made = await office.supplier()
    path = f"suppliers/{made['id']}/addresses"
    remit = await office.post(path, {"remit-to-code": "R1", "street1": "Bank St", "country": "NL"})
    await office.post(path, {"remit-to-code": "R1"}, 400)
    assert (await office.put(f"{path}/{remit['id']}", {"city": "Delft"}))["city"] == "Delft"
    assert [a["city"] for a in await office.get(path)] == ["Delft"]
    assert (await office.http.delete(f"/api/{path}/{remit['id']}")).status_code == 200
    assert await office.get(path) == []
    site = await office.post(f"suppliers/{made['id']}/supplier_sites", {"code": "S1", "name": "North"})
    assert (await office.get(f"suppliers/{made['id']}"))["supplier-sites"][0]["id"] == site["id"]


async def test_whether_a_childs_edit_moves_the_supplier_is_a_switch(office: Office) -> None:
    made = await office.supplier(**{"primary-contact": {"email": "a@b.test"}})
    path = f"suppliers/{made['id']}"
    office.later(10)
    moved = await office.put(path, {"primary-contact": {"email": "c@d.test"}})
    assert moved["updated-at"] > made["updated-at"]
    office.settings.child_edits_touch_supplier = False
    office.later(10)
    still = await office.put(path, {"primary-contact": {"email": "e@f.test"}})
    assert still["updated-at"] == moved["updated-at"]
    assert still["primary-contact"]["email"] == "e@f.test"


async def test_only_declared_api_editable_custom_fields_are_kept(office: Office) -> None:
    office.settings.custom_fields = {"suppliers": {"erp-source-id": True, "rating": False}}
    office.settings.flat_custom_fields = {"suppliers": {"old-code": True}}
    made = await office.supplier(
        **{"custom_fields": {"erp_source_id": "E:1", "rating": 5, "typo": "x"}, "old-code": "77"}
    )
    assert made["custom-fields"] == {"erp-source-id": "E:1", "rating": None}
    assert made["old-code"] == "77"
    edited = await office.act("edit_supplier", id=made["id"], **{"custom-fields": {"rating": 4}})
    assert edited["custom-fields"] == {"erp-source-id": "E:1", "rating": 4}


async def test_people_create_and_edit_suppliers_on_screen(office: Office) -> None:
    made = await office.act("create_supplier", name="Ann's", number="A-1", **{"invoice-matching-level": "none"})
    office.later(10)
    edited = await office.act("edit_supplier", key={"number": "A-1"}, name="Ann & Co", by="jane.doe")
    assert edited["updated-by"]["login"] == "jane.doe"
    assert edited["updated-at"] > made["updated-at"]
    assert (await office.act("deactivate_supplier", number="A-1"))["status"] == "inactive"
    with pytest.raises(ValueError, match="already been taken"):
        await office.act("create_supplier", name="Ann & Co", **{"invoice-matching-level": "none"})
