"""The sandbox alone, by `connector sandbox procore`: lost answers, slow ones, and a login origin of its own."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest


@pytest.fixture
async def server() -> AsyncIterator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "connector.console.main", "sandbox", "procore", "--seed", "1", "--set", "spike_limit=null"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 120))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def test_a_lost_answer_was_committed_and_is_found_by_origin_id(server: dict[str, Any]) -> None:
    credentials = server["credentials"]
    assert credentials["login_url"] != credentials["api_url"]
    body = {"grant_type": "client_credentials"} | {n: credentials[n] for n in ("client_id", "client_secret")}
    async with httpx.AsyncClient(base_url=credentials["api_url"], trust_env=False) as http:
        token = (await http.post(f"{credentials['login_url']}/oauth/token", json=body)).json()["access_token"]
        http.headers.update({"Authorization": f"Bearer {token}", "Procore-Company-Id": str(credentials["company_id"])})
        project = credentials["projects"]["P-100"]
        sync, control = "/rest/v1.0/purchase_order_contracts/sync", server["control_url"]
        update = {"project_id": project, "updates": [{"origin_id": "EXO:1", "title": "Panels"}]}

        await http.post(f"{control}/faults", json={"path": "/sync$", "when": "after", "action": "drop"})
        with pytest.raises(httpx.TransportError):
            await http.patch(sync, json=update)
        first = (await http.patch(sync, json=update)).json()["entities"]
        listed = (await http.get("/rest/v1.0/purchase_order_contracts", params={"project_id": project})).json()
        assert [row["id"] for row in listed] == [first[0]["id"]]

        slow = {"path": "/sync$", "when": "after", "action": "delay", "delay_s": 0.5}
        await http.post(f"{control}/faults", json=slow)
        update["updates"][0]["origin_id"] = "EXO:2"
        with pytest.raises(httpx.ReadTimeout):
            await http.patch(sync, json=update, timeout=0.1)
        await asyncio.sleep(0.6)
        busy = {"path": "/sync$", "action": "respond", "when": "before", "status": 503, "headers": {"Retry-After": "1"}}
        await http.post(f"{control}/faults", json=busy)
        assert (await http.patch(sync, json=update)).headers["retry-after"] == "1"
        store = (await http.get(f"{control}/store")).json()
        assert sorted(row["origin_id"] for row in store["purchase_order_contracts"]) == ["EXO:1", "EXO:2"]

        act = await http.post(f"{control}/act/approve_purchase_order", json={"id": first[0]["id"]})
        assert act.json()["status"] == "Approved"
