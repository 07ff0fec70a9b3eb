"""What stops is told once, that it runs again is told once, and what cannot be seen is neither."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from conftest import faultless, fits, picture
from pages import live, press
from processes import Hook, Seen, Service, sql, storepulse, until
from test_5_actions import WHY, assert_logged, firing, send


def hop(page, name):
    return page.locator(f'.hop[data-key="{name}"]')


def state(page, rule):
    return page.locator(f'[id="alerts.rules"] tr[data-key="{rule}"] td:nth-child(6)').inner_text()


def test_the_command_tells_a_target_that_this_is_a_test_and_silences(line):
    assert "hook was told in" in storepulse("alerts", "test", "hook", "--alerts", line.hook.file)
    assert [notice["kind"] for _, notice in line.hook.notices][-1:] == ["test"]
    said = '{"kind": "task failed", "dag": "users_hourly"}'
    assert "hook was told" in storepulse("alerts", "send", "--source", "Airflow", "--alerts", line.hook.file, stdin=said)
    assert line.hook.notices[-1][1]["dag"] == "users_hourly"
    number = storepulse("alerts", "silence", "LedgerOld", "--for", "1h", "--reason", "load test").split()[1]
    assert "load test" in storepulse("alerts", "list")
    assert "has ended" in storepulse("alerts", "unsilence", number)


def told_of(line, rule, states):
    """Whether exactly these states of a rule were told."""
    told = line.hook.told(rule)
    return told == states or Seen(told)


def judged(page):
    return page.locator('[id="alerts.firing"] time').first.get_attribute("datetime")


FORM = "/alerts/silences/new?rule=RelayNotStreaming"


@pytest.mark.parametrize(("path", "theme"), [("/alerts/silences/new", "light"), (FORM, "dark"), ("/alerts/rules/Blind", "light")])
def test_a_form_that_silences_is_whole_and_accessible(visitor, path, theme):
    page = visitor(path, theme=theme, bypass_csp=True)
    page.locator("h1").wait_for()
    faultless(page)
    picture(page, f"silence-{path.count('=')}-{theme}")
    page.set_viewport_size({"width": 320, "height": 800})
    fits(page)


@pytest.fixture
def silences_end():
    """What goes on of a test that fails would keep back what the next ones wait for."""
    yield
    ongoing = "select silence_id from ops.alert_silence where until > now()"
    for number in sql(ongoing).split():
        storepulse("alerts", "unsilence", number)


def test_an_operator_silences_a_rule_sees_what_is_kept_back_and_ends_it(visitor, line, silences_end):
    line.hook.forget()
    viewer = visitor("/alerts", role="viewer")
    viewer.locator('[id="alerts.silences"]').wait_for()
    assert not viewer.get_by_role("link", name=re.compile("Silence.*…")).count()
    assert viewer.request.get(FORM).status == 403

    # All of it by the keyboard.
    page = visitor("/alerts")
    until("the relay is well", lambda: "ok" in state(page, "RelayNotStreaming"))
    press(page, page.get_by_role("link", name="Silence…", exact=True), "Enter")
    page.locator('select[name="rule"]').select_option("RelayNotStreaming")
    press(page, page.get_by_role("button", name="Show what is kept back"), "Enter")
    page.wait_for_url(re.compile("rule=RelayNotStreaming"))
    facts = page.locator("main dl.facts").inner_text()
    assert "RelayNotStreaming" in facts and "hook (webhook)" in facts and "what begins to fire meanwhile is kept back" in facts, facts
    page.get_by_label("1 hour").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.get_by_label("until the time below").is_checked()
    send(page, "^Silence$")
    page.get_by_text("Say until when").wait_for()

    page.goto(FORM)
    zone = ZoneInfo(page.locator('main input[name="zone"]').get_attribute("value"))
    ends = datetime.now(zone) + timedelta(hours=2)
    page.get_by_label("until the time below").check()
    send(page, "^Silence$", until=ends.strftime("%Y-%m-%dT%H:%M"))
    page.wait_for_url("**/alerts")
    row = page.locator('[id="alerts.silences"] tbody tr')
    row.wait_for()
    told = row.inner_text()
    assert "RelayNotStreaming" in told and WHY in told and f"{ends:%H:%M}" in told, told
    assert_logged(page, "alert-silence")
    assert WHY in storepulse("alerts", "list")
    until("a viewer sees it", lambda: WHY in viewer.locator('[id="alerts.silences"]').inner_text())

    line.kill("relay")
    silenced = firing(page, "RelayNotStreaming").locator(".tag", has_text="silenced until")
    until("it fires and is said to be silenced", silenced.count)
    until("the silence has counted it", lambda: row.locator("td").last.inner_text() == "1")
    picture(page, "alerts-silenced")
    press(page, row.get_by_role("link"), "Enter")
    page.wait_for_url(re.compile(r"/alerts/silences/\d+$"))
    facts = page.locator("main dl.facts").inner_text()
    assert "1 incident" in facts and "1, which fire now and were not told" in facts, facts
    viewer.goto(page.url)
    assert not viewer.get_by_role("button", name="End it now").count() and "1 incident" in viewer.locator("main").inner_text()
    audited = visitor(page.url, theme="dark", bypass_csp=True)
    audited.locator("main form").wait_for()
    faultless(audited)
    assert line.hook.told("RelayNotStreaming") == [], "it was counted, and nobody was told"

    one = page.url
    send(page, "^End it now$")
    page.wait_for_url("**/alerts")
    until("it is not listed any more", lambda: not row.count())
    assert_logged(page, "alert-unsilence")
    until("it is told now", lambda: told_of(line, "RelayNotStreaming", ["firing"]))
    assert page.goto(one).status == 404, "it has ended"
    line.start("relay")
    until("its end is told", lambda: told_of(line, "RelayNotStreaming", ["firing", "resolved"]))


def test_a_relay_that_is_killed_is_told_once_and_its_return_once_whatever_else_stops(visitor, line):
    line.hook.forget()
    page = live(visitor("/alerts"))
    until("the relay is well", lambda: "ok" in state(page, "RelayNotStreaming"))
    line.kill("relay")
    until("its alert is pending", lambda: "pending" in state(page, "RelayNotStreaming"))
    until("it fires", lambda: firing(page, "RelayNotStreaming").count())
    until("somebody was told", lambda: told_of(line, "RelayNotStreaming", ["firing"]))
    until("the strip says so", lambda: "RelayNotStreaming" in page.locator("#strip").inner_text())
    until("the page says who was told", lambda: "hook firing ✓" in firing(page, "RelayNotStreaming").inner_text())
    picture(page, "alerts-relay-killed")
    faultless(live(visitor("/alerts", theme="dark", bypass_csp=True)))
    # What to do is a click away.
    press(page, firing(page, "RelayNotStreaming").get_by_role("link", name="More"))
    page.wait_for_url("**/alerts/rules/RelayNotStreaming")
    assert "The relay has stopped" in page.locator("main").inner_text()

    # A console that starts again goes on where the last one was.
    line.kill("console")
    line.start("console")
    page = live(visitor("/alerts"))
    until("it still fires", lambda: firing(page, "RelayNotStreaming").count())
    before = judged(page)
    until("the page is live", lambda: judged(page) != before)

    flow = live(visitor("/flow"))
    # A notice leads to what to do.
    assert page.request.get(line.hook.last("RelayNotStreaming")["link"]).ok
    postgres = Service("postgres")
    postgres.freeze()
    try:
        blind = page.locator('[id="alerts.firing"] dd', has_text="neither fire nor end")
        until("the page is blind", lambda: blind.count())
        for name in ("senders", "relay", "spark"):
            until(f"{name} is not known", lambda name=name: "unknown" in hop(flow, name).get_attribute("class"))
        # Nothing turns: what is not known is said to be so.
        for shown in (page, flow):
            assert not shown.locator("[aria-busy=true], progress, .spinner").count()
        until("somebody was told of PostgreSQL", lambda: line.hook.told("NothingTakenIn")[-1:] == ["firing"])
        assert firing(page, "RelayNotStreaming").count() and line.hook.told("RelayNotStreaming") == ["firing"]
        picture(page, "alerts-postgres-frozen")
    finally:
        postgres.thaw()
    line.start("relay")
    until("PostgreSQL is told to be back", lambda: told_of(line, "NothingTakenIn", ["firing", "resolved"]))
    until("the relay is told to be back, once", lambda: told_of(line, "RelayNotStreaming", ["firing", "resolved"]))
    until("the page shows it", lambda: not firing(page, "RelayNotStreaming").count())


def test_nothing_tells_what_lets_somebody_into_a_target(visitor, line):
    """After all of the above, which was told to one."""
    page = visitor("/alerts")
    page.locator("h1").wait_for()
    paths = ["/alerts", "/alerts/rules/RelayNotStreaming", "/actions", "/metrics"]
    paths += ["/api/v1/alerts", "/api/v1/alerts/history", "/api/v1/audit"]
    told = {path: page.request.get(path).text() for path in paths}
    assert "hook" in told["/api/v1/alerts"] and "RelayNotStreaming" in told["/api/v1/alerts/history"]
    told["what the console printed"] = line.processes["console"].printed()
    told["what PostgreSQL keeps"] = sql("select json_agg(d) from ops.alert_delivery d")
    assert "delivered" in told["what PostgreSQL keeps"]
    for place, text in told.items():
        for secret in (Hook.SECRET, Hook.TOKEN, "127.0.0.1:%s/hook" % line.hook.server.server_port):
            assert secret not in text, (place, secret)
