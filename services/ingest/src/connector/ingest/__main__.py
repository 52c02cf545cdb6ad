"""ingest: receives webhooks and hands them to the log; takes the browser back from a vendor's consent page."""

import asyncio
import sys

from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from connector.adapters.contracts.openapi import ingest_openapi
from connector.adapters.runtime import runtime
from connector.adapters.telemetry.health import Health, serving
from connector.adapters.telemetry.process import health, run_service
from connector.ingest.app import Ingest
from connector.ingest.endpoints import Endpoints
from connector.ingest.login import Login

SERVICE = "ingest"
ACKNOWLEDGED_WITHIN_S = 5.0
"""Longer, and the vendor has given up on its delivery anyway: it is answered 503 and delivers again."""


class IngestSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CONNECTOR_INGEST_", frozen=True)

    host: str = "0.0.0.0"  # noqa: S104 (the vendors are outside)
    port: int = 8080


async def main() -> None:
    settings = IngestSettings()
    async with (
        runtime(SERVICE) as run,
        run.kafka(delivery_timeout_s=ACKNOWLEDGED_WITHIN_S) as kafka,
        health({"kafka": kafka.problem}),
        asyncio.TaskGroup() as tasks,
    ):
        endpoints = Endpoints(run.configuration, run.vault)
        public = run.settings.public_base_url or ""
        login = Login(run.authorisations(), secure=public.startswith("https://"))
        described = Route("/openapi.json", lambda _: JSONResponse(ingest_openapi()))
        pages = Starlette(routes=[*login.routes(), described, Mount("/", Health({"kafka": kafka.problem}))])
        ingest = Ingest(await endpoints.read(), kafka, pages)
        tasks.create_task(endpoints.keep_current(ingest), name="endpoints")
        async with serving(ingest, host=settings.host, port=settings.port):
            await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, main))
