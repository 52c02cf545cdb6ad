"""The sandbox as its own process on real sockets: one line of JSON, the control port, and a dropped answer."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest


@pytest.fixture
async def server() -> AsyncIterator[dict[str, Any]]:
    command = [sys.executable, "-m", "connector.sandbox", "exact", "--seed", "7", "--set", "refresh_not_before_ratio=0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield json.loads(line)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def test_a_dropped_answer_resets_the_connection_and_is_counted(server: dict[str, Any]) -> None:
    credentials = server["credentials"]
    keys = {"client_id": credentials["client_id"], "client_secret": credentials["client_secret"]}
    async with httpx.AsyncClient(trust_env=False) as http:
        pair = (await http.post(f"{server['control_url']}/act/log_in")).json()
        rule = {"path": "/oauth2/token", "method": "POST", "action": "drop"}
        assert (await http.post(f"{server['control_url']}/faults", json=rule)).status_code == 204
        form = {**keys, "grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
        with pytest.raises(httpx.TransportError):
            await http.post(f"{server['base_url']}/api/oauth2/token", data=form)
        retried = await http.post(f"{server['base_url']}/api/oauth2/token", data=form)
        assert retried.json()["error"] == "invalid_grant"
        counters = (await http.post(f"{server['control_url']}/act/counters")).json()
        assert (counters["tokens"]["refreshes"], counters["tokens"]["answers_lost"]) == (1, 1)


async def test_a_created_entry_survives_its_lost_answer(server: dict[str, Any]) -> None:
    division = server["credentials"]["divisions"][0]
    async with httpx.AsyncClient(trust_env=False) as http:
        pair = (await http.post(f"{server['control_url']}/act/log_in")).json()
        headers = {"Authorization": f"Bearer {pair['access_token']}", "Accept": "application/json"}
        url = f"{server['base_url']}/api/v1/{division}/hrm/Costcenters"
        await http.post(f"{server['control_url']}/faults", json={"path": "Costcenters", "method": "POST"})
        with pytest.raises(httpx.TransportError):
            await http.post(url, json={"Code": "LOST", "Description": "x"}, headers=headers)
        found = (await http.get(f"{url}?$filter=Code eq 'LOST'", headers=headers)).json()["d"]["results"]
        assert [row["Code"] for row in found] == ["LOST"]
        assert found[0]["__metadata"]["uri"].startswith(server["base_url"])
        settings = await http.post(f"{server['control_url']}/settings", json={"page_size": 1})
        assert settings.json()["page_size"] == 1
        page = (await http.get(url, headers=headers)).json()["d"]
        assert page["__next"].startswith(server["base_url"])
        wrong = await http.post(f"{server['control_url']}/act/create_supplier", json={"Email": "x"})
        assert (wrong.status_code, "Mandatory: Name" in wrong.text) == (400, True)
        store = (await http.get(f"{server['control_url']}/store")).json()
        assert {"crm/Accounts", "purchaseentry/PurchaseEntries", "counters"} <= set(store)
