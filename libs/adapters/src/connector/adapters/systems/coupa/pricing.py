"""Prices that reproduce a booked net amount."""

from decimal import ROUND_HALF_UP, Decimal

from connector.domain.documents.money import round_amount


def price_for(net: Decimal, quantity: Decimal, own: Decimal | None, currency: str, places: int) -> Decimal:
    """The document's own price where it gives the net, else net by quantity, whichever comes nearer; to as many places
    as Coupa keeps. Neither need give the net: the caller compares."""
    unit = Decimal(1).scaleb(-places)
    candidates = [price.quantize(unit, ROUND_HALF_UP) for price in (own, net / quantity) if price is not None]
    return min(candidates, key=lambda price: abs(round_amount(price * quantity, currency) - net))
