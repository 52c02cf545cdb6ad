"""Rounds of documents that ask for an answer, numbers of parties, and how far each answer has come."""

from alembic import op

revision = "0007_transfers"
down_revision = "0006_entry_index"

_STATEMENTS = (
    """
    create table transfer (
        tenant text not null,
        connection text not null,
        native_id text not null,
        round integer not null,
        acknowledged_at timestamptz,
        primary key (tenant, connection, native_id)
    )
    """,
    """
    create table party_number (
        tenant text not null,
        connection text not null,
        number text not null,
        native_id text not null,
        primary key (tenant, connection, number)
    )
    """,
    """
    alter table feedback
        add column due timestamptz default now(),
        add column attempts integer not null default 0,
        add column tries integer not null default 0,
        add column not_after timestamptz,
        add column request_id text,
        add column ended text,
        add column detail text
    """,
    "create index feedback_due on feedback (tenant, source_connection, due) where due is not null",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
