"""Faults on demand, and the log of what was called: an ASGI layer around a vendor's application.

Rules are matched in order; the first one that applies is spent. They never live on the vendor's own paths: a test sets
them through the control port or, in-process, on the `Faults` object.
"""

import random
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .clock import SandboxClock

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ABORT_EXTENSION = "sandbox.abort"
"""ASGI extension under which the server offers a function that resets the client's connection."""

Action = Literal["drop", "respond", "delay", "truncate"]


class AnswerDropped(Exception):
    """The connection was reset instead of answered (in-process form; over a socket the client sees the reset)."""


@dataclass(slots=True)
class FaultRule:
    """One planned misbehaviour.

    `when="before"`: the vendor never saw the request. `when="after"`: the vendor committed, only the answer is lost or
    spoiled. `times=None` means until removed; `probability` is drawn from the sandbox's seeded randomness.
    """

    path: str = ".*"
    method: str = ".*"
    when: Literal["before", "after"] = "after"
    action: Action = "drop"
    status: int = 500
    body: str = ""
    content_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    times: int | None = 1
    probability: float = 1.0
    skip: int = 0
    """Matching requests to let pass first."""

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.search(self.path, path))


@dataclass(slots=True)
class LoggedCall:
    at: float
    method: str
    path: str
    query: str
    status: int
    fault: str | None = None
    lost: int | None = None
    """Status of the vendor's own answer, where a rule took it away or spoiled it."""


class Faults:
    """The rules in force and the calls seen."""

    def __init__(self, clock: SandboxClock, seed: int = 0, log_size: int = 200_000) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.rules: list[FaultRule] = []
        self.calls: deque[LoggedCall] = deque(maxlen=log_size)
        self.counts: Counter[str] = Counter()
        self.on_lost: Callable[[Scope], None] = lambda scope: None
        """Called when a rule takes away an answer the vendor had already given."""

    def add(self, *rules: FaultRule) -> None:
        self.rules.extend(rules)

    def clear(self) -> None:
        self.rules.clear()

    def _take(self, method: str, path: str) -> FaultRule | None:
        for rule in self.rules:
            if not rule.matches(method, path):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.probability < 1.0 and self.random.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times <= 0:
                    self.rules.remove(rule)
            return rule
        return None

    def wrap(self, app: App) -> App:
        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            method, path = scope["method"], scope["path"]
            rule = self._take(method, path)
            call = LoggedCall(self.clock.time(), method, path, scope["query_string"].decode("latin-1"), 0)
            self.calls.append(call)
            self.counts[method] += 1

            async def logged(message: Message) -> None:
                if message["type"] == "http.response.start":
                    call.status = message["status"]
                await send(message)

            if rule is None:
                await app(scope, receive, logged)
                return
            call.fault = f"{rule.action}-{rule.when}"
            if rule.when == "before":
                if rule.action == "delay":
                    await self.clock.sleep(rule.delay_s)
                    await app(scope, receive, logged)
                else:
                    await self._spoil(rule, scope, logged, b"")
                return
            answer: list[Message] = []

            async def keep(message: Message) -> None:
                answer.append(message)

            await app(scope, receive, keep)
            if rule.action == "delay":
                await self.clock.sleep(rule.delay_s)
                for message in answer:
                    await logged(message)
                return
            body = b"".join(m.get("body", b"") for m in answer if m["type"] == "http.response.body")
            call.lost = next((m["status"] for m in answer if m["type"] == "http.response.start"), None)
            self.on_lost(scope)
            await self._spoil(rule, scope, logged, body)

        return faulty

    async def _spoil(self, rule: FaultRule, scope: Scope, send: Send, body: bytes) -> None:
        if rule.delay_s:
            await self.clock.sleep(rule.delay_s)
        if rule.action == "drop":
            abort = (scope.get("extensions") or {}).get(ABORT_EXTENSION)
            if abort is None:
                raise AnswerDropped(f"{scope['method']} {scope['path']}")
            abort()
            return
        if rule.action == "truncate":
            status, payload, kind = 200, body[: max(1, len(body) // 2)], "application/json"
        else:
            status, payload, kind = rule.status, rule.body.encode(), rule.content_type
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(payload)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in rule.headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    def log(self) -> list[dict[str, Any]]:
        return [asdict(call) for call in self.calls]
