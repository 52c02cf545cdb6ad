"""Tables of the gate: sealed secrets, tokens, quota, authorisations under way, reminders."""

from alembic import op

revision = "0002_gate"
down_revision = "0001_configuration"

_STATEMENTS = (
    """
    create table sealed (
        tenant text not null,
        connection text not null,
        field text not null,
        key_id text not null,
        data bytea not null,
        version bigint not null,
        primary key (tenant, connection, field)
    )
    """,
    "create index ix_sealed_key_id on sealed (key_id)",
    """
    create table token (
        tenant text not null,
        connection text not null,
        state text not null check (state in ('none', 'valid', 'refreshing', 'reauthorise', 'refused')),
        generation bigint not null,
        received_at timestamptz,
        refresh_at timestamptz,
        expires_at timestamptz,
        not_after timestamptz,
        retry_at timestamptz,
        attempts integer not null,
        refusals integer not null,
        holder text,
        reason text,
        reauthorisations integer not null,
        account text,
        paused text,
        credentials_version bigint not null,
        primary key (tenant, connection)
    ) with (fillfactor = 50)
    """,
    """
    create table quota (
        tenant text not null,
        connection text not null,
        state jsonb not null,
        primary key (tenant, connection)
    ) with (fillfactor = 50)
    """,
    """
    create table authorisation (
        tenant text not null,
        connection text not null,
        invitation text not null unique,
        state text unique,
        browser text,
        redirect_uri text not null,
        expires_at timestamptz not null,
        started_at timestamptz,
        finished_at timestamptz,
        primary key (tenant, connection, invitation)
    )
    """,
    """
    create table reminder (
        tenant text not null,
        connection text not null,
        kind text not null,
        day date not null,
        id text not null unique,
        payload jsonb not null,
        due timestamptz not null,
        attempts integer not null default 0,
        delivered_at timestamptz,
        error text,
        primary key (tenant, connection, kind, day)
    )
    """,
    "create index ix_reminder_due on reminder (due) where delivered_at is null",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
