"""The switches of the Exact Online sandbox: each names the fact or the open question it stands for."""

from dataclasses import dataclass, field
from typing import Literal

REGIONS = {"nl": "nl", "be": "be", "uk": "co.uk", "de": "de", "fr": "fr", "es": "es", "com": "com"}


@dataclass
class Settings:
    """Mutable at run time; times are seconds, ratios and probabilities are 0..1."""

    region: Literal["nl", "be", "uk", "de", "fr", "es", "com"] = "nl"
    """One sandbox is one site; a second region is a second sandbox on another port."""
    language: Literal["EN", "NL"] | None = None
    """Language of error texts; None: the language of the user who calls (documented)."""

    # Tokens
    token_life_s: float = 600.0
    """An access token lives ten minutes; `expires_in` shows it, always as a string."""
    refresh_not_before_ratio: float = 570 / 600
    """A refresh earlier than 570 of the 600 seconds is refused."""
    refresh_life_s: float = 30 * 86400.0
    """An unused refresh token dies after 30 days (reported by integrators, exact figure unconfirmed)."""
    code_life_s: float = 180.0
    """An authorisation code lives about three minutes (reported)."""
    old_refresh_survives: bool = False
    """Unconfirmed: the old refresh token stays good until the new one is first used."""
    reuse_kills_chain: bool = True
    """A spent refresh token presented again ends the whole chain (clients report races that kill it)."""
    reuse_error: Literal["invalid_grant", "unauthorized_client"] = "invalid_grant"
    """Form of the re-use error: today's, or that of 2018."""
    refused_refresh_carries_token: bool = False
    """Anecdote: a refresh refused as too early still hands out a new refresh token."""
    token_calls_per_day: int = 0
    """About 200 calls of the token endpoint per app and user and day were announced; 0: not enforced."""
    consent_user: str | None = None
    """User name that approves at the consent page; None: the first user."""
    loopback_callbacks: bool = True
    """Accept plain-HTTP loopback addresses as redirect and callback; the vendor wants HTTPS."""
    callback_domain_must_match: bool = True
    """A webhook's callback must lie in the domain of a redirect address of the app (loopback excepted by the above)."""

    # Quota and error block
    minute_s: float = 60.0
    """Length of the short window; windows are aligned to the clock, like calendar minutes."""
    minute_limit: int = 60
    day_s: float = 86400.0
    day_limit: int = 5000
    error_block: bool = True
    error_block_after: int = 10
    """More errors (400, 401, 403, 404) than this per key, user, company, endpoint and hour block the key."""
    error_window_s: float = 3600.0
    error_block_s: float = 3600.0
    error_block_growth: float = 2.0
    """The next block is longer when errors go on (by how much is unconfirmed)."""
    error_block_status: Literal[403, 429] = 403
    """Unconfirmed: the status while blocked."""

    # Time a request takes
    commit_after_s: float = 0.0
    """Time between a request's arrival and its being carried out; never more than `processing_s`."""
    answer_after_s: float = 0.0
    """Time the finished answer is held back."""
    latency_jitter_s: float = 0.0
    """Random addition to both, up to this."""
    processing_s: float = 30.0
    """Promise: nothing commits later than this after its request arrived."""
    down: bool = False
    """Outage: every path answers 503 with an HTML page."""

    # Reading
    page_size: int = 60
    bulk_page_size: int = 1000
    expand_cut: int = 60
    """Unconfirmed: an expanded collection holds at most this many rows; 0: never cut."""
    top_is_bare_array: bool = True
    """With $top the answer is `{"d":[..]}`; clients disagree."""
    no_accept: Literal["atom", "406"] = "atom"
    """A request that does not ask for JSON gets Atom XML, or is refused (strict)."""
    mandatory_filtering: list[str] = field(default_factory=lambda: ["crm/Accounts", "logistics/Items"])
    """Endpoints that demand a filter on a flagged field."""
    bulk_needs_select: bool = True
    dates_follow_dst: bool = True
    """Unconfirmed: wall-clock times follow summer time; else they are fixed at UTC+1."""
    url_limit: int = 6000
    body_limit: int = 10 * 1024 * 1024
    answer_limit: int = 0
    """Bytes; 0 becomes 38 MB in the Netherlands and Belgium, 9.5 MB elsewhere."""
    missing_right: Literal["empty", "403"] = "empty"
    """A GET without the user right comes back as an empty list (documented for some endpoints)."""
    rejected_in_transaction_lines: bool = False
    """TransactionLines document only Status 20 and 50: rejected entries leave the feed without a trace."""
    deleted_feed_lists_order_lines: bool = True
    """Unconfirmed: a removed order line has its own row of type 22 in the deleted feed."""
    deleted_kept_s: float = 61 * 86400.0
    """The deleted feed goes back two months."""

    # Writing
    representation_on_put: bool = False
    """Unconfirmed: PUT with Prefer return=representation answers 200 with the entity."""
    orders_await_approval: bool = False
    """New orders have ApprovalStatus 0 instead of 1."""
    order_line_post: Literal["refuse", "accept"] = "refuse"
    """The documents say both: lines are posted with their order only, and POST is listed."""
    header_put_lines: Literal["refuse", "ignore", "replace"] = "refuse"
    """Unconfirmed: lines inside a PUT of an order or entry."""
    entry_status: Literal[20, 50] = 20
    """Status of new entries (a setting of the journal)."""
    entry_type_on_post: Literal["ignore", "accept"] = "ignore"
    """Type is documented read-only (31 follows from a negative total); one client sends it."""
    processed_entries_locked: bool = True
    """Unconfirmed: PUT and DELETE of a processed entry are refused with a text."""
    entry_lines_follow_vat_type: bool = True
    """Documented for PurchaseInvoices, unconfirmed for entries: AmountFC includes VAT under a type I code."""
    charged_vat_on_lines: bool = False
    """Unconfirmed: lines under a reverse-charge code show the self-assessed VAT (the header never does)."""
    document_number_clash: float = 0.0
    """Probability that a POST of an entry fails with `In use: Document number` (reported)."""

    # Webhooks
    webhook_drop: float = 0.0
    webhook_duplicate: float = 0.0
    webhook_reorder: float = 0.0
    webhook_reorder_s: float = 5.0
    """A notice picked for reordering comes up to this much later than its turn."""
    webhook_delay_s: float = 0.0
    webhook_jitter_s: float = 0.0
    webhook_tries: int = 5
    webhook_retry_s: float = 1.0
    """Wait before the second try; each further wait is four times the one before (our choice: none is documented)."""
    webhook_timeout_s: float = 10.0
    webhook_concurrency: int = 8
    webhook_echo: bool = True
    """Unconfirmed: writes through the API also notify the app that made them."""
    webhook_per_line: bool = True
    """A save of an order or entry also fires once for each changed line, under the header's topic and key."""
    webhook_time_zone: Literal["local", "utc"] = "local"
    """Unconfirmed: zone of EventCreatedOn."""

    def __post_init__(self) -> None:
        if not self.answer_limit:
            self.answer_limit = int((38 if self.region in ("nl", "be") else 9.5) * 1024 * 1024)
