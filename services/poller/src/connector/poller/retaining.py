"""What grows is made room for ahead of time, and let go once it is old."""

import asyncio
from datetime import timedelta

import structlog

from connector.adapters.postgres.retention import AuditRetention, forget_answers, forget_calls
from connector.adapters.runtime import Runtime
from connector.adapters.systems import answers_of_a_day

EVERY_S = 3600.0
AUDIT_KEPT = timedelta(days=10 * 365)
"""Longer than books have to be kept (seven years in most of Europe, ten in Germany)."""
CALLS_KEPT = timedelta(days=30)
ANSWERS_KEPT = timedelta(days=7)
"""Of references that documents of one day ask for: a document that is judged later asks anew."""

log = structlog.get_logger(__name__)


async def retain(run: Runtime) -> None:
    """Look every hour, until cancelled; a second poller doing the same finds it done."""
    while True:
        try:
            await retain_once(run)
        except Exception as error:
            log.error("retention", error=str(error), kind=type(error).__name__)
        await asyncio.sleep(EVERY_S)


async def retain_once(run: Runtime) -> None:
    """Make the next months' audit partitions; drop what is too old."""
    now, audit = run.clock.now(), AuditRetention(run.engine)
    made = await audit.prepare(now.date())
    dropped = await audit.drop_before((now - AUDIT_KEPT).date())
    calls = await forget_calls(run.engine, now - CALLS_KEPT)
    answers = await forget_answers(run.engine, answers_of_a_day(), now - ANSWERS_KEPT)
    if made or dropped or calls or answers:
        log.info("retention", made=made, dropped=dropped, calls=calls, answers=answers)
