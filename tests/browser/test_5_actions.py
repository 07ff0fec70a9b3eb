"""What operators do from the pages: told in numbers first, done by the line, written down, and refused to viewers."""

import json
import os
import re
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import expect

import registry
from cassandra import Cassandra
from conftest import VIEWS, faultless, fits, picture
from kafka import NAMESPACE
from pages import live, press
from processes import Hook, Seen, sql, storepulse, until
from streams import Stream
from test_1_access import ask
from test_4_api import endless

WHY = "a test of the browser"
FORMS = ("job-hold", "job-resume", "job-restart", "verify", "trace", "dry-run")


def send(page, button, **fields):
    """Fills a form that acts and sends it with the keyboard."""
    for label, value in fields.items():
        page.locator(f"main form #{label}").fill(value)
    page.locator("main form #why").fill(WHY)
    page.get_by_role("button", name=re.compile(button)).focus()
    page.keyboard.press("Enter")


def logged(page, action):
    """The newest action of a kind, as the log has it: its rows, the oldest first."""
    rows = page.request.get(f"/api/v1/audit?action={action}&limit=2").json()["data"]
    return rows[::-1]


def assert_logged(page, action, outcome="done"):
    def whole():
        rows = logged(page, action)
        return rows if [row["phase"] for row in rows] == ["intended", outcome] else Seen(rows)

    [intended, ended] = until(f"{action} is in the log", whole)
    assert intended["operation"] == ended["operation"] and intended["reason"] == ended["reason"] == WHY
    assert intended["role"] == "operator" and intended["name"]


def ended(page, what, within_s=300):
    """Waits, without a reload, until an operation has ended; returns what came of it."""
    panel = page.locator('[id="actions.newest"]')
    until(f"{what} has ended", lambda: panel.get_attribute("data-ended") is not None, within_s)
    return panel.inner_text()


def test_a_viewer_is_offered_nothing_and_refused_all_the_same(visitor, line):
    page = visitor("/jobs", role="viewer")
    page.locator("h1").wait_for()
    assert not page.get_by_role("link", name=re.compile("Stop|Restart|Start")).count()
    page.goto("/actions")
    assert not page.locator("#log").count() and not page.get_by_role("link", name=re.compile("Verify")).count()
    for form in FORMS:
        assert page.request.get(f"/actions/new/{form}").status == 403, form
    assert page.request.get("/api/v1/audit").status == 403
    cookie = line.session("viewer")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", "Cookie": cookie}
    assert ask(line, "/api/v1/jobs/wish", "POST", form, f"wish=hold&job=cube&why={WHY.replace(' ', '+')}")[0] == 403
    assert sql("select count(*) from ops.job_wish") == "0"


# Each in one theme, half of them in each: they are drawn by one function.
@pytest.mark.parametrize(("form", "theme"), zip(FORMS, ["light", "dark"] * 3))
def test_a_form_is_whole_and_accessible(visitor, form, theme):
    page = visitor(f"/actions/new/{form}", theme=theme, bypass_csp=True)
    page.locator("main form #why").wait_for()
    faultless(page)
    picture(page, f"form-{form}-{theme}")
    page.set_viewport_size({"width": 320, "height": 800})
    fits(page)
    picture(page, f"form-{form}-320")


def test_the_job_stops_by_its_name_is_held_and_starts(visitor, line):
    try:
        stop_and_start(visitor, line)
    finally:
        # Held, it would stay so for every test after this one.
        if sql("select count(*) from ops.job_wish where wanted = 'stopped'") != "0":
            storepulse("job", "resume")


