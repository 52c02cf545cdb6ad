"""The sandbox as a server of its own: real sockets, two origins and a control port; and what a large store costs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import connector.sandbox

from .conftest import Basware, basic, invoice, row, running

TOKENS = {"Authorization": basic("sandbox-client", "sandbox-client-secret-7")["Authorization"]}


@pytest.fixture
def server() -> Iterator[dict[str, Any]]:
    source = str(Path(next(iter(connector.sandbox.__path__))).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "connector.sandbox", "basware", "--seed", "7", "--set", "link_ttl_s=60"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_a_server_serves_two_origins_and_can_lose_an_answer_after_committing(server: dict[str, Any]) -> None:
    credentials, blob = server["credentials"], server["extra_urls"]["blob"]
    assert credentials["blob_url"] == blob != server["base_url"]
    with httpx.Client(base_url=server["control_url"]) as control, httpx.Client(base_url=server["base_url"]) as http:
        form = {"grant_type": "client_credentials", "scope": "accountingDocuments.read accountingDocuments.write"}
        granted = http.post("/v1/tokens", data=form, headers=TOKENS).json()
        http.headers["Authorization"] = f"Bearer {granted['access_token']}"

        made = control.post("/act/create_invoice", json=invoice()).json()
        path = f"/v1/accountingDocuments/{made['invoiceId']}"
        sent = http.get(path)
        assert sent.status_code == 302
        assert sent.headers["location"].startswith(f"{blob}/")
        assert http.get(sent.headers["location"]).status_code == 400
        assert http.get(path, follow_redirects=True).json()["accountingDocuments"][0]["netSum"] == 100.0

        control.post("/faults", json={"path": "/acknowledge$"})
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(f"{path}/acknowledge")
        assert http.post(f"{path}/acknowledge").status_code == 405
        lost, refused = [call for call in control.get("/calls").json() if call["path"].endswith("/acknowledge")]
        assert (lost["status"], lost["lost"], refused["status"], refused["lost"]) == (0, 200, 405, None)

        control.post("/clock", json={"advance_s": 61})
        assert httpx.get(sent.headers["location"]).status_code == 403
        assert control.post("/settings", json={"redirects": False}).json()["redirects"] is False
        assert http.get(path).status_code == 200
        stored = control.get("/store").json()["accountingDocuments"]
        assert [(item["processingStatus"], item["netSum"]) for item in stored] == [("TransferInProgress", "100.00")]
        assert control.post("/act/approve_invoice", json={"invoiceId": "x"}).status_code == 400


def test_the_command_serves_it_alone() -> None:
    command = [sys.executable, "-m", "connector.console.main", "sandbox", "basware", "--seed", "7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert httpx.get(f"{told['control_url']}/health").json()["system"] == "basware"
        form = {"grant_type": "client_credentials", "scope": "vendors.read"}
        assert httpx.post(f"{told['base_url']}/v1/tokens", data=form, headers=TOKENS).status_code == 200
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


async def test_reads_stay_quick_among_ten_thousand_invoices(basware: Basware) -> None:
    rows = [row("10.00", "2.10") for _ in range(3)]
    batch = [invoice(codingRows=rows, processingStatus="New") for _ in range(10_000)]
    made = await basware.act("create_invoice", invoices=batch)
    await basware.act("approve_invoice", invoiceId=made[5000]["invoiceId"])
    started = time.process_time()
    for _ in range(50):
        page = await basware.get("/v1/accountingDocuments", ProcessingStatus="WaitingForTransfer", companyCode="NL01")
        assert len(page.json()["accountingDocuments"]) == 1
        await basware.invoice(made[9999]["invoiceId"])
    per_call_s = (time.process_time() - started) / 100
    assert per_call_s < 0.02, f"{per_call_s * 1000:.1f} ms per read"


async def test_the_same_seed_makes_the_same_ids_and_loses_the_same_notices() -> None:
    async def arrived(seed: int) -> list[Any]:
        async with running(seed) as basware:
            await basware.subscribe(("AccountingDocuments", "All"))
            basware.settings.webhook_drop = 0.5
            await basware.act("create_invoice", invoices=[invoice() for _ in range(12)])
            await basware.time.pass_(1)
            return basware.receiver.notices

    first = await arrived(3)
    assert 2 < len(first) < 12
    assert await arrived(3) == first
    assert await arrived(4) != first
