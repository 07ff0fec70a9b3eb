"""A page of http://localhost:PORT in Chromium that sends to a collector of another origin: `page.py`, with
what it needs in the environment. It prints as JSON what the page heard."""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

COLLECTOR, KEY, SERVER_KEY = (os.environ[name] for name in ("COLLECTOR", "KEY", "SERVER_KEY"))
DOCUMENT = Path(os.environ["DOCUMENT"])
# As the document has it, but for the address and the key.
(EXAMPLE,) = (code for code in re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL) if "sendBeacon" in code)
EXAMPLE = EXAMPLE.replace("http://127.0.0.1:56080", COLLECTOR).replace("storepulse_…", KEY)
PAGE = f"<!doctype html><title>Shop</title><script>{EXAMPLE}</script>"

# Posts as a page does that sets headers, after a preflight; null where the browser lets the page read
# nothing.
FETCH = """async ([url, key]) => {
    const event = { source_id: crypto.randomUUID(), event_name: "begin_checkout", occurred_at: new Date(), anonymous_id: "fetch" };
    try {
        const answer = await fetch(url, {
            method: "POST", keepalive: true, body: JSON.stringify({ events: [event] }),
            headers: { "Content-Type": "application/json", "Authorization": `Bearer ${key}` },
        });
        return [answer.status, await answer.json()];
    } catch (error) {
        return null;
    }
}"""


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


shop = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop)
threading.Thread(target=shop.serve_forever, daemon=True).start()
with sync_playwright() as playwright:
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=options)
    # Without a window it says that it is a program, whose events are ignored.
    page = browser.new_page(user_agent=f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{browser.version} Safari/537.36")
    # The example of the document sends its event as the page loads.
    page.goto(f"http://localhost:{shop.server_port}/")
    line = {"item_id": "lamp", "item_name": "Lamp", "category": "Home", "price": "19.90", "currency": "CHF", "quantity": 1}
    order = {"event_name": "purchase", "order_id": "B-1", "order_line": 1, "order_lines": 1}
    heard = {
        "beacon": page.evaluate("event => track(event)", line | order),
        "fetch": page.evaluate(FETCH, [f"{COLLECTOR}/v1/events", KEY]),
        "server_key": page.evaluate(FETCH, [f"{COLLECTOR}/v1/events", SERVER_KEY]),
        "unknown_key": page.evaluate(FETCH, [f"{COLLECTOR}/v1/events", "storepulse_x"]),
        "ga4": page.evaluate(
            "async url => (await fetch(url, { method: 'POST', body: JSON.stringify("
            "{ client_id: 'page', events: [{ name: 'session_start' }] }) })).status",
            f"{COLLECTOR}/mp/collect?measurement_id=G-1&api_secret={KEY}",
        ),
    }
    # The same page under an origin that no key has.
    page.goto(f"http://127.0.0.1:{shop.server_port}/robots")
    heard["stranger"] = page.evaluate(FETCH, [f"{COLLECTOR}/v1/events", KEY])
    browser.close()
shop.shutdown()
print(json.dumps(heard))