def stop_and_start(visitor, line):
    page = visitor("/jobs")
    header = page.locator('[id="jobs.header"]')
    until("the job runs", lambda: "Job running" in header.inner_text(), within_s=300)
    press(page, page.get_by_role("link", name="Stop…"))
    tables = page.locator("main dl.facts").inner_text()
    assert "12: activity_by_minute" in tables, tables
    send(page, "Stop the job", job="cub")
    assert "/actions/new/job-hold" in page.url, "the name has to be typed"
    send(page, "Stop the job", job="cube")
    page.wait_for_url(re.compile("/jobs$"))
    until("the job is held", lambda: "Job held" in header.inner_text())
    until("it says why", lambda: WHY in header.inner_text())
    assert_logged(page, "job-hold")
    before, after = logged(page, "job-hold")
    assert (before["detail"]["state"], after["detail"]["wanted"]) == ("running", "stopped"), (before, after)
    assert line.processes["job"].child.poll() is None, "its supervisor stays"
    picture(page, "jobs-held")
    flow = visitor("/flow")
    until("Flow says so", lambda: "stopped" in flow.locator('.hop[data-key="spark"]').get_attribute("class"))

    page.reload()
    press(page, page.get_by_role("link", name="Start…"))
    send(page, "Start the job")
    page.wait_for_url(re.compile("/jobs$"))
    until("the job runs again", lambda: "Job running" in header.inner_text(), within_s=300)
    assert_logged(page, "job-resume")


def test_an_event_is_traced_and_its_progress_survives_a_reload(visitor):
    page = visitor("/flow")
    press(page, page.get_by_role("link", name="Trace one event…"))
    send(page, "Trace one event")
    page.wait_for_url(re.compile("/actions/[0-9a-f-]{36}$"))
    page.reload()
    told = ended(page, "the trace")
    assert "arrived" in told and "cassandra row" in told, told
    assert_logged(page, "trace")
    viewer = visitor(page.url, role="viewer")
    assert "arrived" in viewer.locator("main").inner_text()


def test_a_schema_comes_in_after_a_green_check_and_the_contracts_subjects_take_none(visitor, line):
    page = visitor("/schemas")

    def check(subject, *fields):
        page.goto("/schemas#check")
        page.locator("#subject").select_option(subject)
        page.locator("#schema").fill(registry.schema(registry.FIELD, *fields))
        press(page, page.get_by_role("button", name="Check", exact=True))
        page.locator("h1", has_text="Check against").wait_for()
        return page.locator("main").inner_text()

    refused = check(registry.SUBJECT, registry.WITHOUT_DEFAULT)
    assert "It may not come in" in refused and "brand" in refused
    assert not page.get_by_role("button", name=re.compile("Register")).count()
    passed = check(registry.SUBJECT, registry.WITH_DEFAULT)
    assert "It may come in" in passed
    send(page, "Register v2")
    page.wait_for_url(re.compile("/schemas/.*stranger-value$"))
    assert registry.versions() == [1, 2]
    assert_logged(page, "schema-register")

    owned = f"{NAMESPACE}.events-value"
    check(owned, registry.WITH_DEFAULT)
    assert not page.get_by_role("button", name=re.compile("Register")).count()
    path = f"/api/v1/subjects/{owned}/versions"
    token = page.request.get(f"/api/v1/form?path={path}").json()["data"]["form_token"]
    same = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    form = {"form_token": token, "why": WHY, "schema": '"int"'}
    assert page.request.post(path, form=form, headers=same).status == 403
    assert page.request.post(path, form=form, headers=same).status == 403, "a form is good once"


