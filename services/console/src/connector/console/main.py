"""`connector`: everything people do with the platform from a terminal."""

import typer

from connector.console import applying, connections, reconciling, records, replaying, setup, status, up
from connector.console.demo import command as demo
from connector.console.output import EXIT_CODES

app = typer.Typer(
    name="connector",
    help="Keeps purchase orders, supplier invoices and suppliers in two systems in agreement.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (applying, connections, status, records, reconciling, replaying, setup, up, demo):
    app.add_typer(part.app)
app.add_typer(setup.topics, name="topics")
app.add_typer(setup.keys, name="keys")

if __name__ == "__main__":
    app()
