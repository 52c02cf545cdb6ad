"""How a command runs: the platform opened for it, its errors turned into a message and an exit code."""

import asyncio
import functools
import getpass
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import psycopg
import structlog
import typer
from confluent_kafka import KafkaException
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from connector.adapters.configuration.tenant_file import ConfigurationRefused
from connector.adapters.gate.authorize import AuthorisationRefused
from connector.adapters.parts.part import PartsError
from connector.adapters.postgres.configuration import NotConfigured
from connector.adapters.postgres.engine import SchemaMismatch
from connector.adapters.runtime import BadEnvironment, Runtime, runtime
from connector.console.output import Exit, Failed, NotReachable, Output, Refused
from connector.domain.identity import ConnectionId, FlowId
from connector.domain.ports.configuration import Snapshot
from connector.domain.ports.log import LogError
from connector.domain.ports.vault import VaultError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
TenantOption = Annotated[
    str | None, typer.Option("--tenant", help="The tenant; not needed where there is only one.", show_default=False)
]

T = TypeVar("T")

_REFUSED = (Refused, ConfigurationRefused, BadEnvironment, NotConfigured, AuthorisationRefused)
_AWAY = (
    NotReachable,
    SchemaMismatch,
    PartsError,
    KafkaException,
    LogError,
    OperationalError,
    PoolTimeout,
    psycopg.OperationalError,
)
_FAILED = (Failed, VaultError)


def command(work: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a typer command of a coroutine; a parameter `as_json` chooses how its errors are told."""

    @functools.wraps(work)
    def run(*args: Any, **kwargs: Any) -> None:
        output = Output(as_json=bool(kwargs.get("as_json", False)))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        logging.getLogger("connector.kafka").setLevel(logging.ERROR)
        try:
            asyncio.run(work(*args, **kwargs))
        except _REFUSED as error:
            _end(output, Exit.REFUSED, error)
        except _AWAY as error:
            _end(output, Exit.NOT_REACHABLE, error)
        except _FAILED as error:
            _end(output, Exit.FAILED, error)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return run


def _end(output: Output, code: Exit, error: BaseException) -> NoReturn:
    message = _said(error)
    if output.as_json:
        mistakes = getattr(error, "mistakes", None)
        detail = {"error": message, "exit": int(code)} | ({"mistakes": mistakes} if mistakes else {})
        output.result(detail)
    else:
        output.notes.print(message, markup=False, highlight=False, style="red", soft_wrap=True)
    raise typer.Exit(int(code)) from None


def _said(error: BaseException) -> str:
    if isinstance(error, DBAPIError | psycopg.OperationalError | PoolTimeout):
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        return f"The database of DATABASE_URL does not answer: {said[0] if said else type(error).__name__}"
    if isinstance(error, KafkaException):
        return f"Kafka at KAFKA_BOOTSTRAP_SERVERS does not answer or refuses: {error.args[0].str()}"
    return str(error)


@asynccontextmanager
async def platform() -> AsyncIterator[Runtime]:
    async with runtime("console") as run:
        yield run


def actor() -> str:
    """Who gave an order, for the audit."""
    return os.environ.get("CONNECTOR_ACTOR") or f"cli:{getpass.getuser()}"


def find_connection(snapshot: Snapshot, name: str, tenant: str | None = None) -> ConnectionId:
    """`tenant/connection`, or just its name where only one tenant has it; raises Refused."""
    return _find("connection", [str(found) for found in snapshot.connections], name, tenant, ConnectionId.parse)


def find_flow(snapshot: Snapshot, name: str, tenant: str | None = None) -> FlowId:
    return _find("flow", [str(found) for found in snapshot.flows], name, tenant, FlowId.parse)


def _find(kind: str, known: list[str], name: str, tenant: str | None, parse: Callable[[str], T]) -> T:
    wanted = name if "/" in name else f"{tenant}/{name}" if tenant else None
    found = [one for one in known if (one == wanted if wanted else one.partition("/")[2] == name)]
    if len(found) == 1:
        return parse(found[0])
    if found:
        raise Refused(f"{kind} {name!r} is there more than once: name one of {', '.join(sorted(found))}")
    listed = ", ".join(sorted(known)) or "none: run `connector apply -f tenant.yaml` first"
    raise Refused(f"there is no {kind} {name!r}; there is {listed}")


def find_tenant(snapshot: Snapshot, tenant: str | None) -> str:
    """The tenant named, or the only one there is; raises Refused."""
    tenants = sorted({connection.tenant for connection in snapshot.connections})
    if tenant in tenants:
        return str(tenant)
    if tenant is None and len(tenants) == 1:
        return tenants[0]
    listed = ", ".join(tenants) or "none: run `connector apply -f tenant.yaml` first"
    raise Refused(f"name a tenant with --tenant; there is {listed}")
