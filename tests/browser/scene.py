"""What tests of the pages and measurements of them begin with: a line at work, and a browser."""

import os
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from history import relayed
from processes import Line


@contextmanager
def at_work(history, rate=200):
    """Relay, job, simulator and console at work, with yesterday and the young today behind them."""
    line = Line(rate)
    try:
        line.start("console")
        history.seed()
        line.start("relay")
        relayed()
        line.start("job")
        line.start("simulator")
        yield line
    finally:
        line.stop_all()


@contextmanager
def chromium():
    """The browser, which asks nobody for anything by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"],
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()
