"""`connector reconcile`: both sides' sums, and where they differ."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

import typer

from connector.adapters.reconciling import NothingToReconcile, reconcile
from connector.console.output import Exit, Failed, Output, Refused, table
from connector.console.session import JsonFlag, TenantOption, command, find_flow, platform
from connector.domain.ports.gate import GateError
from connector.domain.reconciliation.projects import Reconciliation
from connector.domain.vendor_error import VendorError

app = typer.Typer()
COLUMNS = (
    "project", "code", "committed_source", "committed_target", "invoiced_source", "invoiced_target", "agrees",
)  # fmt: skip


@app.command(name="reconcile")
@command
async def reconcile_flow(
    flow: Annotated[str, typer.Option(help="The flow whose sides are compared.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    tenant: TenantOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare what is committed and invoiced per project and cost code at the source and in the target.

    Committed is compared by net amounts, invoiced by what invoices cost. Ends with 1 where the sides differ.
    """
    output = Output(as_json=as_json)
    async with platform() as run:
        snapshot = await run.configuration.current()
        try:
            found = await reconcile(run, snapshot.flows[find_flow(snapshot, flow, tenant)])
        except NothingToReconcile as error:
            raise Refused(str(error)) from error
        except (VendorError, GateError) as error:
            raise Failed(f"The target's side could not be read: {error}") from error
    rows = list(_rows(found))
    if as_csv:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        output.result(None, [text.getvalue().rstrip("\n")])
    else:
        unplaced = [(one.document, one.number, _shown(one.amount), one.reason) for one in found.unplaced]
        value = {
            "agree": not found.differences,
            "rows": [dict(zip(COLUMNS, row, strict=True)) for row in rows],
            "unplaced": [dict(zip(("document", "number", "amount", "state"), one, strict=True)) for one in unplaced],
        }
        shown = [table(f"Flow {flow}", COLUMNS, rows)]
        if unplaced:
            shown.append(table("Not in the target", ["document", "number", "amount", "state"], unplaced))
        output.result(value, [*shown, f"{len(found.differences)} of {len(rows)} rows differ."])
    if found.differences:
        raise typer.Exit(Exit.FAILED)


def _rows(found: Reconciliation) -> Iterator[tuple[str, ...]]:
    for row in found.rows:
        figures = (row.source.committed, row.target.committed, row.source.invoiced, row.target.invoiced)
        yield row.place.project, row.place.code, *map(_shown, figures), "yes" if row.agrees else "no"


def _shown(amount: Decimal) -> str:
    """Equal amounts look equal: in cents, unless there is more behind them."""
    in_cents = amount.quantize(Decimal("0.01"))
    return f"{in_cents if in_cents == amount else amount.normalize():f}"
