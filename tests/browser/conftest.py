"""One browser and one line for all tests, which run in the order of their files: faults come last."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

import registry
import scene
from history import History
from pages import enter
from processes import until

# How long a page may take for one step, in ms: what has to be quick is measured where it is claimed.
PATIENCE_MS = 30_000
SCREENSHOTS = Path(os.environ["STOREPULSE_SCREENSHOTS"])
# What a page may ask of a machine other than the console: nothing.
VIEWS = {
    "live": "/",
    "flow": "/flow",
    "topics": "/topics",
    "schemas": "/schemas",
    "jobs": "/jobs",
    "quarantine": "/quarantine",
    "actions": "/actions",
    "alerts": "/alerts",
}


@pytest.fixture(scope="session")
def history():
    return History()


@pytest.fixture(scope="session")
def line(history):
    """The line of all tests."""
    try:
        # The console looks at the registry every half minute: what it is to find is there from the beginning.
        registry.make()
        with scene.at_work(history) as line:
            yield line
    finally:
        registry.remove()


@pytest.fixture(scope="session")
def chromium():
    with scene.chromium() as browser:
        yield browser


class Watched:
    """A page that remembers every error, every refusal of its policy and every host it asked."""

    def __init__(self, page, base):
        self.page = page
        self.errors = []
        self.foreign = []
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(base) or self.foreign.append(request.url))


@pytest.fixture(scope="session")
def cookies():
    """Of each role a session, which all tests share: only those about signing in need one of their own."""
    return {}


@pytest.fixture(autouse=True)
def a_whole_line(line):
    """What a test stops runs again when it has ended, also where it failed: else those after it would fail as well."""
    yield
    line.make_whole()


@pytest.fixture
def new_context(chromium, line):
    """Browsers of people who are not signed in. One that stays open would be counted among the viewers of other tests."""
    contexts = []

    def open_context(**options):
        context = chromium.new_context(base_url=line.base, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context

    yield open_context
    for context in contexts:
        context.close()


@pytest.fixture
def visitor(new_context, line, cookies):
    """Opens pages as somebody who is signed in: `visitor("/flow", role="viewer", theme="dark")`. Such a page is whole, and its
    scripts have begun; for what its stream brings there is `live`."""

    def open_page(path="/", role="operator", theme="light", width=1440, height=900, bypass_csp=False, **options):
        context = new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, bypass_csp=bypass_csp, **options
        )
        if role:
            if role not in cookies:
                enter(context, line.link(role))
                cookies[role] = context.cookies()
            context.add_cookies(cookies[role])
        page = context.new_page()
        page.watched = Watched(page, line.base)
        page.goto(path, wait_until="domcontentloaded")
        return page

    return open_page


def accessible(page):
    """Axe finds nothing."""
    found = Axe().run(page).response["violations"]
    told = [f"{v['id']}: {v['help']}: " + "; ".join(node["html"][:160] for node in v["nodes"][:3]) for v in found]
    assert not told, "\n".join(told)


def fits(page):
    """Nothing makes the page wider than its window. A chart follows a window that has changed in the next frame."""
    wide = "document.documentElement.scrollWidth - window.innerWidth"
    until(f"{page.url} fits {page.viewport_size['width']} px", lambda: page.evaluate(wide) <= 0, within_s=30)


def faultless(page):
    """Axe finds nothing, the console of the browser is quiet, and no other host was asked."""
    accessible(page)
    assert not page.watched.errors, page.watched.errors
    assert not page.watched.foreign, page.watched.foreign


def picture(page, name):
    """Keeps a screenshot of the whole page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
