"""Where a vendor's API is, as the settings of a connection say it."""

from collections.abc import Mapping


def with_base_url(values: object, regions: Mapping[str, str]) -> object:
    """Settings as given, with the base_url of their region where they name none. Raises ValueError for neither."""
    if not isinstance(values, dict) or values.get("base_url"):
        return values
    region = str(values.get("region") or "").lower()
    if region not in regions:
        raise ValueError(f"give region (one of {', '.join(regions)}) or base_url")
    return {**values, "base_url": regions[region]}


def require_origin(name: str, address: str, example: str) -> None:
    """Raises ValueError for an address that is more than scheme, host and port, or less."""
    scheme, separator, rest = address.partition("://")
    if scheme not in ("https", "http") or not separator or not rest or "/" in rest:
        raise ValueError(f"{name} {address!r}: give scheme and host only, such as {example}")