def test_records_without_a_rate_come_in_once(visitor):
    storepulse("simulate", "--rate", "100", "--duration", "2s", "--seed", "78", "--malformed-pct", "20")
    missing = "from raw.quarantine where reason = 'missing_rate' and (outcome is null or outcome = 'refused')"
    count = int(sql(f"select count(*) {missing}"))
    events = "select count(*) from raw.events where ingested_at >= "
    assert 0 < count <= 1_000
    page = visitor("/quarantine?reason=missing_rate")
    press(page, page.get_by_role("link", name=re.compile("dry run")))
    send(page, "Dry run")
    foretold = ended(page, "the dry run")
    assert f"{count} judged = would be {count} accepted + 0 repeated + 0 refused" in foretold, foretold
    # The form stands there by itself when it has ended.
    page.get_by_role("button", name=re.compile("Replay")).wait_for()
    picture(page, "replay-form")
    began = sql("select clock_timestamp()")
    ids = "select count(distinct record_id) from raw.quarantine where reason = 'missing_rate' and outcome = 'accepted'"
    before = int(sql(ids))
    send(page, "Replay")
    until("it is another operation", lambda: "Replay from quarantine" in page.locator("h1").inner_text())
    replayed = ended(page, "the replay")
    assert f"{count} judged = {count} accepted + 0 repeated + 0 refused" in replayed, replayed
    assert int(sql(ids)) == before + count
    accepted = f"event_id in (select record_id {missing.split(' and ')[0]} and outcome = 'accepted')"
    known = f"select count(*) from raw.events where {accepted}"
    assert int(sql(f"{events} '{began}'")) >= count and int(sql(known)) == before + count, "each counts once"
    # In the figures too, each of them once.
    minute, day = sql(
        "select to_char(occurred_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:00'),"
        " (occurred_at at time zone 'utc')::date"
        f" from raw.events where {accepted} group by 1, 2 order by count(*) desc limit 1"
    ).split("|")
    counted = f"select json events from {NAMESPACE}.activity_by_minute where day = '{day}' and minute = '{minute}Z'"
    known = (
        f"select count(*) from raw.events where occurred_at >= '{minute}Z'"
        f" and occurred_at < '{minute}Z'::timestamptz + interval '1 minute'"
    )

    def both():
        rows, stored = [json.loads(row)["events"] for row in cassandra.ask(counted)], int(sql(known))
        return rows == [stored] or Seen(rows, stored)

    cassandra = Cassandra()
    try:
        # Their minute may not be over yet, and as long as events come in the figure is behind them.
        until("the figure of their minute has each of them once", both, within_s=240, every_s=0.5)
    finally:
        cassandra.close()
    assert_logged(page, "quarantine-replay")
    assert logged(page, "quarantine-replay")[0]["detail"]["records"] == count


def test_bytes_are_shown_to_an_operator_who_says_why(visitor):
    source, coordinates, user = sql(
        "select source, coordinates, convert_from(payload, 'utf-8')::json ->> 'user_id' from raw.quarantine"
        " where source = 'simulator' and outcome is null"
        " and convert_from(payload, 'utf-8')::json ->> 'user_id' is not null limit 1"
    ).split("|")
    page = visitor(f"/quarantine/record?source={source}&coordinates={coordinates}")
    assert user not in page.content()
    send(page, "Show them")
    page.get_by_role("region", name="Its bytes").wait_for()
    assert user in page.locator("main").inner_text()
    assert_logged(page, "quarantine-show")
    # Sent again, the form is refused.
    page.reload()
    assert user not in page.content()
    viewer = visitor(f"/quarantine/record?source={source}&coordinates={coordinates}", role="viewer")
    assert not viewer.get_by_role("button", name="Show them").count()


def verify(page, only):
    page.goto("/actions/new/verify")
    page.locator("#only").select_option(only)
    send(page, "^Verify$")
    page.wait_for_url(re.compile("/actions/[0-9a-f-]{36}$"))
    return ended(page, "the verification", within_s=300)


def span(at, length):
    """What a command is told of a stretch of time."""
    return ("--from", at.strftime("%Y-%m-%dT%H:%M:%SZ"), "--to", (at + length).strftime("%Y-%m-%dT%H:%M:%SZ"))


def firing(page, rule):
    """What fires of a rule, as the page Alerts shows it."""
    return page.locator(f'[id="alerts.firing"] section[data-key^="{rule} "]')


def proof(page, table):
    return page.request.get(f"/api/v1/proof?table={table}").json()["proof"]["state"]


@pytest.mark.skipif(not os.environ.get("STOREPULSE_LONG_TESTS"), reason="takes a minute or more: STOREPULSE_LONG_TESTS=1")
def test_a_cell_that_was_doctored_is_named_told_once_and_put_right(visitor, line):
    cassandra = Cassandra()
    try:
        doctor_a_cell(visitor, line, cassandra)
    except BaseException:
        yesterday = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        storepulse("reconcile", *span(yesterday, timedelta(days=1)), within_s=600)
        raise
    finally:
        cassandra.close()


