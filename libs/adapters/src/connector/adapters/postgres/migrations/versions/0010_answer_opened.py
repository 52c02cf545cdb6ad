"""When the answer to a round first left: from then on its verdict is final."""

from alembic import op

revision = "0010_answer_opened"
down_revision = "0009_traces"


def upgrade() -> None:
    op.execute("alter table feedback add column opened_at timestamptz")
    op.execute("update feedback set opened_at = created_at where not_after is not null or request_id is not null")
