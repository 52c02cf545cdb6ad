"""The switches of the Basware sandbox: each stands for a documented fact, or for a question that is open."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class BaswareSettings:
    """Durations are seconds, probabilities 0..1. All may be changed while the sandbox runs."""

    # tokens
    token_ttl_s: int = 3600  # one hour by default, configurable by Basware
    issuer: str = "https://api.basware.com"  # the `iss` of the documented sample, whatever the host
    basic_enabled: bool = True  # open: is HTTP Basic per call still offered to new tenants

    # redirects and download links
    redirects: bool = True  # off: the documents come as a plain 200
    continuation_on: Literal["final", "redirect", "both"] = "final"  # open: which answer carries the continuation token
    link_ttl_s: float = 900.0  # download links live 15 minutes
    attachments_enabled: bool = True  # attachments must be enabled in P2P
    attachments_visible: Literal["after_transfer", "always"] = "after_transfer"  # listed only after the transfer

    # lists
    vendor_list_shape: Literal["wrapped", "bare"] = "wrapped"  # open: documented wrapped, seen bare; order lines alike
    page_row_limit: int = 5000  # an invoice page with many coding rows is shorter than asked
    continuation_ttl_s: float = 0.0  # open: life of a continuation token; 0 = no end
    last_updated_step_ms: int = 1  # open: precision of lastUpdated; 1000 = whole seconds
    last_updated_inclusive: bool = False  # open: strictness of the lastUpdated filter
    store_lag_s: float = 0.0  # a notice may outrun the store: a new document is a 404 for so long
    status_lookup_enabled: bool = False  # the status resource is off until Basware enables it

    # representation
    null_fields: bool = False  # on: every known field that has no value is sent as null
    zoneless_dates: bool = False  # samples are often without a zone
    mislabel_json: bool = False  # on: JSON is labelled text/plain whatever was accepted
    split_percent_scale: Literal["percent", "fraction"] = "percent"  # open: 100 by the text, 1 by the sample

    # state machines
    acknowledge_body: str = "OK"  # open: the text of the acknowledge answer
    acknowledge_moves_last_updated: bool = True  # documented for invoices, open for orders
    repeated_response: Literal["conflict", "state"] = "conflict"  # open: which check answers a repeated response first
    responses_kept: int = 100  # the latest 100 responses are kept per invoice
    reexport_on_receipt: bool = True  # open: which order events export an order again
    ui_vendors_in_api: bool = True  # open: do vendors typed by hand in P2P appear in GET /v1/vendors
    batch_atomic: bool = True  # open: does one bad record refuse the whole batch
    async_delay_s: float = 2.0  # a write's result in the target system follows its 200
    async_failures: float = 0.0  # share of writes whose later result is Error

    # fair use: no public numbers
    rate_limit_per_s: int = 0  # 0 = off; the agreed test value is 10 per client
    rate_window_s: float = 1.0
    retry_after: bool = True  # open: does a 429 carry Retry-After
    require_request_id: bool = False  # on: a call without an X-BW-REQUEST-ID of uuid4 is refused on every path

    # push notifications
    signature_encoding: Literal["hex", "HEX", "base64"] = "hex"  # open: encoding of the digest
    signature_prefix: str = "sha256="  # open: with or without a prefix
    sign_connection_test: bool = True  # open: is ConnectionTest signed
    secret_lag_s: float = 0.0  # after a change of secret the old one still signs for so long
    allow_http_callbacks: bool = True  # on: http:// callback addresses are accepted
    webhook_timeout_s: float = 5.0  # open: the receiver's time to answer
    webhook_retry_delays_s: tuple[float, ...] = (1.0, 5.0, 30.0)  # open: retries, then the task is Failed
    webhook_retry_scale: float = 1.0  # shortens or stretches all retries
    task_life_s: float = 7 * 86400.0  # expirationTime of a notice
    webhook_drop: float = 0.0  # the notice is never sent, and its task says Completed
    webhook_duplicate: float = 0.0  # sent twice
    webhook_reorder: float = 0.0  # held back behind later ones
    webhook_reorder_s: float = 2.0  # for at most so long
    webhook_delay_s: float = 0.0  # every notice waits so long
    webhook_corrupt_signature: float = 0.0  # signed wrongly
    webhook_misspelled: float = 0.0  # AccountingDocuments spelled AccoutingDocuments, as in a documented sample
