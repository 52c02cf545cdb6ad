"""Tables of the configuration: what the tenants declared, one epoch a change."""

from alembic import op

revision = "0001_configuration"
down_revision: str | None = None

_STATEMENTS = (
    """
    create table configuration_change (
        epoch bigint generated always as identity primary key,
        tenant text not null,
        at timestamptz not null default clock_timestamp(),
        by_whom text not null,
        what jsonb not null
    )
    """,
    """
    create table connection (
        tenant text not null,
        connection text not null,
        system text not null,
        settings jsonb not null,
        endpoint_id text not null unique,
        paused text,
        call_deadline_s double precision not null,
        processing_s double precision not null,
        primary key (tenant, connection)
    )
    """,
    """
    create table flow (
        tenant text not null,
        flow text not null,
        kind text not null,
        source_connection text not null,
        target_connection text not null,
        entities text[] not null,
        reference_kinds text[] not null,
        state text not null,
        paused text,
        start_date date not null,
        options jsonb not null,
        on_mapping_change text not null,
        on_block text not null,
        wait_s double precision not null,
        primary key (tenant, flow),
        foreign key (tenant, source_connection) references connection (tenant, connection),
        foreign key (tenant, target_connection) references connection (tenant, connection)
    )
    """,
    """
    create table mapping_entry (
        tenant text not null,
        flow text not null,
        table_name text not null,
        key text not null,
        value text not null,
        epoch bigint not null,
        primary key (tenant, flow, table_name, key),
        foreign key (tenant, flow) references flow (tenant, flow) on delete cascade
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
