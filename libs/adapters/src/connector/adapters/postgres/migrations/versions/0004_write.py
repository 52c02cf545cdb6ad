"""Tables of the writers: epochs, desired state, objects in the target, calls, waits, references, feedback, audit."""

from alembic import op

revision = "0004_write"
down_revision = "0003_read"

_STATEMENTS = (
    """
    create table epoch (
        tenant text not null,
        connection text not null,
        role text not null,
        epoch bigint not null,
        holder text not null,
        expires_at timestamptz not null,
        primary key (tenant, connection, role)
    ) with (fillfactor = 50)
    """,
    """
    create table desired (
        tenant text not null,
        flow text not null,
        entity text not null,
        native_id text not null,
        source_connection text not null,
        target_connection text not null,
        number text,
        read_at timestamptz not null,
        translation_version integer not null,
        content_digest text not null,
        resolved_digest text not null,
        status text not null,
        class smallint not null,
        cause text not null,
        state text not null,
        due timestamptz,
        first_due timestamptz,
        attempts integer not null default 0,
        reasons jsonb not null default '[]',
        released boolean not null default false,
        wait_until timestamptz,
        configuration bigint not null default 0,
        difference jsonb,
        received_at timestamptz not null default now(),
        state_since timestamptz not null default now(),
        synced_at timestamptz,
        primary key (tenant, flow, entity, native_id)
    ) with (fillfactor = 85)
    """,
    "create index desired_due on desired (tenant, target_connection, flow, class, due) where due is not null",
    """
    create index desired_open on desired (tenant, flow, state)
     where state in ('waiting', 'blocked', 'held', 'failed', 'rejected', 'excluded')
    """,
    """
    create table desired_payload (
        tenant text not null,
        flow text not null,
        entity text not null,
        native_id text not null,
        payload text not null,
        primary key (tenant, flow, entity, native_id)
    )
    """,
    """
    create table rendering (
        tenant text not null,
        flow text not null,
        entity text not null,
        native_id text not null,
        inputs jsonb not null,
        keys text[] not null,
        primary key (tenant, flow, entity, native_id)
    )
    """,
    "create index rendering_keys on rendering using gin (keys)",
    """
    create table target_object (
        tenant text not null,
        target_connection text not null,
        source_connection text not null,
        entity text not null,
        native_id text not null,
        part text not null,
        resource text not null,
        target_id text not null,
        state text not null,
        sub_ids jsonb not null,
        generation integer not null,
        written_digest text,
        step_reached text,
        frozen jsonb not null,
        extra jsonb not null,
        version text not null,
        updated_at timestamptz not null default now(),
        primary key (tenant, target_connection, source_connection, entity, native_id, part)
    )
    """,
    """
    create unique index target_object_once on target_object (tenant, target_connection, resource, target_id)
     where entity not in ('supplier', 'reference')
    """,
    """
    create table call (
        tenant text not null,
        call_id text not null,
        connection text not null,
        epoch bigint not null,
        method text not null,
        resource text not null,
        opened_at timestamptz not null,
        not_after timestamptz not null,
        primary key (tenant, call_id)
    )
    """,
    """
    create table call_item (
        tenant text not null,
        call_id text not null,
        flow text not null,
        entity text not null,
        native_id text not null,
        part text not null,
        step text not null,
        creates boolean not null,
        outcome text,
        status integer,
        request_id text,
        duration_ms integer,
        closed_at timestamptz,
        primary key (tenant, call_id, flow, entity, native_id, part)
    )
    """,
    """
    create index call_item_open on call_item (tenant, flow, entity, native_id)
     where outcome is null or outcome = 'unknown'
    """,
    """
    create table wait (
        tenant text not null,
        key text not null,
        flow text not null,
        entity text not null,
        native_id text not null,
        version text,
        primary key (tenant, flow, entity, native_id, key)
    )
    """,
    "create index wait_key on wait (tenant, key)",
    """
    create table reference (
        tenant text not null,
        connection text not null,
        kind text not null,
        code text not null,
        version text not null,
        as_of timestamptz not null,
        body jsonb,
        primary key (tenant, connection, kind, code)
    )
    """,
    """
    create table feedback (
        tenant text not null,
        source_connection text not null,
        entity text not null,
        native_id text not null,
        round integer not null,
        flow text not null,
        verdict text not null,
        reasons jsonb not null,
        target jsonb not null,
        created_at timestamptz not null default now(),
        answered_at timestamptz,
        primary key (tenant, source_connection, entity, native_id, round)
    )
    """,
    "create index feedback_open on feedback (tenant, source_connection, created_at) where answered_at is null",
    """
    create table audit (
        tenant text not null,
        at timestamptz not null default clock_timestamp(),
        id bigint generated always as identity,
        flow text not null,
        entity text not null,
        native_id text not null,
        event text not null,
        actor text not null,
        detail jsonb not null,
        primary key (tenant, flow, entity, native_id, at, id)
    ) partition by range (at)
    """,
    "create table audit_default partition of audit default",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