def doctor_a_cell(visitor, line, cassandra):
    # A minute of yesterday: it is closed, and nothing comes into it any more.
    day = (datetime.now(timezone.utc) - timedelta(days=1)).date()
    table = f"{NAMESPACE}.activity_by_country"
    of_day = f"select json minute, events, writetime(events) as at from {table} where country = 'CH' and day = '{day}' limit 1"
    row = json.loads(until("a minute of yesterday is counted", lambda: cassandra.ask(of_day), within_s=180)[0])
    minute = datetime.fromisoformat(row["minute"].replace("Z", "+00:00")).astimezone(timezone.utc)
    live, alerts, page = visitor("/"), visitor("/alerts"), visitor("/actions")
    orders, wrong = live.locator('[data-figure="orders"]'), live.locator('main .proof.differs')
    by_country = live.locator('[id="live.where"] .proof.differs')
    assert "verified" in verify(page, "cube") and line.hook.told("VerificationFailed") == []

    def proved():
        return not wrong.count() and proof(page, "activity_by_country") != "differs"

    until("the figures of the table are proved", proved)

    cassandra.ask(
        f"update {table} using timestamp {row['at'] + 1} set events = {row['events'] + 7}"
        f" where country = 'CH' and day = '{day}' and minute = '{row['minute']}'"
    )
    told = verify(page, "cube")
    assert "differ" in told and "activity_by_country" in told and "CH" in told and f"{minute:%Y-%m-%dT%H:%M}" in told, told
    picture(page, "verify-differs")
    page.goto("/actions")
    verdict, strip = page.locator('[id="actions.verified"]'), page.locator("#strip")
    until("the last verdict is told", lambda: "✗ 1 row differs" in verdict.inner_text(), within_s=180)
    until("the strip says so on every page", lambda: "1 row is not as it was recomputed" in strip.inner_text())
    until("the table is told to differ", lambda: proof(page, "activity_by_country") == "differs")
    both = (proof(page, "activity_by_country"), proof(page, "activity_by_minute"))
    assert both != ("differs", "differs"), "the other tables are right"
    until("the figures by country say so", lambda: by_country.count() == 1 and "✗" in by_country.inner_text())
    assert wrong.count() == 1 and not orders.locator(".proof.differs").count(), "those of other tables do not"
    until("somebody is told", lambda: line.hook.told("VerificationFailed") == ["firing"])
    notice = line.hook.last("VerificationFailed")
    assert "activity_by_country" in notice["detail"] and "CH" in notice["detail"] and notice["value"] == 1, notice
    until("the page says so", lambda: "activity_by_country" in firing(alerts, "VerificationFailed").inner_text())
    picture(page, "actions-differs")
    picture(live, "live-differs")

    # That other tables are right ends nothing.
    told = verify(page, "hours")
    assert "verified" in told and "differ" not in told, told
    hours = 'select verification_id from ops.verification order by finished_at desc limit 1'
    expect(page.locator("#strip")).to_contain_text("every row of hours", timeout=60_000)
    assert sql(hours) and firing(alerts, "VerificationFailed").count() and line.hook.told("VerificationFailed") == ["firing"]

    storepulse("reconcile", *span(minute.replace(minute=0, second=0), timedelta(hours=1)))
    told = verify(page, "cube")
    assert "verified" in told and "differ" not in told, told
    until("the table's figures are proved again", proved)
    until("its end is told", lambda: line.hook.told("VerificationFailed") == ["firing", "resolved"])
    until("nothing of it fires", lambda: not firing(alerts, "VerificationFailed").count())
    assert_logged(page, "verify")


