"""Which entry a booked line of Exact belongs to."""

from alembic import op

revision = "0006_entry_index"
down_revision = "0005_blob"


def upgrade() -> None:
    op.execute(
        """
        create table entry_line (
            tenant text not null,
            connection text not null,
            line_id text not null,
            entry_id text not null,
            primary key (tenant, connection, line_id)
        )
        """
    )
