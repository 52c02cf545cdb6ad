"""vendorEntities -> Supplier. Bank accounts are not read."""

from typing import Any

from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.supplier import AccountRole, Supplier
from connector.domain.documents.translation import Translated

from .values import Json, instant

VAT_SCHEMES = ("EU:VAT", "VAT")
"""schemeIds of a VAT number. Each customer chooses its own; these and whatever ends in `:VAT` count."""
REGISTRATIONS = ("ORGNR", "SIRET", "KVK", "COC", "HRB")


def translate_supplier(source: SourceDocument, record: Json) -> Translated:
    status = record.get("processingStatus") or {}
    term = (record.get("paymentTerms") or {}).get("paymentTermCode")
    main = main_contact(record)
    supplier = Supplier.model_validate(
        {
            "number": record["vendorCode"],
            "name": record["name"],
            "alias": record.get("description") or None,
            "vat_id": identifier(record, VAT_SCHEMES),
            "registration": identifier(record, REGISTRATIONS),
            "roles": [AccountRole.SUPPLIER],
            "companies": sorted(company["companyCode"] for company in record.get("companies", ())),
            "status": {"active": status.get("active") is not False, "payment_blocked": status.get("paymentDenied")},
            "currency": currency_of(record),
            "payment_terms": {"code": term, "description": record["paymentTerms"].get("description")} if term else None,
            "email": main.get("email"),
            "phone": main.get("telephone"),
            "website": main.get("website"),
            "addresses": [address_of(address) for address in addresses_of(record)],
            "contacts": [
                {
                    "last_name": contact.get("name"),
                    "email": contact.get("email"),
                    "phone": contact.get("telephone"),
                    "main": contact is main,
                }
                for contact in record.get("contacts", ())
            ],
        }
    )
    return Translated(
        supplier,
        native_number=supplier.number,
        native_version=record.get("lastUpdated"),
        modified_at=instant(record.get("lastUpdated")),
    )


def identifier(record: Json, schemes: tuple[str, ...]) -> str | None:
    """The first identifier whose scheme is one of these, with or without a country before it."""
    for known in record.get("identifiers", ()):
        scheme = str(known.get("schemeId") or "").upper()
        if scheme in schemes or scheme.rpartition(":")[2] in schemes:
            return str(known["id"]) if known.get("id") else None
    return None


def currency_of(record: Json) -> str | None:
    """The currency of the default means of payment."""
    means = record.get("paymentMeans", ())
    default = next((one for one in means if one.get("default")), means[0] if means else {})
    return default.get("currencyCode") or None


def main_contact(record: Json) -> Json:
    contacts = record.get("contacts", ())
    return next((one for one in contacts if one.get("role") == "PrimaryContact"), contacts[0] if contacts else {})


def addresses_of(record: Json) -> list[Json]:
    """The default address first."""
    return sorted(record.get("addresses", ()), key=lambda one: (not one.get("default"), one.get("externalCode", "")))


def address_of(address: Json) -> dict[str, Any]:
    lines = [address.get(name) for name in ("streetName", "addressLine1", "addressLine2", "addressLine3")]
    return {
        "name": address.get("name"),
        "lines": [line for line in lines if line],
        "city": address.get("cityName"),
        "postal_code": address.get("postalZone"),
        "region": address.get("countrySubEntity"),
        "country": address.get("countryId"),
        "kind": address.get("addressType"),
    }
