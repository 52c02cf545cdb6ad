"""What a service shows of itself, and what it never shows."""

import asyncio
import json
import pickle
import signal
import sys

import httpx
import pytest
from pydantic import SecretStr

from connector.adapters.telemetry.health import Health, serving
from connector.adapters.telemetry.logs import redacted
from connector.domain.secret import Secret


def test_a_secret_prints_nowhere() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>10}", str([secret]), str({"a": secret})]
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    with pytest.raises(TypeError, match="vault"):
        pickle.dumps(secret)


def test_logs_hide_secrets_by_type_at_any_depth() -> None:
    event = {"event": "x", "a": Secret("hunter2"), "b": [{"c": (SecretStr("hunter2"), 1)}]}
    assert redacted(None, "info", event) == {"event": "x", "a": "***", "b": [{"c": ("***", 1)}]}


async def test_ready_only_while_no_check_tells_a_problem() -> None:
    problem: str | None = None

    async def check() -> str | None:
        return problem

    async with httpx.AsyncClient(transport=httpx.ASGITransport(Health({"kafka": check}))) as client:
        assert (await client.get("http://x/readyz")).status_code == 200
        problem = "no broker answers"
        answer = await client.get("http://x/readyz")
        assert (answer.status_code, answer.json()) == (503, {"kafka": "no broker answers"})
        assert (await client.get("http://x/livez")).status_code == 200
        assert "python_info" in (await client.get("http://x/metrics")).text
        assert (await client.get("http://x/other")).status_code == 404


async def test_health_is_served_on_a_port_of_its_own() -> None:
    async with serving(Health({}), host="127.0.0.1", port=0) as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/livez")).text == "ok\n"
        with pytest.raises(OSError, match="in use"):
            async with serving(Health({}), host="127.0.0.1", port=port):
                pass


_SERVICE = """
import asyncio, sys
from connector.adapters.telemetry.process import run_service
import structlog
async def main():
    try:
        print("up", flush=True)
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.1)
        structlog.get_logger().info("closed", password=__import__("connector.domain.secret").domain.secret.Secret("pw"))
async def broken():
    raise RuntimeError("planned")
sys.exit(run_service("test", main if sys.argv[1] == "main" else broken))
"""


async def test_sigterm_drains_and_exits_with_0_logging_json() -> None:
    process = await _service("main")
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    errors = (await process.stderr.read()).decode()
    assert await process.wait() == 0
    events = [json.loads(line) for line in errors.splitlines()]
    assert [event["event"] for event in events] == ["closed", "drained"]
    assert events[0]["password"] == "***"
    assert events[0]["service"] == "test"


async def test_a_failure_exits_with_1_and_is_logged() -> None:
    process = await _service("broken")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert "planned" in json.loads(errors.decode().splitlines()[-1])["exception"]


async def _service(which: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", _SERVICE, which, stdout=pipe, stderr=pipe)
