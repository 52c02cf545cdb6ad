"""Errors and findings as values people can act on: the same text serves the log, the audit row and the console."""

from pydantic import BaseModel, ConfigDict


class Reason(BaseModel):
    """Why a document is not (or not fully) where it should be.

    `code` is stable and in kebab-case (`order-sum`, `number-taken-in-target`); `message` says what is wrong in one
    sentence; `missing` names exactly what is missing (a dependency key such as `mapping:gl/4000`), `fix` says where
    and how to put it right. `severity` is `block` or `warn`.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    missing: str | None = None
    fix: str | None = None
    field: str | None = None
    severity: str = "block"

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" Fix: {self.fix}" if self.fix else "")
