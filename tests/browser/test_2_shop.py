"""The demo shop in Chromium: what a shopper clicks is in the Control Center and in the tables, and who they are is nowhere else.

Its pages use Segment's unmodified SDK for browsers, with another address and key."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from cassandra import Cassandra
from collector import Collector, free_port
from conftest import PATIENCE_MS, picture
from kafka import everything
from pages import live, note_orders, noted
from processes import Seen, sql, until

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "ann.exemplary@shop.example"
NAME = "Annabel Exemplary"

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="SKIPPED: the demo shop: npm is not installed")


class Shop:
    """The shop and its collector, with a key that only the shop's pages may use."""

    def __init__(self, folder):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.collector = Collector(folder, "shop", "--origin", self.base)
        packages = subprocess.run([ROOT / "services/npm", "shop", ROOT / "shop"], capture_output=True, text=True, check=True)
        serve = [ROOT / "shop/serve", "--port", str(port), "--collector", self.collector.base]
        serve += ["--packages", packages.stdout.strip(), "--console", "http://127.0.0.1:56090"]
        self.server = subprocess.Popen(serve, env=os.environ | {"KEY": self.collector.key}, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline().strip() == self.base

    def stop(self):
        self.server.terminate()
        self.server.wait(60)
        self.collector.stop()


@pytest.fixture(scope="module")
def shop(line, tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        yield shop
    finally:
        shop.stop()


class Shopper:
    """Somebody with a browser in the shop, who notes what the page sends."""

    def __init__(self, chromium, shop):
        # Without a window it says that it is a program, whose events are ignored.
        agent = f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/{chromium.version} Safari/537.36"
        context = chromium.new_context(user_agent=agent, base_url=shop.base, viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        self.page = context.new_page()
        self.foreign = []
        self.errors = []
        self.page.on("request", lambda request: request.url.startswith(shop.base) or self.foreign.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto("/?utm_source=news&utm_medium=email")

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name):
        self.page.get_by_role("link", name=name, exact=True).click()

    def take(self, category, name, quantity):
        self.follow(category)
        self.page.get_by_role("link", name=re.compile(f"^{name}")).click()
        self.page.get_by_label("Quantity").fill(str(quantity))
        self.press("Add to the basket")
        self.page.get_by_role("heading", name="Basket").wait_for()

    def delivered(self):
        """Waits until the collector has all that was sent, as the page says."""
        rows = self.page.locator("#sent li")
        arrived = self.page.locator('#sent li[data-state="delivered"]')
        until("everything is delivered", lambda: 0 < rows.count() == arrived.count())


@pytest.fixture(scope="module")
def shopper(chromium, shop):
    shopper = Shopper(chromium, shop)
    yield shopper
    shopper.page.context.close()


def booked(order):
    """The rows of an order, as `event product quantity price channel gender`."""
    rows = sql(
        "select concat_ws(' ', event_name, item_id, quantity, price::numeric(14, 2), channel, device, gender)"
        f" from raw.events where order_id = '{order}' order by 1"
    )
    return rows.splitlines()


def test_without_consent_nothing_is_sent(shopper):
    shopper.press("Do not allow")
    shopper.follow("Garden")
    shopper.page.get_by_role("heading", name="Garden").wait_for()
    assert not shopper.foreign, shopper.foreign
    assert not Axe().run(shopper.page).response["violations"]


def test_an_order_is_in_the_control_center_and_to_the_cent_in_the_tables(shopper, visitor):
    watching = live(visitor("/"))
    note_orders(watching)
    shopper.press("Statistics: not allowed")
    shopper.press("Allow")
    shopper.follow("Sign in")
    shopper.page.get_by_label("Name").fill(NAME)
    shopper.page.get_by_label("E-mail address").fill(ADDRESS)
    shopper.page.get_by_label("Gender").select_option("female")
    shopper.press("Sign in")
    shopper.take("Lighting", "Arc lamp", 2)
    shopper.take("Kitchen", "Wide bowl", 3)
    shopper.take("Textiles", "Cushion", 1)
    shopper.press("Remove Cushion")
    shopper.follow("Check out")
    shopper.page.get_by_label("PayPal").check()
    shopper.press("Buy now")
    order = shopper.page.locator("[data-order]").first.get_attribute("data-order")
    came = lambda: [text for text, _ in noted(watching, "Arc lamp")]
    until("the order is in the ticker", lambda: any("366.70" in text for text in came()) or Seen(came()))
    shopper.delivered()
    picture(shopper.page, "shop")
    assert booked(order) == [
        "purchase bowl-wide 3 22.90 email desktop female",
        "purchase lamp-arc 2 149.00 email desktop female",
    ]

    shopper.press("Return Wide bowl")
    shopper.delivered()
    shopper.press("Return what is left")
    shopper.delivered()
    assert booked(order)[2:] == [
        "refund bowl-wide 3 22.90 email desktop female",
        "refund lamp-arc 2 149.00 email desktop female",
    ]
    assert not shopper.errors, shopper.errors
    told = sql(f"select count(*) from raw.quarantine where position('{order}'::bytea in payload) > 0")
    assert told == "0"
    others = sql("select string_agg(distinct name, ' ' order by name) from raw.other_events")
    assert {"identify", "page", "Product List Viewed"} & set(re.split(r" (?=[a-zA-Z])", others)), others


def test_who_the_shopper_is_leaves_postgresql_nowhere(shopper, shop, line):
    """The rows of the shopper have come through, and with them neither address nor name."""
    user = sql("select distinct user_id from raw.events where item_id = 'lamp-arc' and event_name = 'purchase'")
    sought = [ADDRESS.encode(), b"exemplary", b"Exemplary"]
    kept = sql(f"select count(*) from raw.other_events where position('{ADDRESS}'::bytea in payload) > 0")
    assert int(kept) > 0, "the address is where it may be, or this test looks for nothing"
    cassandra = Cassandra()
    try:
        keyspace = os.environ["STOREPULSE_NAMESPACE"]
        tables = cassandra.ask(f"select table_name from system_schema.tables where keyspace_name = '{keyspace}'")
        assert len(tables) > 10, tables
        rows = lambda: [row for table in tables for row in cassandra.ask(f'select json * from {keyspace}."{table}"')]
        # The order and the user are there: what is not found was looked for where they are.
        until("the order's rows are in Cassandra", lambda: any(user in row for row in rows()), within_s=300, every_s=1)
        found = [row for row in rows() if any(text.decode() in row for text in sought)]
        assert not found, found[:3]
    finally:
        cassandra.close()
    topics, records, leaks = everything(sought, b"lamp-arc")
    assert records["sought"] > 0, (topics, records)
    assert not leaks, leaks[:3]
    printed = [shop.collector.process.printed(), *(process.printed() for process in line.processes.values())]
    assert not any(text.decode() in output for text in sought for output in printed)
