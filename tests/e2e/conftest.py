"""What a demo that a test plays finds in its environment."""

from tests.e2e.planted import planted

__all__ = ["planted"]
