"""A shopping day told by an unmodified Python client: day.py segment|rudder URL. The key is in KEY."""

import os
import sys
from datetime import date


def client(vendor: str, url: str, failed: list):
    on_error = lambda error, batch: failed.append(repr(error))
    if vendor == "segment":
        from segment.analytics.client import Client
    else:
        from rudderstack.analytics.client import Client
    return Client(os.environ["KEY"], host=url, on_error=on_error, gzip=True)


def product(item: str, price: float, quantity: int) -> dict:
    return {"product_id": item, "name": item.title(), "category": "Games", "brand": "Hasbro", "price": price, "quantity": quantity,
            "currency": "CHF"}


def main() -> None:
    vendor, url = sys.argv[1:]
    failed: list = []
    told = client(vendor, url, failed)
    user, order = f"ann-{vendor}@example.com", f"order-{vendor}"
    told.identify(user, {"gender": "female", "birthday": date(1990, 5, 1).isoformat(), "email": user,
                         "address": {"country": "CH", "city": "Bern"}}, context={"ip": "203.0.113.77"})
    told.page(user, "Shop", "Home", {"url": "https://shop.example.com/"}, context={"ip": "203.0.113.77"})
    told.track(user, "Product Viewed", product("uno", 3.1, 1))
    told.track(user, "Product Added", product("uno", 3.1, 2))
    told.track(user, "Coupon Entered", {"coupon_id": "may"})
    told.track(user, "Checkout Started", {"order_id": order})
    told.track(user, "Order Completed", {"order_id": order, "currency": "CHF",
                                         "products": [product("uno", 3.1, 2), product("monopoly", 19, 1)]})
    told.flush()
    told.track(user, "Order Refunded", {"order_id": order})
    told.shutdown() if hasattr(told, "shutdown") else told.join()
    if failed:
        sys.exit(f"{vendor}: {failed}")


main()
