"""Every view in both themes: nothing that axe finds, nothing that scrolls sideways, nothing from elsewhere."""

import pytest

from conftest import VIEWS, accessible, faultless, fits, picture
from kafka import EVENTS, NAMESPACE
from pages import counted, live
from processes import until

# The width that a view is opened in, in each theme; then its window is made wider.
WIDTHS = {"light": 768, "dark": 320}
# What is behind the views, each in one theme: half of them in each.
BEHIND = {
    "period": ("/?period=yesterday", "light"),
    "topic": (f"/topics/{EVENTS}?at=newest", "dark"),
    "partitions": (f"/topics/{EVENTS}?tab=partitions", "light"),
    "query": ("/jobs/cube", "dark"),
    "subject": (f"/schemas/{NAMESPACE}.events-value", "light"),
}
# What somebody sees who is signed out, and where there is nothing.
OUTSIDE = {"sign-in": ("/sign-in", "dark"), "problem": ("/problems/sign-in", "light"), "nowhere": ("/nowhere", "dark")}


@pytest.mark.parametrize("theme", WIDTHS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_whole_and_accessible(visitor, view, theme):
    page = live(visitor(VIEWS[view], theme=theme, width=WIDTHS[theme]))
    page.locator("h1").wait_for()
    until("the strip says how the line does", lambda: page.locator("#strip").inner_text().strip())
    fits(page)
    picture(page, f"{view}-{WIDTHS[theme]}")
    page.set_viewport_size({"width": 2560, "height": 1440})
    fits(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    fits(page)
    picture(page, f"{view}-{theme}")
    faultless(live(visitor(VIEWS[view], theme=theme, bypass_csp=True)))
    assert not page.watched.errors, page.watched.errors


@pytest.mark.parametrize("name", BEHIND)
def test_what_is_behind_a_view_is_whole_and_accessible(visitor, name):
    path, theme = BEHIND[name]
    page = visitor(path, theme=theme, width=320, bypass_csp=True)
    page.locator("h1").wait_for()
    fits(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    faultless(page)
    picture(page, f"behind-{name}")


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_seen_without_a_session_is_whole_and_accessible(visitor, name):
    path, theme = OUTSIDE[name]
    page = visitor(path, role=None, theme=theme, width=320, bypass_csp=True)
    page.locator("h1").wait_for()
    fits(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    # That a page is not there the browser itself calls an error.
    accessible(page)
    assert not page.watched.foreign, page.watched.foreign
    picture(page, f"outside-{name}")


MOVING = (
    "() => [...document.querySelectorAll('*')].filter(element => { const style = getComputedStyle(element);"
    " return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0 || style.scrollBehavior === 'smooth' })"
    ".map(element => element.outerHTML.slice(0, 160))"
)


def test_nothing_moves_for_who_asked_for_less_motion(visitor):
    page = live(visitor("/", reduced_motion="reduce", bypass_csp=True))
    until("orders come in", lambda: page.locator("ol.ticker li").count() and counted(page) > 0)
    shown = page.locator("ol.ticker li").first
    first = shown.get_attribute("data-key")
    until("a row comes in", lambda: shown.get_attribute("data-key") != first)
    assert not page.evaluate(MOVING)
    assert page.evaluate("document.getAnimations().length") == 0
    faultless(page)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_whole_without_script(visitor, view):
    page = visitor(VIEWS[view], java_script_enabled=False)
    assert page.locator("h1").count() == 1
    assert page.locator("main").inner_text().strip()


def test_the_keyboard_reaches_everything(visitor):
    page = visitor("/")
    page.locator("h1").wait_for()
    page.wait_for_load_state()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
