"""Keys of mapping tables that stand for many: `*` is any text."""

import re
from collections.abc import Iterable

ANY = "*"


class Patterns:
    """The keys of one table, the one with the most fixed text first."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._exact = set(keys)
        open_keys = sorted(
            (key for key in self._exact if ANY in key), key=lambda key: (-len(key.replace(ANY, "")), key)
        )
        self._open = [(key, re.compile(".*".join(re.escape(text) for text in key.split(ANY)))) for key in open_keys]
        self._best: dict[str, str | None] = {}

    def best(self, key: str) -> str | None:
        """The entry that counts for this key: itself, else the closest that fits; None where none does."""
        if key in self._exact:
            return key
        if key not in self._best:
            self._best[key] = next((name for name, fits in self._open if fits.fullmatch(key)), None)
        return self._best[key]
