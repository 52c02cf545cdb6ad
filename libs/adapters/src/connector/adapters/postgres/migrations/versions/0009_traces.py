"""Which trace a due key and a desired row belong to: what is told by a webhook is followed up to its write."""

from alembic import op

revision = "0009_traces"
down_revision = "0008_call_key"


def upgrade() -> None:
    op.execute("alter table source_key add column traceparent text")
    op.execute("alter table desired add column traceparent text")
