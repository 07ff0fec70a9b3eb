"""Every view in both themes: nothing that axe finds, nothing that scrolls sideways, nothing from elsewhere."""

import pytest

from conftest import VIEWS, faultless, picture
from processes import until


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_whole_and_accessible(visitor, view, theme):
    page = visitor(VIEWS[view], theme=theme)
    page.locator("h1").wait_for()
    until("the strip says how the line does", lambda: page.locator("#strip").inner_text().strip())
    picture(page, f"{view}-{theme}")
    audited = visitor(VIEWS[view], theme=theme, bypass_csp=True)
    audited.locator("h1").wait_for()
    faultless(audited)
    assert not page.watched.errors, page.watched.errors


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("width", [320, 768])
def test_nothing_scrolls_sideways(visitor, view, width):
    page = visitor(VIEWS[view], width=width)
    page.locator("h1").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"{view}-{width}")


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
