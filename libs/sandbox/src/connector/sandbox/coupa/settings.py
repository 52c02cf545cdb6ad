"""The instance's switches: what an administrator sets up, and every point where the vendor is not certain."""

from dataclasses import dataclass, field

STAMP_FIELDS = ("suppliers", "purchase_orders", "purchase_order_lines", "invoices", "invoice_lines", "lookup_values")


def _stamps() -> dict[str, dict[str, bool]]:
    return {path: {"erp-source-id": True} for path in STAMP_FIELDS}


@dataclass
class Settings:
    """Mutable at any time, also through the control port. Times are seconds."""

    # Sign-in
    token_expires_in_s: int = 86399
    token_activation_lag_s: float = 0.0  # the vendor warns to leave 5 s between minting and use
    legacy_api_key: str = ""  # X-COUPA-API-KEY is no longer supported; a value here accepts it
    require_api_version: bool = False  # whether X-Coupa-API-Version is needed is not confirmed
    strict_content_types: bool = False  # Accept and Content-Type should agree; old clients send a mix

    # Quota: 25 requests a second, 20 more may wait, for the whole instance
    rate_per_s: float = 25.0
    rate_burst: float = 20.0
    retry_after: bool = False  # sources disagree on whether 429 carries Retry-After

    # Wire
    utc_offset_minutes: int = -480  # datetimes carry the company's own offset
    page_cap: int = 50
    not_found_as_html: bool = False  # a 404 body is not always JSON
    reject_unknown_query_attribute: bool = True  # an invalid query answers 400; the exact rule is not confirmed
    shuffle_ties: bool = False  # the order inside equal updated-at is undocumented; true draws it anew per request

    # References and custom fields
    unknown_reference_on_create: str = "reject"  # reject | ignore; not confirmed
    unknown_reference_on_update: str = "ignore"  # documented: the value is left as it was, silently
    custom_fields: dict[str, dict[str, bool]] = field(default_factory=_stamps)
    """Per object path: API name -> editable by API. A name that is not here does not exist and is ignored."""
    flat_custom_fields: dict[str, dict[str, bool]] = field(default_factory=dict)
    """The older ones of the global namespace, beside the standard keys."""

    # Suppliers
    child_edits_touch_supplier: bool = True  # whether a contact's or address's edit moves updated-at is undocumented

    # Purchase orders
    external_orders_enabled: bool = True  # a licensed feature
    order_status_after_create: str = "draft"  # not confirmed
    editable_order_statuses: list[str] = field(
        default_factory=lambda: [
            "draft",
            "issued",
            "soft_closed",
            "buyer_hold",
            "supplier_hold",
            "supplier_window_hold",
        ]
    )  # whether every field of an issued order can be changed is not confirmed
    cancelled_spelling: str = "cancelled"  # the documents also write canceled
    soft_close_enabled: bool = True  # the first close is soft, the second hard
    reopen_needs_reason: bool = False
    issue_again: bool = True  # issuing an issued order transmits it again; not confirmed
    cancel_refused_when_invoiced: bool = True  # not confirmed
    allocations_must_sum_to_100: bool = True  # not confirmed
    exporting_touches_updated_at: bool = True  # not confirmed
    export_call_ignores_body: bool = True  # "other changes in that call may be ignored"
    ui_edit_resets_exported: bool = True  # an option of the instance

    # Invoices
    invoice_status_after_submit: str = "by_matching"  # or a fixed status: pending_approval, pending_receipt, approved
    invoice_number_unique: str = "never"  # never | create | submit; not documented for the API
    accounting_required_at: str = "create"  # create | submit | never, for lines not backed by an order
    lock_submitted_invoices: bool = True  # not confirmed
    invoiceable_order_statuses: list[str] = field(default_factory=lambda: ["issued"])  # not confirmed; credits are free
    link_by_order_numbers: bool = True  # order-header-num + order-line-num as a link is not confirmed
    voidable_statuses: list[str] = field(default_factory=lambda: ["pending_receipt", "approved", "draft"])
    abandonable_statuses: list[str] = field(
        default_factory=lambda: ["draft", "rejected", "disputed", "ap_hold", "on_hold", "pending_action"]
    )  # not confirmed
    void_refused_when_paid: bool = True  # not confirmed
    gross_total_includes_tax: bool = True  # what gross-total holds beside total-with-taxes is not confirmed
    credit_note_totals_negative: bool = False  # the sign of a credit note's computed totals is not confirmed
    default_currency: str = "USD"  # what an invoice or order without currency gets

    # Accounting
    reject_account_post_on_dynamic_chart: bool = True  # "you may get an error"
    external_ref_code_separator: str = "-"  # not documented

    # Notices: our own convention, since the vendor documents none
    webhook_allow_http: bool = True  # plain HTTP call-back addresses, on loopback only
    webhook_timestamped: bool = True  # false: the signature covers the body alone
    webhook_signature_header: str = "X-Coupa-Signature"
    webhook_signature_prefix: str = "sha256="
    webhook_signature_encoding: str = "hex"  # hex | base64
    webhook_attempts: int = 5
    webhook_backoff_s: float = 2.0
    webhook_delay_s: float = 0.0
    webhook_drop: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_reorder: float = 0.0
    webhook_reorder_by_s: float = 1.0
    webhook_bad_signature: float = 0.0
    webhook_pad_bytes: int = 0  # above 262144 to test a receiver's cap
