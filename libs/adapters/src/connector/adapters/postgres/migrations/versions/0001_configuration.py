"""Tables of the configuration module."""

revision = "0001_configuration"
down_revision: str | None = None


def upgrade() -> None:
    """Filled by the module that owns these tables."""
