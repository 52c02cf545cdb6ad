"""Tables of the write module."""

revision = "0004_write"
down_revision = "0003_read"


def upgrade() -> None:
    """Filled by the module that owns these tables."""
