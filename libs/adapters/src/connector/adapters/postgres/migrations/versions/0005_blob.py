"""Values too large for a Kafka message."""

from alembic import op

revision = "0005_blob"
down_revision = "0004_write"


def upgrade() -> None:
    op.execute(
        """
        create table blob (
            tenant text not null,
            id text not null,
            data bytea not null,
            created_at timestamptz not null default clock_timestamp(),
            primary key (tenant, id)
        )
        """
    )
