"""Which GL account a line with an item costs: Exact's order and invoice lines carry none."""

from connector.domain.reasons import Reason

from .values import Json, company_value, joined


def account_of(item_id: str | None, supplier_id: str, resolved: Json) -> str | None:
    """The company's table, then the item's own account, its group's, the supplier's default; None if none has one."""
    item = joined(resolved, "item", item_id)
    override = company_value(resolved, f"accounts/{item.get('Code')}")
    if override:
        return str(override)
    name = "GLStock" if item.get("IsStockItem") else "GLCosts"
    return (
        _own_account(item, name, resolved)
        or _own_account(joined(resolved, "item-group", item.get("ItemGroup")), name, resolved)
        or _own_account(joined(resolved, "account", supplier_id), "GLAccountPurchase", resolved)
    )


def _own_account(holder: Json, name: str, resolved: Json) -> str | None:
    code = holder.get(f"{name}Code") or joined(resolved, "gl-account", holder.get(name)).get("Code")
    return str(code) if code else None


def no_account(line_number: int, item: str | None, supplier: str | None) -> Reason:
    return Reason(
        code="no-account-for-item",
        message=f"Line {line_number}: neither item {item} nor its group nor supplier {supplier} has a cost account.",
        missing=f"item:{item}",
        fix="Set a cost account on the item, its group or the supplier in Exact, "
        "or list the item under the connection's company.accounts.",
        field=f"lines[{line_number}].accounting",
    )
