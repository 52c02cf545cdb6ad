"""exact-fetcher: the one reader of each Exact Online connection."""

import sys
from functools import partial

from connector.adapters.reading import read_system
from connector.adapters.telemetry.process import run_service

if __name__ == "__main__":
    sys.exit(run_service("exact-fetcher", partial(read_system, "exact")))
