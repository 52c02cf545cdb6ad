"""The environment of a console on the example tenant: the platform's addresses, and a planted value for each secret."""

import pytest

from connector.adapters.parts.part import checkout
from connector.console.services import Platform
from connector.domain.identity import FlowId

EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"
FLOW = FlowId("acme", "exact-to-coupa")
SECRETS = ("EXACT_CLIENT_ID", "EXACT_CLIENT_SECRET", "EXACT_WEBHOOK_SECRET", "COUPA_CLIENT_ID", "COUPA_CLIENT_SECRET")


def set_up(monkeypatch: pytest.MonkeyPatch, platform: Platform, **more: str) -> None:
    for name, value in {**platform.environment, **more, **dict.fromkeys(SECRETS, "planted")}.items():
        monkeypatch.setenv(name, value)
