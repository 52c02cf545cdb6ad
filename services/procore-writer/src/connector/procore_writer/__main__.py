"""The Procore writer: canonical records become what Procore should show, and Procore is brought there."""

import sys

from connector.adapters.telemetry.process import run_service
from connector.adapters.writing import write_to

SERVICE = "procore-writer"

if __name__ == "__main__":
    sys.exit(run_service(SERVICE, lambda: write_to("procore", SERVICE)))