@pytest.mark.skipif(not os.environ.get("STOREPULSE_LONG_TESTS"), reason="takes a minute or more: STOREPULSE_LONG_TESTS=1")
def test_a_ledger_that_was_doctored_names_stage_and_minute_and_is_told_once(visitor, line):
    counted = "from ops.ledger where stage = 'ingest' and minute < now() - interval '20 minutes'"
    minute = sql(f"select to_char(minute at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI') {counted} order by minute desc limit 1")
    of_minute = span(datetime.fromisoformat(minute), timedelta(minutes=1))
    row = f"select ctid from ops.ledger where stage = 'ingest' and minute = '{minute}Z' limit 1"
    changed = f"update ops.ledger set records_in = records_in {{}} 1 where ctid = ({row})"
    page, alerts = visitor("/flow"), visitor("/alerts")
    ledger = page.locator('[id="flow.ledger"]')
    sql(changed.format("+"))
    try:
        with pytest.raises(AssertionError):
            storepulse("ledger", *of_minute)
        until("the imbalance is told", lambda: "does not balance: 1 difference" in ledger.inner_text())
        difference = ledger.locator(".history li")
        assert difference.count() == 1, ledger.inner_text()
        assert "ingest" in difference.inner_text() and minute in difference.inner_text(), ledger.inner_text()
        until("somebody is told", lambda: line.hook.told("LedgerUnbalanced") == ["firing"])
        assert minute in line.hook.last("LedgerUnbalanced")["detail"], line.hook.last("LedgerUnbalanced")
        until("the page Alerts says so", lambda: firing(alerts, "LedgerUnbalanced").count())
        picture(page, "flow-ledger-doctored")
    finally:
        sql(changed.format("-"))
    storepulse("ledger", *of_minute)
    until("it balances again, without a reload", lambda: "It balances" in ledger.inner_text())
    until("its end is told", lambda: line.hook.told("LedgerUnbalanced") == ["firing", "resolved"])
    until("nothing of it fires", lambda: not firing(alerts, "LedgerUnbalanced").count())


def test_an_action_of_a_console_that_was_killed_is_noted_as_not_known(visitor, line):
    page = visitor("/actions")

    for _ in range(3):
        page.goto("/actions/new/verify")
        send(page, "^Verify$")
        page.wait_for_url(re.compile("/actions/[0-9a-f-]{36}$"), wait_until="commit")
        one = page.url
        line.kill("console")
        line.start("console")
        # The verification may have been quicker.
        if logged(page, "verify")[-1]["phase"] != "done":
            break

    def noted():
        phases = [row["phase"] for row in logged(page, "verify")]
        return phases == ["intended", "unknown"] or Seen(phases)

    until("the next console notes it", noted)
    page.goto(one)
    assert "outcome not known" in page.locator("main").inner_text()


def streamed(line, cookie, path, enough):
    """What an event stream tells until it is enough."""
    stream = Stream(line, cookie, path)
    try:
        until(f"{path} tells enough", lambda: stream.take(65_536) or enough(stream), every_s=0)
        return stream.body().decode(errors="replace")
    finally:
        stream.close()


def test_no_byte_tells_a_secret_or_a_person(visitor, line):
    """Whatever an operator is sent without having asked for it with a reason."""
    kept = (
        re.search(r"://[^:]*:([^@]*)@", os.environ["PG_URL"]),
        re.search(r"secret=([^;]+)", os.environ.get("SPARK_REMOTE", "")),
    )
    secrets = [secret.group(1) for secret in kept if secret] + [Hook.SECRET, Hook.TOKEN]
    people = set(sql("select distinct user_id from raw.events order by 1 limit 2000").splitlines())
    page = visitor("/actions")
    paths = json.loads(page.request.get("/api/v1/openapi.json").text())["paths"]
    read = [path for path, methods in paths.items() if "get" in methods and "{" not in path and "stream" not in path]
    asked = list(VIEWS.values()) + read + [f"/actions/new/{form}" for form in FORMS]
    asked += ["/api/v1/audit?limit=200", f"/topics/{NAMESPACE}.events.g1?at=newest"]
    told = {path: page.request.get(path, timeout=20_000).text() for path in asked}
    # Live parts of every page, orders and records as they come in, and what the console wrote meanwhile.
    cookie, pages = line.session("operator"), ",".join([*VIEWS, "recent", "day", "job.cube"])
    of_all = lambda stream: {panel.split(".")[0] for _, panels in stream.events() for panel in panels} >= set(VIEWS)
    told["parts"] = streamed(line, cookie, f"/events?pages={pages}&tz=UTC", of_all)
    for path in endless(line):
        path = "/api/v1" + path.removeprefix("/api/v1").replace("{topic}", f"{NAMESPACE}.events.g1")
        told[path] = streamed(line, cookie, path, lambda stream: stream.body().count(b"\n\n") >= 3)
    told["the console's log"] = line.processes["console"].printed()
    assert told["the console's log"]
    for path, text in told.items():
        assert not [secret for secret in secrets if secret in text], path
        ids = set(re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text))
        assert not ids & people, (path, ids & people)
        assert not re.search(r"[\w.]+@[\w-]+\.(com|org|net|example)", text), path
