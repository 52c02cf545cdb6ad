"""What the source itself said: content that differs with it the same was changed by the settings it is read under."""

from alembic import op

revision = "0011_read_digest"
down_revision = "0010_answer_opened"


def upgrade() -> None:
    op.execute("alter table desired add column read_digest text")
