"""basware-fetcher: the one reader of each Basware connection, and who tells Basware what became of its invoices."""

import sys
from functools import partial

from connector.adapters.reading import read_system
from connector.adapters.telemetry.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("basware-fetcher", partial(read_system, "basware")))
