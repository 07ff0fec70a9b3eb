"""Who gets in, and what is refused whoever asks."""

import http.client
import json
import re
import socket

from conftest import VIEWS
from pages import enter, press
from processes import storepulse, until


def ask(line, path, method="GET", headers=None, body=None):
    """One request as a program makes it; returns status, headers and text."""
    connection = http.client.HTTPConnection(line.listen, timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def test_a_link_lets_somebody_in_once(new_context, line):
    link = line.link()
    context = new_context()
    enter(context, link)
    cookie = next(cookie for cookie in context.cookies() if "session" in cookie["name"])
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    page = context.new_page()
    page.goto("/flow")
    assert page.locator("h1").inner_text() == "Flow"
    assert "ticket" not in page.url

    other = new_context()
    second = other.new_page()
    second.goto(link)
    button = second.get_by_role("button", name=re.compile("sign in|enter|continue", re.I))
    if button.count():
        press(second, button)
    assert not [cookie for cookie in other.cookies() if "session" in cookie["name"]]
    assert second.goto("/").url.startswith(f"{line.base}/sign-in")


def test_a_password_lets_in_and_a_wrong_one_makes_wait(new_context, line):
    storepulse("console", "user", "add", "ana", "--role", "viewer", stdin="correct horse battery\n")
    page = new_context().new_page()

    def sign_in(password):
        page.goto("/sign-in")
        page.get_by_label(re.compile("name", re.I)).fill("ana")
        page.get_by_label(re.compile("password", re.I)).fill(password)
        press(page, page.get_by_role("button", name=re.compile("sign in", re.I)))

    sign_in("wrong battery staple")
    page.get_by_text(re.compile("do not match|not known|wrong|does not", re.I)).first.wait_for()
    sign_in("correct horse battery")
    page.wait_for_url(f"{line.base}/")
    assert page.get_by_text("ana").count()

    storepulse("console", "user", "disable", "ana")
    until("a disabled user is signed out", lambda: "/sign-in" in page.goto("/flow").url)
    # As fast as a program can: what may be tried comes back one by one, and a browser might be slower than that.
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    for _ in range(6):
        ask(line, "/sign-in", "POST", form, "name=ana&password=wrong+battery+staple")
    sign_in("wrong battery staple")
    page.get_by_text(re.compile("minute|wait|later", re.I)).first.wait_for()


def test_nobody_sees_a_page_or_a_figure_without_a_session(line):
    for path in VIEWS.values():
        status, headers, _ = ask(line, path, headers={"Accept": "text/html"})
        assert status == 303 and headers["location"].startswith("/sign-in"), (path, status)
    paths = json.loads(ask(line, "/api/v1/openapi.json")[2])["paths"]
    assert len(paths) > 15
    for path in paths:
        url = "/api/v1" + re.sub(r"\{[^}]+\}", "x", path.removeprefix("/api/v1"))
        status, headers, text = ask(line, url)
        if url.endswith("openapi.json"):
            continue
        assert status in (401, 405), (url, status, text)
        if status == 401:
            assert headers["content-type"] == "application/problem+json"
            assert json.loads(text)["type"] == "/problems/sign-in"
    assert ask(line, "/events?pages=live")[0] == 401


def test_what_comes_from_elsewhere_is_refused(line):
    assert ask(line, "/sign-in", headers={"Host": "rebound.example"})[0] == 421
    forged = {"Origin": "https://rebound.example", "Sec-Fetch-Site": "cross-site"}
    form = {"Content-Type": "application/x-www-form-urlencoded", **forged}
    assert ask(line, "/sign-in", "POST", form, "name=ana&password=x")[0] == 403
    assert ask(line, "/sign-out", "POST", form, "")[0] == 403
    large = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    assert ask(line, "/sign-in", "POST", large, "name=" + "a" * 300_000)[0] == 413


def test_every_answer_carries_the_policy(visitor, line):
    page = visitor("/")
    headers = page.request.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "require-trusted-types-for 'script'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_a_key_reads_the_api_and_nothing_else(line):
    with line.key("notebook") as key:
        bearer = {"Authorization": f"Bearer {key}"}
        until("a key reads the figures", lambda: ask(line, "/api/v1/shop/now", headers=bearer)[0] == 200)
        assert ask(line, "/", headers={**bearer, "Accept": "text/html"})[0] in (303, 401)
    until("a revoked key is refused", lambda: ask(line, "/api/v1/shop/now", headers=bearer)[0] == 401)


def test_a_client_that_sends_nothing_holds_nothing_up(line):
    host, port = line.listen.rsplit(":", 1)
    idle = [socket.create_connection((host, int(port))) for _ in range(60)]
    try:
        assert ask(line, "/healthz")[0] == 200
    finally:
        for connection in idle:
            connection.close()
