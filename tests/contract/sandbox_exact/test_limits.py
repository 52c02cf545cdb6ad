"""Quota windows and their headers, the error block, and the time a request may take."""

from typing import Any

JOURNALS = "financial/Journals"
FAMILIES = {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
MINUTELY = {"x-ratelimit-minutely-limit", "x-ratelimit-minutely-remaining", "x-ratelimit-minutely-reset"}


def rate_headers(answer: Any) -> set[str]:
    return {name for name in answer.headers if name.startswith("x-ratelimit")}


async def test_every_call_to_a_company_tells_both_windows_in_milliseconds(build: Any) -> None:
    exact = build()
    await exact.log_in()
    answer = await exact.call("GET", JOURNALS)
    assert rate_headers(answer) == FAMILIES | MINUTELY
    assert (answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]) == ("5000", "4999")
    assert answer.headers["x-ratelimit-minutely-remaining"] == "59"
    assert int(answer.headers["x-ratelimit-minutely-reset"]) == (int(exact.time.now) // 60 + 1) * 60_000
    assert int(answer.headers["x-ratelimit-reset"]) == (int(exact.time.now) // 86400 + 1) * 86_400_000


async def test_the_61st_call_of_a_calendar_minute_is_a_429_with_that_family_only(build: Any) -> None:
    exact = build()
    exact.time.now += 59
    await exact.log_in()
    for _ in range(60):
        assert (await exact.call("GET", JOURNALS)).status_code == 200
    refused = await exact.call("GET", JOURNALS)
    assert (refused.status_code, refused.content, rate_headers(refused)) == (429, b"", MINUTELY)
    assert (await exact.call("GET", JOURNALS, division=exact.other_division)).status_code == 200
    other = (await exact.act("log_in", client_id=exact.credentials["apps"][1]["client_id"]))["access_token"]
    assert (await exact.call("GET", JOURNALS, headers={"Authorization": f"Bearer {other}"})).status_code == 200
    exact.time.now += 1
    assert (await exact.call("GET", JOURNALS)).status_code == 200


async def test_the_daily_limit_answers_with_the_daily_family(build: Any) -> None:
    exact = build(day_limit=2)
    await exact.log_in()
    answers = [await exact.call("GET", JOURNALS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert rate_headers(answers[2]) == FAMILIES


async def test_the_minute_can_be_shortened(build: Any) -> None:
    exact = build(minute_s=6)
    await exact.log_in()
    answers = [(await exact.call("GET", JOURNALS)).status_code for _ in range(61)]
    assert answers.count(429) == 1
    exact.time.now += 6
    assert (await exact.call("GET", JOURNALS)).status_code == 200


async def test_more_than_ten_errors_an_hour_block_that_endpoint_for_longer_each_time(exact: Any) -> None:
    async def wrong() -> int:
        return int((await exact.call("GET", f"{JOURNALS}?$filter=Nonsense eq 1")).status_code)

    assert [await wrong() for _ in range(11)] == [400] * 11
    assert (await exact.call("GET", JOURNALS)).status_code == 403
    assert (await exact.call("GET", "hrm/Costcenters")).status_code == 200
    assert (await exact.call("GET", JOURNALS, division=exact.other_division)).status_code == 200
    exact.settings.error_block_status = 429
    assert (await exact.call("GET", JOURNALS)).status_code == 429
    exact.time.now += 3601
    await exact.log_in()
    assert [await wrong() for _ in range(11)] == [400] * 11
    exact.time.now += 3601
    await exact.log_in()
    assert (await exact.call("GET", JOURNALS)).status_code == 429, "the second block is longer"
    await exact.act("clear_error_block")
    assert (await exact.call("GET", JOURNALS)).status_code == 200


async def test_reading_what_is_not_there_by_key_feeds_the_block_but_functional_errors_do_not(exact: Any) -> None:
    missing = "purchaseentry/PurchaseEntries(guid'22222222-2222-2222-2222-222222222222')"
    for _ in range(11):
        await exact.call("GET", missing)
        await exact.post("crm/Accounts", {})
    assert (await exact.call("GET", "purchaseentry/PurchaseEntries")).status_code == 403
    assert (await exact.post("crm/Accounts", {})).status_code == 500


async def test_a_request_commits_within_its_processing_time_however_slow_the_answer(exact: Any) -> None:
    exact.settings.commit_after_s, exact.settings.processing_s, exact.settings.answer_after_s = 100.0, 20.0, 60.0
    start = exact.time.now
    made = await exact.post("hrm/Costcenters", {"Code": "LATE", "Description": "x"})
    assert exact.time.now == start + 80
    assert made.json()["d"]["Created"] == f"/Date({int(start + 20 + 7200) * 1000})/"


async def test_an_outage_answers_html(exact: Any) -> None:
    exact.settings.down = True
    answer = await exact.call("GET", JOURNALS)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (503, "text/html")
