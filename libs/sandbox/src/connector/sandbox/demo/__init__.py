"""Stories: seeded months of a company's life in the vendors' sandboxes, with the fate each document must have.

They know the sandboxes' control ports and share no code with the connector. A further flow is a further package here,
and a line in `STORIES`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .basware_exact import BaswareExact
from .control import ActRefused, ControlPort
from .exact_coupa import ExactCoupa
from .exact_procore import ExactProcore
from .story import Comparison, Expected, Fate, Said, Size, Step, Story

STORIES: Mapping[str, Callable[..., Any]] = {
    "exact-coupa": ExactCoupa,
    "exact-procore": ExactProcore,
    "basware-exact": BaswareExact,
}
"""By flow: a class called with the sandboxes by system, `seed` and `size`."""
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "exact-coupa": ("exact", "coupa"),
    "exact-procore": ("exact", "procore"),
    "basware-exact": ("basware", "exact"),
}
"""By flow: the sandboxes it plays in."""


def story(flow: str, sandboxes: Mapping[str, ControlPort], *, seed: int, size: Size) -> Story:
    told: Story = STORIES[flow](sandboxes, seed=seed, size=size)
    return told


__all__ = [
    "STORIES",
    "SYSTEMS",
    "ActRefused",
    "Comparison",
    "ControlPort",
    "Expected",
    "Fate",
    "Said",
    "Size",
    "Step",
    "Story",
    "story",
]
