"""The Coupa writer: canonical records become what Coupa should show, and Coupa is brought there."""

import sys

from connector.adapters.telemetry.process import run_service
from connector.adapters.writing import write_to

SERVICE = "coupa-writer"

if __name__ == "__main__":
    sys.exit(run_service(SERVICE, lambda: write_to("coupa", SERVICE)))
