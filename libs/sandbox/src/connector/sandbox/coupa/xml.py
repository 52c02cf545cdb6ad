"""XML in and out: hyphenated elements with Coupa's type and nil attributes."""

from collections.abc import Mapping
from io import StringIO
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from .fields import DecimalText, MomentText

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def encode(root: str, value: Mapping[str, Any] | list[Any]) -> str:
    """An object under its root element, or a list of them under the plural."""
    out = StringIO()
    out.write(DECLARATION)
    if isinstance(value, list):
        _write_list(out, plural(root), value, root)
    else:
        _write(out, root, value)
    return out.getvalue()


def encode_errors(texts: list[str]) -> str:
    return DECLARATION + "<errors>" + "".join(f"<error>{escape(text)}</error>" for text in texts) + "</errors>"


def decode(text: bytes) -> dict[str, Any]:
    """The root element's content as a payload; repeated elements become lists, nil becomes None.

    Raises `ValueError` where the text is not XML.
    """
    if b"<!DOCTYPE" in text:
        raise ValueError("a document type is not accepted")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError:
        raise ValueError("not well-formed") from None
    content = _content(root)
    return content if isinstance(content, dict) else {}


def plural(root: str) -> str:
    return f"{root}es" if root.endswith(("s", "x")) else f"{root[:-1]}ies" if root.endswith("y") else f"{root}s"


def singular(name: str) -> str:
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-2] if name.endswith("sses") else name.removesuffix("s")


def _write(out: StringIO, name: str, value: Any) -> None:
    if value is None:
        out.write(f'<{name} nil="true"/>')
    elif isinstance(value, Mapping):
        out.write(f"<{name}>")
        for key, below in value.items():
            _write(out, key, below)
        out.write(f"</{name}>")
    elif isinstance(value, list):
        _write_list(out, name, value, singular(name))
    else:
        kind = _type(value)
        attribute = f" type={quoteattr(kind)}" if kind else ""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        out.write(f"<{name}{attribute}>{escape(text)}</{name}>")


def _write_list(out: StringIO, name: str, values: list[Any], item: str) -> None:
    out.write(f'<{name} type="array">')
    for value in values:
        _write(out, item, value)
    out.write(f"</{name}>")


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float() | DecimalText():
            return "decimal"
        case MomentText():
            return "datetime"
        case _:
            return ""


def _content(element: Any) -> Any:
    if element.get("nil") == "true":
        return None
    if len(element) == 0:
        return [] if element.get("type") == "array" else (element.text or "").strip() or None
    content: dict[str, Any] = {}
    for child in element:
        value = _content(child)
        if child.tag not in content:
            content[child.tag] = value
        elif isinstance(content[child.tag], list):
            content[child.tag].append(value)
        else:
            content[child.tag] = [content[child.tag], value]
    return content
