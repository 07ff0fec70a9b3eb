"""Sends by the client as it is, and prints as JSON what must be stored: rows of raw.events, without ids and
times."""

import datetime
import json
import os

from ga4mp import GtagMP

# The client raises for every answer but a good one.
ga = GtagMP(api_secret=os.environ["KEY"], measurement_id="G-ANY", client_id="1234.5678")
ga._base_domain = os.environ["COLLECTOR"] + "/mp/collect"
ga.store.set_user_property("user_id", "ann@example.com")
ga.store.set_user_property("tier", "gold")

LAMP = {"item_id": "lamp-3", "item_name": "Lamp", "item_category": "Home", "item_brand": "Lumen", "price": 19.90, "quantity": 2}
BULB = {"item_id": "bulb-9", "item_name": "Bulb", "item_category": "Home", "price": 4.5}
stored = []


def event(name, items=(), order=None, **params):
    """An event of the client, and the rows that it must become."""
    made = ga.create_new_event(name)
    for param, value in {"currency": "CHF", **params}.items():
        made.set_event_param(param, value)
    if order:
        made.set_event_param("transaction_id", order)
    if items:
        made.set_event_param("items", [])
        for item in items:
            line = made.create_new_item(item["item_id"], item["item_name"])
            for field, value in item.items():
                line.set_parameter(field, value)
            made.add_item_to_event(line)
    lines = items if name not in ("view_item_list", "begin_checkout", "add_payment_info") else ()
    for number, item in enumerate(lines or [None], start=1):
        stored.append({
            "event_name": name,
            "item_id": item and item["item_id"],
            "price": item and f"{item['price']:.4f}",
            "quantity": item and item.get("quantity", 1),
            "order_id": order,
            "order_line": number if order else None,
            "payment_type": params.get("payment_type"),
        })
    return made


ga.send([event("view_item_list", [LAMP, BULB]), event("view_item", [LAMP])])
# More than the client puts into one request.
ga.send([event("add_to_cart", [BULB]) for _ in range(30)])
an_hour_ago = datetime.datetime.now() - datetime.timedelta(hours=1)
ga.send([event("begin_checkout"), event("add_payment_info", payment_type="Invoice")], date=an_hour_ago)
ga.send([event("purchase", [LAMP, BULB], order="T-1", value=1.0, tax=3.1, shipping=7)], postpone=True)
ga.postponed_send()
ga.send([event("refund", [BULB], order="T-1")])
# It has no place in the figures.
login = ga.create_new_event("login")
login.set_event_param("method", "password")
ga.send([login])
print(json.dumps(stored))
