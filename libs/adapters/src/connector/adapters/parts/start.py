"""Start the parts: each is the one given by the environment, else a container, else a local process."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.adapters.parts.broker import LocalBroker
from connector.adapters.parts.containers import Container, engine_answers
from connector.adapters.parts.database import LocalDatabase
from connector.adapters.parts.part import Given, Part, PartsError

_CHOICES = ("env", "containers", "local")


@dataclass(frozen=True)
class Parts:
    """A running broker and database."""

    broker: Part
    database: Part

    @property
    def kafka_bootstrap(self) -> str:
        return self.broker.address

    @property
    def database_url(self) -> str:
        return self.database.address

    def kill_broker(self) -> None:
        self.broker.kill()

    def restart_broker(self) -> None:
        self.broker.stop()
        self.broker.start()

    def kill_database(self) -> None:
        self.database.kill()

    def restart_database(self) -> None:
        self.database.stop()
        self.database.start()

    def stop(self) -> None:
        """Stop what was started here; data in containers goes, data in the folder stays."""
        for part in (self.broker, self.database):
            if isinstance(part, Container):
                part.remove()
            else:
                part.stop()


def start_parts(
    folder: Path,
    *,
    owner: int | None = None,
    durable: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> Parts:
    """Start both parts with their data under `folder` and return when they answer.

    `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` name servers to use instead. `CONNECTOR_PARTS` forces `env`,
    `containers` or `local`. `owner`: the process that local parts shall not outlive (None: they run until `stop`).
    `say` is told what was chosen. Raises PartsError with what to install or set.
    """
    choice = os.environ.get("CONNECTOR_PARTS")
    if choice is not None and choice not in _CHOICES:
        raise PartsError(f"CONNECTOR_PARTS={choice}: use one of {', '.join(_CHOICES)}")
    folder = folder.resolve()
    broker, how = _choose(
        choice, "KAFKA_BOOTSTRAP_SERVERS", lambda: LocalBroker(folder / "kafka", owner=owner), "kafka", folder.name
    )
    say(f"Kafka: {how}")
    database, how = _choose(
        choice,
        "DATABASE_URL",
        lambda: LocalDatabase(folder / "postgres", owner=owner, durable=durable),
        "postgres",
        folder.name,
    )
    say(f"PostgreSQL: {how}")
    parts = Parts(broker, database)
    with ExitStack() as on_failure:
        on_failure.callback(parts.stop)
        database.start()
        broker.start()
        on_failure.pop_all()
    return parts


@contextmanager
def running_parts(
    folder: Path, *, durable: bool = True, say: Callable[[str], None] = lambda line: None
) -> Iterator[Parts]:
    """The parts for the time of a context; they do not outlive this process either."""
    parts = start_parts(folder, owner=os.getpid(), durable=durable, say=say)
    try:
        yield parts
    finally:
        parts.stop()


def _choose(
    choice: str | None, variable: str, local: Callable[[], Part], service: str, project: str
) -> tuple[Part, str]:
    given = os.environ.get(variable)
    if choice == "env" and not given:
        raise PartsError(f"CONNECTOR_PARTS=env needs {variable}")
    if given and choice in (None, "env"):
        return Given(given, variable), f"the server that {variable} names"
    if choice == "containers" and not engine_answers():
        raise PartsError("CONNECTOR_PARTS=containers, but no container engine answers `docker info` with its images")
    if choice == "containers" or (choice is None and engine_answers()):
        return Container(service, f"ml-connector-{project}".lower()), "a container"
    return local(), "a local process, without containers"
