"""Where a creating call's object is looked for, whatever becomes of its document."""

from alembic import op

revision = "0008_call_key"
down_revision = "0007_transfers"


def upgrade() -> None:
    op.execute("alter table call_item add column natural_key jsonb")
