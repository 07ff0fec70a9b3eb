"""Events without a place in the figures, and those of programs: counted by name, and what they say is shown to nobody."""

import json
from datetime import datetime, timezone

import pytest

from collector import Collector
from conftest import faultless, picture
from pages import live
from processes import Seen, sql, storepulse, until

BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
# A word that ours has no counterpart for, one that a person's address stands in, and what a program looked at.
SHARED, WELCOMED, LOOKED = "Wishlist Shared", "Welcomed ada.exemplary@shop.example", "session_start"
ANONYMOUS, SECRET = "browser-of-ada-7f3c", "Birthday of Ada"


def now():
    return datetime.now(timezone.utc).isoformat()


def track(number, name):
    return {
        "type": "track", "messageId": f"beside-{number}", "timestamp": now(), "anonymousId": ANONYMOUS, "event": name,
        "properties": {"list": SECRET}, "context": {"userAgent": "Mozilla/5.0", "library": {"name": "test"}},
    }


@pytest.fixture(scope="module")
def sent(line, tmp_path_factory):
    """What clients sent, of which the collector took everything and repeated nothing."""
    collector = Collector(tmp_path_factory.mktemp("beside"), "beside")
    try:
        batch = [track(number, SHARED) for number in range(5)] + [track(number, WELCOMED) for number in (5, 6)]
        for _ in range(2):
            assert collector.post("/v1/batch", {"batch": batch, "sentAt": now()}) == {"success": True}
        looks = [
            {"source_id": f"look-{number}", "event_name": LOOKED, "occurred_at": now(), "anonymous_id": ANONYMOUS, "user_agent": BOT}
            for number in range(3)
        ]
        assert collector.post("/v1/events", {"events": looks})["ignored"] == 3
    finally:
        collector.stop()
    return {("segment", "other", SHARED): 5, ("segment", "other", None): 2, ("storepulse", "bot", LOOKED): 3}


def kept():
    """How many of each kind lie in PostgreSQL."""
    told = sql("select k.kind, count(e.id) from (values ('other'), ('bot')) k (kind) left join raw.other_events e using (kind) group by 1")
    return {kind: int(count) for kind, count in (row.split("|") for row in told.splitlines())}


def numbers(row):
    """The counts of a row of the page: recent ones, and all that are kept."""
    return [int(text.replace(",", "")) for text in row.locator("td.num").all_inner_texts()]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_what_is_in_no_figure_is_counted_by_name_without_a_reload(visitor, sent, role):
    page = visitor("/flow", role=role)
    part = page.locator('[id="flow.others"]')
    rows = {key: part.locator(f'tr[data-key="collector/beside/{key[0]}/{key[1]}/{key[2] or ""}"]') for key in sent}

    def told():
        return all(row.count() == 1 and numbers(row) == [sent[key]] * 2 for key, row in rows.items())

    until("the page counts what was sent", told)
    for kind, count in kept().items():
        row = part.locator(f'tr[data-key="{kind}"]')
        until(f"all of kind {kind} are counted", lambda row=row, count=count: numbers(row)[1:2] == [count])
        assert "ago" in row.locator("time[data-age]").inner_text()
    assert "from programs" in rows["storepulse", "bot", LOOKED].inner_text()
    assert "ago" in rows["segment", "other", SHARED].inner_text()
    assert "storepulse ingest other replay" in part.inner_text()


def test_the_ledger_has_a_place_for_them(visitor, sent):
    page = visitor("/flow", role="viewer")
    arrivals = page.locator('[id="flow.arrivals"]')
    arrivals.get_by_role("columnheader", name="kept beside").wait_for()
    counted = (
        "select coalesce(sum(other), 0) from ops.ledger where stage = 'ingest' and minute > now() - interval '14 minutes'"
    )

    def told():
        column = arrivals.locator("tbody tr td:last-child").all_inner_texts()
        seen, stored = sum(int(text.replace(",", "")) for text in column), int(sql(counted))
        return seen >= stored >= sum(sent.values()) or Seen(seen, stored)

    until("the arrivals count them", told)


def test_the_api_tells_the_same_and_nothing_that_an_event_says(visitor, sent):
    page = visitor("/flow", role="operator")

    def counted():
        data = page.request.get("/api/v1/other-events").json()["data"]
        return data if {kind: counts["kept"] for kind, counts in data["by_kind"].items()} == kept() else None

    data = until("the API counts what PostgreSQL holds", counted)
    mine = {
        (name["dialect"], name["kind"], name["name"]): name["kept"] for name in data["names"] if name["source"] == "collector/beside"
    }
    assert mine == sent
    # As the command tells it, which an operator has.
    listed = json.loads(storepulse("ingest", "other", "list", "--json"))
    assert {"dialect": "segment", "kind": "other", "name": WELCOMED, "events": 2} in listed
    assert sum(of["events"] for of in listed) == sum(kept().values())

    answer = page.request.get("/api/v1/other-events")
    again = page.request.get("/api/v1/other-events", headers={"If-None-Match": answer.headers["etag"]})
    # Between two looks it is the same answer.
    assert again.status == 304 or again.headers["etag"] != answer.headers["etag"]
    everything = page.content() + answer.text()
    said = sql("select convert_from(payload, 'utf-8') from raw.other_events where source = 'collector/beside'")
    for secret in (ANONYMOUS, SECRET, "ada.exemplary"):
        assert secret not in everything, secret
    assert SECRET in said and ANONYMOUS in said, "it is where it may be, or this test looks for nothing"
    for column in ("payload", "id", "visitor_id", "anonymous_id", "occurred_at"):
        read = sql(f"select has_column_privilege('storepulse_console', 'raw.other_events', '{column}', 'select')")
        assert read == "f", f"the console's own role may read {column}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read_in_both_themes(visitor, sent, theme):
    page = live(visitor("/flow", theme=theme, bypass_csp=True))
    part = page.locator('[id="flow.others"]')
    part.get_by_text(SHARED).wait_for()
    part.get_by_text("Hour by hour").click()
    picture(page, f"others-{theme}")
    faultless(page)
