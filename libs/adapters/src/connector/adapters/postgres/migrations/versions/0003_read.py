"""Tables of the readers: source keys, their stamps, and jobs."""

from alembic import op

revision = "0003_read"
down_revision = "0002_gate"

_STATEMENTS = (
    """
    create table source_key (
        tenant text not null,
        connection text not null,
        entity text not null,
        native_id text not null,
        generation bigint not null default 1,
        claimed_generation bigint,
        claimed_epoch bigint,
        noticed_generation bigint not null default 0,
        deleted_hint boolean not null default false,
        class smallint not null,
        due timestamptz,
        first_due timestamptz,
        attempts integer not null default 0,
        error text,
        failed_since timestamptz,
        produced_at timestamptz,
        acknowledged_digest text,
        missing boolean not null default false,
        uses text[] not null default '{}',
        primary key (tenant, connection, entity, native_id)
    )
    """,
    "create index source_key_due on source_key (tenant, connection, class, due) where due is not null",
    "create index source_key_uses on source_key using gin (uses)",
    """
    create table source_stamp (
        tenant text not null,
        connection text not null,
        read_at timestamptz not null,
        caught bigint not null default 0,
        primary key (tenant, connection)
    )
    """,
    """
    create table job (
        tenant text not null,
        connection text not null,
        kind text not null,
        every_s double precision not null,
        class smallint not null,
        cursor text,
        due timestamptz,
        claimed_epoch bigint,
        finished_at timestamptz,
        attempts integer not null default 0,
        error text,
        primary key (tenant, connection, kind)
    )
    """,
    "create index job_due on job (tenant, connection, due) where due is not null",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
