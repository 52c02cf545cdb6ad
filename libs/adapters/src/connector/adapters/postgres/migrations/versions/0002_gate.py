"""Tables of the gate module."""

revision = "0002_gate"
down_revision = "0001_configuration"


def upgrade() -> None:
    """Filled by the module that owns these tables."""
