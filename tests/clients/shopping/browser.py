"""Tells the day of standard input by Segment's unmodified SDK for browsers, in Chromium: browser.py URL. The
browser's key is in KEY, PORT is where its page is served, PACKAGES is where npm installed the SDK, and
CLOCK_OFFSET_MS is how wrong the page's clock is.

Prints when it began, by the page's clock, in microseconds since 1970."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

SDK = Path(os.environ["PACKAGES"]) / "node_modules/@segment/analytics-next/dist/umd"
CLOCK = (Path(__file__).resolve().parents[1] / "clock/clock.cjs").read_text()
PAGE = '<!doctype html><title>Shop</title><script src="/analytics/index.js"></script>'
# How long the collector may be away altogether.
WITHIN_MS = 60_000

LOAD = """async ([writeKey, apiHost]) => {
    [globalThis.analytics] = await AnalyticsNext.AnalyticsBrowser.load(
        { writeKey, cdnSettings: { integrations: { "Segment.io": { apiKey: writeKey } } } },
        { integrations: { "Segment.io": { apiHost: `${apiHost}/v1`, protocol: "http" } } },
    );
    globalThis.began = Date.now();
    return began * 1000;
}"""
# The ids of the messages of a part.
TELL = """async ({ shopper, steps }) => {
    await analytics.reset();
    analytics.user().id(shopper);
    const tell = ({ call, ago_s, event, name, properties, traits }) => {
        const options = { timestamp: new Date(began - ago_s * 1000) };
        if (call === "identify") return analytics.identify(shopper, traits, options);
        if (call === "page") return analytics.page(name, {}, options);
        return analytics.track(event, properties, options);
    };
    return (await Promise.all(steps.map(tell))).map((context) => context.event.messageId);
}"""


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        name = urlsplit(self.path).path.removeprefix("/analytics/")
        is_sdk = (SDK / Path(name).name).is_file()
        body = (SDK / Path(name).name).read_bytes() if is_sdk else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_sdk else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


delivered = set()


def note(response):
    if response.request.method == "POST" and response.ok:
        delivered.add(json.loads(response.request.post_data)["messageId"])


parts = json.load(sys.stdin)
shop = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop)
threading.Thread(target=shop.serve_forever, daemon=True).start()
with sync_playwright() as playwright:
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=options)
    # Without a window it says that it is a program, whose events are ignored.
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{browser.version} Safari/537.36"
    page = browser.new_page(user_agent=agent)
    page.add_init_script(f"globalThis.CLOCK_OFFSET_MS = {int(os.environ['CLOCK_OFFSET_MS'])};\n{CLOCK}")
    page.on("response", note)
    page.goto(f"http://localhost:{shop.server_port}/")
    began = page.evaluate(LOAD, [os.environ["KEY"], urlsplit(sys.argv[1]).netloc])
    for part in parts:
        told = set(page.evaluate(TELL, part))
        # What was not taken the SDK sends again, after it has said that it is told.
        if not told <= delivered:
            page.wait_for_event("response", lambda _: told <= delivered, timeout=WITHIN_MS)
    browser.close()
shop.shutdown()
print(began)
