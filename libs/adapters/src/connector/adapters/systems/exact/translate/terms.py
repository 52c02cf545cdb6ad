"""Payment conditions."""

from typing import Any

from .values import Json, joined


def payment_terms(record: Json, field: str, resolved: Json) -> dict[str, Any] | None:
    code = record.get(field)
    if not code:
        return None
    condition = joined(resolved, "payment-term", code)
    return {
        "code": code,
        "description": condition.get("Description") or record.get(f"{field}Description") or None,
        "days": condition.get("PaymentDays"),
    }
