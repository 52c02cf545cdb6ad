"""Over a real socket: the start line, a reset after the commit, the control port; and speed with many documents."""

import asyncio
import contextlib
import json
import ssl
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import Bodies, Office


@contextlib.asynccontextmanager
async def running(*options: str) -> AsyncIterator[dict[str, Any]]:
    """The sandbox as its own process; yields its start line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connector.sandbox", "coupa", "--seed", "3", *options, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@pytest.fixture
async def server() -> AsyncIterator[dict[str, Any]]:
    async with running("--set", "token_expires_in_s=120") as line:
        yield line


async def test_a_server_prints_its_credentials_and_resets_a_connection_after_the_commit(server: dict[str, Any]) -> None:
    keys = server["credentials"]
    async with (
        httpx.AsyncClient(base_url=server["base_url"]) as http,
        httpx.AsyncClient(base_url=server["control_url"]) as control,
    ):
        form = {
            "client_id": keys["client_id"],
            "client_secret": keys["client_secret"],
            "grant_type": "client_credentials",
        }
        token = (await http.post(keys["token_url"], data=form)).json()
        assert token["expires_in"] == 120
        http.headers["Authorization"] = f"Bearer {token['access_token']}"
        rule = {"path": "/api/suppliers", "method": "POST", "action": "drop", "when": "after"}
        assert (await control.post("/faults", json=rule)).status_code == 204
        body = {"name": "Lost", "number": "L-1", "invoice-matching-level": "none"}
        with pytest.raises(httpx.TransportError):
            await http.post("/api/suppliers", json=body)
        assert (await http.post("/api/suppliers", json=body)).status_code == 400
        assert [s["number"] for s in (await http.get("/api/suppliers")).json()] == ["L-1"]
        assert [s["name"] for s in (await control.get("/store")).json()["suppliers"]] == ["Lost"]
        acted = await control.post("/act/edit_supplier", json={"number": "L-1", "website": "x.test"})
        assert acted.json()["website"] == "x.test"
        assert (await control.post("/act/edit_supplier", json={"number": "L-2"})).status_code == 400
        await control.post("/settings", json={"rate_burst": 1, "custom_fields": {"suppliers": {"key": True}}})
        assert (await http.get("/api/suppliers")).json()[0]["custom-fields"] == {"key": None}
        await control.post("/clock", json={"advance_s": 121})
        assert (await http.get("/api/suppliers")).status_code == 401


async def test_keyed_reads_stay_quick_with_ten_thousand_documents(office: Office, bodies: type[Bodies]) -> None:
    await office.act("create_supplier", records=[
        {"name": f"S{n}", "number": f"V{n}", "status": "active", "invoice-matching-level": "none"} for n in range(100)
    ])  # fmt: skip
    await office.act("create_invoice", records=[
        bodies.invoice(f"I-{n}", f"V{n % 100}", **{"custom-fields": {"erp-source-id": f"E:{n}"}}) for n in range(10_000)
    ])  # fmt: skip
    queries = (
        {"invoice-number": "I-7001"},
        {"invoice-number": "I-7001", "supplier[number]": "V1"},
        {"custom_fields[erp-source-id]": "E:7001"},
        {"updated-at[gt]": "2026-01-01T00:00:01Z", "order_by": "updated_at"},
    )
    office.later(5)
    await office.act("edit_invoice", **{"key": {"invoice-number": "I-7001"}, "internal-note": "x"})
    for query in queries:
        started = time.process_time()
        for _ in range(20):
            found = await office.get("invoices", **query)
        assert [i["invoice-number"] for i in found] == ["I-7001"]
        assert (time.process_time() - started) / 20 < 0.005


async def test_the_vendors_paths_can_be_served_over_tls(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*pem))
    async with running("--tls", str(cert_file), str(key_file)) as server:
        assert server["base_url"].startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert_file))
        async with httpx.AsyncClient(verify=trusting) as http:
            assert (await http.get(f"{server['base_url']}/api/suppliers")).status_code == 401
