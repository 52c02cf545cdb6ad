"""What people do at Basware's own screens, without credentials but with the same consequences."""

from collections.abc import Mapping

from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

from . import control, invoices, masterdata, orders


def acts(world: World) -> Mapping[str, Act]:
    return {**invoices.acts(world), **orders.acts(world), **masterdata.acts(world), **control.acts(world)}
