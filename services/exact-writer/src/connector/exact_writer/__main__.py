"""The Exact writer: canonical records become what a division's books should show, and Exact is brought there."""

import sys

from connector.adapters.telemetry.process import run_service
from connector.adapters.writing import write_to

SERVICE = "exact-writer"

if __name__ == "__main__":
    sys.exit(run_service(SERVICE, lambda: write_to("exact", SERVICE)))
