"""Tells the day of standard input by the unmodified client of GA4's Measurement Protocol: ga4.py URL. The key
is in KEY.

Prints when it began, by its own clock, in microseconds since 1970."""

import http.client
import json
import os
import sys
import time
import urllib.error
from datetime import datetime, timedelta
from itertools import groupby

from ga4mp import GtagMP

NAMES = {"Product Viewed": "view_item", "Product Added": "add_to_cart", "Checkout Started": "begin_checkout",
         "Order Completed": "purchase", "Order Refunded": "refund"}
# Asked again at once it would be the same.
AGAIN_AFTER_S = 0.2


def until_taken(send):
    """The client sends nothing again by itself, and raises. The same call again is the same request."""
    while True:
        try:
            return send()
        except urllib.error.HTTPError as refused:
            if refused.code not in (429, 503):
                raise
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(AGAIN_AFTER_S)


def item(product):
    return {"item_id": product["product_id"], "item_name": product["name"], "price": product["price"], "quantity": product["quantity"]}


def event(ga, step):
    made = ga.create_new_event(NAMES[step["event"]] if step["call"] == "track" else "page_view")
    properties = step.get("properties", {})
    made.set_event_param("currency", "EUR")
    if "order_id" in properties:
        made.set_event_param("transaction_id", properties["order_id"])
    products = properties.get("products", [properties] if "product_id" in properties else [])
    if products:
        # As its document has it: the client takes a list of any length only this way.
        made.set_event_param("items", [])
        for product in products:
            made.add_item_to_event(item(product))
    return made


began = datetime.now()
for part in json.load(sys.stdin):
    ga = GtagMP(api_secret=os.environ["KEY"], measurement_id="G-ANY", client_id=part["shopper"])
    ga._base_domain = f"{sys.argv[1]}/mp/collect"
    steps = [step for step in part["steps"] if step["call"] != "identify"]
    for ago_s, steps in groupby(steps, lambda step: step["ago_s"]):
        events = [event(ga, step) for step in steps]
        if ago_s is None:
            # Without a time, and so without ids: what is sent again counts again.
            ga.send(events)
        elif ago_s > 0:
            until_taken(lambda: ga.send(events, date=began - timedelta(seconds=ago_s)))
        else:
            ga.send(events, postpone=True)
            until_taken(ga.postponed_send)
print(round(began.timestamp() * 1e6))
