"""A customer's own cluster and database: TLS, passwords, certificates, and no right beyond the list we print."""

import asyncio
import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from connector.adapters.kafka.admin import Acl, apply_topics, needed_acls
from connector.adapters.kafka.log import kafka
from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.parts.broker import LocalBroker
from connector.adapters.parts.part import free_port
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.migrating import migrate
from connector.adapters.postgres.notify import Listener, notify
from connector.adapters.systems import names
from connector.domain.ports.log import Message, NotAcknowledged, Record, catalogue, webhooks_topic
from tests.support import running, until

pytestmark = [pytest.mark.slow, pytest.mark.ci]

USER, PASSWORD = "services", "long-and-only-for-this-test"
HERE = "127.0.0.1"
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])
"""PostgreSQL: how a client asks for TLS before anything else."""


@dataclass(frozen=True)
class Papers:
    """PEM files: the authority, and certificate with key of the servers and of our user."""

    folder: Path

    def __post_init__(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        trustme.CA().cert_pem.write_to_path(str(self.stranger))
        for path, certificate in (
            (self.server, authority.issue_cert(HERE)),
            (self.user, authority.issue_cert(HERE, common_name=USER)),
        ):
            # Kafka reads keys as PKCS#8 only
            key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
            path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            for link in certificate.cert_chain_pems:
                link.write_to_path(str(path), append=True)

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def stranger(self) -> Path:
        """Another authority, which vouches for nobody here."""
        return self.folder / "stranger.pem"

    @property
    def server(self) -> Path:
        return self.folder / "server.pem"

    @property
    def user(self) -> Path:
        return self.folder / "user.pem"


class SecuredBroker(LocalBroker):
    """A broker that also listens with TLS, for passwords and for certificates, and lets nobody do what is not granted.

    Its plain listener is the administrator's."""

    def __init__(self, folder: Path, papers: Papers) -> None:
        super().__init__(folder)
        self._papers = papers
        self.for_passwords, self.for_certificates = (f"{HERE}:{free_port()}" for _ in range(2))

    def _properties(self) -> str:
        more = f"SASL_SSL://{self.for_passwords},SSL://{self.for_certificates}"
        written = super()._properties().splitlines()
        values = dict(line.split("=", 1) for line in written)
        values["listeners"] += f",{more}"
        values["advertised.listeners"] += f",{more}"
        values["listener.security.protocol.map"] += ",SASL_SSL:SASL_SSL,SSL:SSL"
        values |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._papers.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._papers.authority),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=([a-z]+),.*$/$1/,DEFAULT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, papers: Papers) -> Iterator[SecuredBroker]:
    started = SecuredBroker(tmp_path_factory.mktemp("kafka"), papers)
    started.start()
    try:
        salted = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion(USER, salted, PASSWORD.encode())
        admin = administrator(started)
        for done in admin.alter_user_scram_credentials([user]).values():
            done.result()
        yield started
    finally:
        started.stop()


def administrator(broker: SecuredBroker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.address})


def by_password(broker: SecuredBroker, papers: Papers, **other: Any) -> KafkaSettings:
    given: dict[str, Any] = {
        "bootstrap_servers": broker.for_passwords,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": USER,
        "sasl_password": SecretStr(PASSWORD),
        "ssl_ca_location": str(papers.authority),
        "topic_prefix": "p.",
        "group_prefix": "p.",
    }
    return KafkaSettings(**(given | other))


def by_certificate(broker: SecuredBroker, papers: Papers, **other: Any) -> KafkaSettings:
    given = {
        "bootstrap_servers": broker.for_certificates,
        "security_protocol": "SSL",
        "ssl_ca_location": str(papers.authority),
        "ssl_certificate_location": str(papers.user),
        "ssl_key_location": str(papers.user),
        "topic_prefix": "c.",
        "group_prefix": "c.",
    }
    return KafkaSettings(**(given | other))


def grant(broker: SecuredBroker, acls: Sequence[Acl]) -> None:
    kinds = {
        "topic": ResourceType.TOPIC,
        "group": ResourceType.GROUP,
        "transactional-id": ResourceType.TRANSACTIONAL_ID,
        "cluster": ResourceType.BROKER,
    }
    patterns = {"prefixed": ResourcePatternType.PREFIXED, "literal": ResourcePatternType.LITERAL}
    operations = {
        "Describe": AclOperation.DESCRIBE,
        "Read": AclOperation.READ,
        "Write": AclOperation.WRITE,
        "Create": AclOperation.CREATE,
        "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
        "IdempotentWrite": AclOperation.IDEMPOTENT_WRITE,
    }
    bindings = [
        AclBinding(
            kinds[acl.resource], acl.name, patterns[acl.pattern], f"User:{USER}", "*", operations[operation],
            AclPermissionType.ALLOW,
        )
        for acl in acls
        for operation in acl.operations
    ]  # fmt: skip
    admin = administrator(broker)
    for done in admin.create_acls(bindings).values():
        done.result()


