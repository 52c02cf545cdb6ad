"""Secrets as a type: what must not be printed cannot be, by accident."""

from typing import NoReturn


class Secret:
    """A secret text. It prints as `***` everywhere; `reveal()` is the one way to its value.

    Equal secrets compare equal; it refuses to be pickled, so that it can't slip into a queue or a cache.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, format_spec: str) -> str:
        return format("***", format_spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised: store it in the vault")
