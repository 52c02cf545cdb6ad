"""Tables of the read module."""

revision = "0003_read"
down_revision = "0002_gate"


def upgrade() -> None:
    """Filled by the module that owns these tables."""