@pytest.mark.parametrize("who", [by_password, by_certificate], ids=["password", "certificate"])
async def test_the_rights_we_list_are_enough_for_all_that_services_do(
    broker: SecuredBroker, papers: Papers, who: Any
) -> None:
    settings = who(broker, papers)
    grant(broker, needed_acls(settings))
    topics = catalogue(names())
    assert set(apply_topics(settings, topics).created) == {settings.topic(topic.name) for topic in topics}
    assert not apply_topics(settings, topics).differences
    source, target = webhooks_topic("exact"), "documents.exact"

    def mapped(record: Record) -> Sequence[Message]:
        return [Message(target, record.key, record.value)]

    found: list[bytes | None] = []

    async def take(records: Sequence[Record]) -> None:
        found.extend(record.value for record in records)

    async with (
        kafka(settings, service="mapper") as mapper,
        kafka(settings, service="writer") as writer,
        running(mapper.exactly_once([source], "mapper", mapped)),
        running(writer.consume([target], "writer", take)),
    ):
        await mapper.produce([Message(source, str(number), b"%d" % number) for number in range(20)])
        await until(lambda: len(found) == 20)
    assert sorted(filter(None, found)) == sorted(b"%d" % number for number in range(20))


async def test_who_was_granted_nothing_is_told_so(broker: SecuredBroker, papers: Papers) -> None:
    with pytest.raises(KafkaException, match=r"(?i)authoriz"):
        apply_topics(by_password(broker, papers, topic_prefix="others."), catalogue(names()))


async def test_a_wrong_password_or_a_server_nobody_vouches_for_gets_nothing(
    broker: SecuredBroker, papers: Papers
) -> None:
    wrong = by_password(broker, papers, sasl_password=SecretStr("guessed"))
    unknown = by_password(broker, papers, ssl_ca_location=str(papers.stranger))
    for settings in (wrong, unknown):
        async with kafka(settings, service="writer", delivery_timeout_s=3) as log:
            with pytest.raises(NotAcknowledged):
                await log.produce([Message(webhooks_topic("exact"), "1", b"1")])
            assert PASSWORD not in (await log.problem() or "")


class TlsFront(socketserver.ThreadingTCPServer):
    """A server with TLS in front of the database, as a managed one or a pooler is: it takes nobody without."""

    daemon_threads = True

    def __init__(self, papers: Papers, database_url: str) -> None:
        super().__init__((HERE, 0), _Connection)
        self._behind = make_url(database_url)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(papers.server)
        self.accepted = 0

    def address(self, parameters: str) -> str:
        """The database's address by way of this server."""
        url = self._behind.set(port=self.server_address[1])
        return f"{url.render_as_string(hide_password=False)}?{parameters}"

    def database(self) -> socket.socket:
        assert self._behind.port is not None
        return socket.create_connection((HERE, self._behind.port))

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        front = self.server
        assert isinstance(front, TlsFront)
        if self.request.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            return
        self.request.sendall(b"S")
        try:
            client = front.tls.wrap_socket(self.request, server_side=True)
        except OSError:
            return  # it does not trust us
        front.accepted += 1
        with client, front.database() as database:
            back = threading.Thread(target=_carry, args=(database, client), daemon=True)
            back.start()
            _carry(client, database)
            back.join(5)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while read := source.recv(65536):
            target.sendall(read)
        target.shutdown(socket.SHUT_WR)


async def test_the_database_is_reached_over_tls_whose_certificate_is_verified(
    database_url: str, papers: Papers
) -> None:
    with TlsFront(papers, database_url) as front:
        url = front.address(f"sslmode=verify-full&sslrootcert={papers.authority}")
        await asyncio.to_thread(migrate, url)
        database, listener = engine(url), Listener(url)
        async with running(listener.run()):
            woken = asyncio.create_task(listener.wait("key", 30))
            while not woken.done():
                async with database.begin() as db:
                    await notify(db, "key")
                await asyncio.wait([woken], timeout=0.2)
        await database.dispose()
    assert front.accepted >= 3, "the migration, the pool and the listener came by it"


@pytest.mark.parametrize("parameters", ["sslmode=verify-full&sslrootcert={stranger}", "sslmode=disable"])
async def test_a_database_that_nobody_vouches_for_or_without_tls_is_refused(
    database_url: str, papers: Papers, parameters: str
) -> None:
    with TlsFront(papers, database_url) as front:
        database = engine(front.address(parameters.format(stranger=papers.stranger)))
        with pytest.raises(DBAPIError):
            async with database.connect() as db:
                await db.execute(text("select 1"))
        await database.dispose()
    assert front.accepted == 0
