"""How somebody comes to a page, and what a figure on it says."""

import re

from processes import until


def enter(context, link):
    """Follows a link as a person does: the page behind it asks once more before it lets anybody in."""
    page = context.new_page()
    page.goto(link)
    press(page, page.get_by_role("button", name=re.compile("sign in|enter|continue", re.I)))
    page.wait_for_url(re.compile(r"/$"))
    page.close()


def opened(browser, line, cookies=None):
    """A browser's context of a viewer."""
    context = browser.new_context(base_url=line.base)
    if cookies:
        context.add_cookies(cookies)
    else:
        enter(context, line.link("viewer"))
    return context


def tab(context):
    """A tab with Live on it, where orders are counted."""
    page = context.new_page()
    page.goto("/")
    until("orders are counted", lambda: counted(page) > 0, within_s=300)
    return page


def live(page):
    """Waits until the page has drawn what its stream brought, and returns it. Before, what stands there is the server's: nothing
    counts on, no key is heard, and nobody notices that the console is gone."""
    page.locator("html[data-drawn]").wait_for(state="attached")
    return page


def number(text):
    """The number in a figure, `≈ 1,240` or `EUR 84,310.55`."""
    found = re.search(r"[\d,]+(\.\d+)?", text)
    return float(found.group(0).replace(",", "")) if found else None


def figure(page, name):
    return page.locator(f'[data-figure="{name}"]')


# Every order that the ticker has had since, by its text, and the moment of its coming in ms since 1970. A row that is sought may
# have gone again when it is asked for.
NOTE_ORDERS = (
    "() => { window.orders = {}; const note = () => { for (const row of document.querySelectorAll('ol.ticker > li'))"
    " window.orders[row.textContent] ??= Date.now() }; note();"
    " new MutationObserver(note).observe(document.querySelector('main'), {childList: true, subtree: true, characterData: true}) }"
)


def note_orders(page):
    page.evaluate(NOTE_ORDERS)


def noted(page, words):
    """Orders of the ticker with these words: their text, and when they came in ms since 1970."""
    return page.evaluate("words => Object.entries(window.orders).filter(([text]) => text.includes(words))", words)


# A browser without windows hides no tab by itself.
HIDE = (
    "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    " Object.defineProperty(document, 'visibilityState', {value: hidden ? 'hidden' : 'visible', configurable: true});"
    " document.dispatchEvent(new Event('visibilitychange')) }"
)


def hide(page):
    page.evaluate(HIDE, True)


def show(page):
    page.evaluate(HIDE, False)


def value(page, name):
    """The number that a figure shows; none where it is not known, or not there. Read in one step."""
    shown = figure(page, name).locator(".value").all_inner_texts()
    return number(shown[0]) if shown else None


def counted(page, name="orders"):
    """As `value`, of what has not been counted yet 0."""
    return value(page, name) or 0


def press(page, button, key=None):
    """Clicks what leads to another page, or presses a key on it, and waits until that page is there: what is read next would
    else be the old one's."""
    with page.expect_navigation(wait_until="domcontentloaded"):
        button.press(key) if key else button.click()
