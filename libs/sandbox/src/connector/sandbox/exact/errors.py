"""Refusals, and the texts they carry: English and Dutch."""

from dataclasses import dataclass

_DUTCH_WORDS = {
    "Mandatory": "Verplicht",
    "Required": "Verplicht",
    "Invalid": "Ongeldig",
    "Invalid reference": "Ongeldige verwijzing",
    "Unknown": "Onbekend",
    "Not allowed": "Niet toegestaan",
    "In use": "In gebruik",
    "Already exists": "Bestaat reeds",
    "Can't delete": "Kan niet verwijderen",
}
_DUTCH_TEXTS = {"Data already exists": "Gegeven bestaat reeds."}

QUERY_SYNTAX = "Bad Request - Error in query syntax."
SELECT_OR_TOP = "Please add a $select or a $top=1 statement to the query string."
BAD_PAYLOAD = (
    "Error processing request stream. The request should be a valid top-level resource object."
)  # fmt: skip
GENERIC = "A problem has occurred. The cause of this issue will be investigated as soon as possible."


def in_dutch(text: str) -> str:
    """One line of an error text in Dutch; the field's name stays as it is."""
    if text in _DUTCH_TEXTS:
        return _DUTCH_TEXTS[text]
    word, colon, rest = text.partition(":")
    return _DUTCH_WORDS.get(word, word) + colon + rest


@dataclass
class Refusal(ValueError):
    """An answer other than success: status, text, and the `Reason` header where the vendor sends one."""

    status: int
    text: str
    reason: str | None = None

    def __str__(self) -> str:
        return self.text


class FunctionalError(ValueError):
    """What the books refuse: HTTP 500 with one or several lines of text. Retrying is useless."""

    def __init__(self, *texts: str) -> None:
        super().__init__("\n".join(texts))
        self.texts = texts

    def text(self, language: str) -> str:
        return "\n".join(in_dutch(text) for text in self.texts) if language == "NL" else "\n".join(self.texts)
