"""What did not pass is counted by its reason, and what it says is shown to nobody."""

import json
import re
from urllib.parse import quote

import pytest

from pages import press
from processes import sql, storepulse, until

OPEN = "(outcome is null or outcome = 'refused')"


@pytest.fixture(scope="module")
def by_reason(line):
    """Events that break rules, as they lie in the store: how many of each reason."""
    storepulse("simulate", "--rate", "200", "--duration", "2s", "--seed", "77", "--malformed-pct", "20")
    counted = sql(f"select reason, count(*) from raw.quarantine where {OPEN} group by reason")
    reasons = dict(line.split("|") for line in counted.splitlines())
    assert len(reasons) >= 4, reasons
    return reasons


def test_malformed_events_appear_by_reason(visitor, by_reason):
    page = visitor("/quarantine", role="viewer")
    summary = page.locator('[id="quarantine.summary"]')
    total = sum(int(count) for count in by_reason.values())

    def told():
        text = summary.inner_text()
        return f"open {total:,}" in text and all(f"{reason} {int(count):,}" in text for reason, count in by_reason.items())

    until("the page counts what the store holds, without a reload", told)
    answer = page.request.get("/api/v1/quarantine/summary").json()["data"]
    assert {reason: str(counts["open"]) for reason, counts in answer["by_reason"].items()} == by_reason

    reason, count = max(by_reason.items(), key=lambda pair: int(pair[1]))
    press(page, summary.get_by_role("link", name=reason, exact=True))
    page.wait_for_url(re.compile(f"reason={reason}"))
    rows = page.locator("#records tbody tr")
    assert rows.count() == min(int(count), 50)
    for row in rows.all():
        assert reason in row.inner_text() and "open" in row.inner_text()


def said(payload):
    """What a record says that tells of a person."""
    told = json.loads(payload)
    return [told[name] for name in ("user_id", "session_id", "city")]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_nothing_that_a_record_says_is_shown(visitor, by_reason, role):
    # One of each reason.
    kept = sql(
        "select distinct on (reason) source, coordinates, reason, detail, encode(payload, 'base64') is not null,"
        " replace(convert_from(payload, 'utf-8'), '|', ' ')"
        f" from raw.quarantine where {OPEN} and source = 'simulator' order by reason, quarantined_at"
    )
    page = visitor("/quarantine", role=role)
    listed = page.content() + page.request.get("/api/v1/quarantine?limit=200").text()
    records = [row.split("|", 5) for row in kept.splitlines()]
    assert len(records) == len(by_reason)
    for source, coordinates, reason, detail, has_bytes, payload in records:
        assert has_bytes == "t", coordinates
        place = f"source={quote(source)}&coordinates={quote(coordinates)}"
        page.goto(f"/quarantine/record?{place}")
        main = page.locator("main").inner_text()
        assert reason in main and coordinates in main
        one = page.request.get(f"/api/v1/quarantine/record?{place}").json()["data"]
        assert one["reason"] == reason and one["size_bytes"] > 0 and len(one["sha256"]) == 64
        assert not {"payload", "bytes", "detail"} & one.keys(), one.keys()
        everything = listed + page.content() + json.dumps(one)
        for value in said(payload):
            assert value not in everything, (reason, value)
        # Why it was refused may quote it: the field's name alone is told.
        assert detail not in everything, detail
        assert one["field"] == detail.split(": ")[0]


def test_a_viewer_may_not_ask_for_the_bytes_otherwise(visitor, by_reason):
    page = visitor("/quarantine", role="viewer")
    row = page.request.get("/api/v1/quarantine?limit=1").json()["data"][0]
    place = f"source={quote(row['source'])}&coordinates={quote(row['coordinates'])}"
    for path in ("/quarantine/record/bytes", "/quarantine/record/payload", "/api/v1/quarantine/record/payload"):
        path = f"{path}?{place}"
        assert page.request.get(path).status == 404, path
    read = sql("select has_column_privilege('storepulse_console', 'raw.quarantine', 'payload', 'select')")
    assert read == "f", "the console's own role may read the bytes"
