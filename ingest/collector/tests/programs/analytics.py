"""Segment's SDK for browsers, as npm has it, on a page of http://localhost:PORT in Chromium: a short day in a shop."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

COLLECTOR, KEY = os.environ["COLLECTOR"], os.environ["KEY"]
SDK = Path(os.environ["CLIENTS"]) / "node_modules/@segment/analytics-next/dist/umd"

# As the document has it; the settings, which Segment's own servers would tell, stand beside the key.
PAGE = """<!doctype html><title>Shop</title><script src="/index.js"></script>"""
DAY = """async ([writeKey, apiHost]) => {
    const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
        { writeKey, cdnSettings: { integrations: { "Segment.io": { apiKey: writeKey } } } },
        { integrations: { "Segment.io": { apiHost, protocol: "http" } } },
    );
    const lamp = { product_id: "lamp", name: "Lamp", category: "Home", price: 19.90, quantity: 2, currency: "CHF" };
    const sent = [];
    sent.push(await analytics.track("Product Viewed", lamp));
    sent.push(await analytics.identify("ann@example.com", { gender: "female" }));
    sent.push(await analytics.track("Order Completed", { order_id: "S-1", currency: "CHF", products: [lamp] }));
    return sent.map(({ attempts, event }) => [event.type, attempts]);
}"""


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/")
        is_script = name.endswith(".js") and (SDK / name).is_file()
        body = (SDK / name).read_bytes() if is_script else PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html; charset=utf-8")
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
    agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{browser.version} Safari/537.36"
    page = browser.new_page(user_agent=agent)
    answers = []
    page.on("response", lambda answer: answer.request.method == "POST" and answers.append(answer.status))
    page.goto(f"http://localhost:{shop.server_port}/?utm_source=news&utm_medium=email")
    sent = page.evaluate(DAY, [KEY, COLLECTOR.removeprefix("http://") + "/v1"])
    browser.close()
shop.shutdown()
print(json.dumps({"sent": sent, "answers": answers}))
