"""Sends events of a shop to Kafka as JSON at a rate: produce.py BROKERS TOPIC RATE SECONDS.

Prints how many were delivered. The usual producer: confluent-kafka with idempotence, a dictionary an event.
What does not depend on the event is drawn once.
"""

import json
import random
import sys
import time
import uuid
from datetime import datetime, timezone

from confluent_kafka import Producer

# Between two looks at the clock.
TICK_S = 0.02
# Shoppers and what they buy: as many as the simulator has.
USERS = 2_000
PRODUCTS = 200
# The simulator's mix, in percent.
SHARES = {
    "session_start": 12, "view_item": 58, "add_to_cart": 14, "begin_checkout": 6, "purchase": 9, "refund": 1,
}
NAMES = [name for name, share in SHARES.items() for _ in range(share)]
COUNTRIES = ["DE", "FR", "GB", "US", "CH"]
CHANNELS = ["organic_search", "direct", "paid_search", "social", "email", "referral", "display", "other"]
BANDS = ["18-24", "25-34", "35-44", "45-54", "55-64", "65+"]


def shoppers(dice: random.Random) -> list[dict]:
    """What every event of a shopper's visit says alike."""
    return [
        {
            "user_id": str(uuid.UUID(int=dice.getrandbits(128))),
            "session_id": str(uuid.UUID(int=dice.getrandbits(128))),
            "returning": dice.random() < 0.4,
            "gender": dice.choice(["female", "male", "other"]),
            "age": dice.randint(18, 77),
            "age_band": dice.choice(BANDS),
            "country": dice.choice(COUNTRIES),
            "city": "Springfield",
            "latitude": 47.4,
            "longitude": 8.5,
            "device": dice.choice(["mobile", "desktop", "tablet", "other"]),
            "channel": dice.choice(CHANNELS),
        }
        for _ in range(USERS)
    ]


def products(dice: random.Random) -> list[dict]:
    return [
        {
            "item_id": f"ITM-{number:04}",
            "item_name": f"Product {number}",
            "category": f"Category {number % 8}",
            "brand": f"Brand {number % 40}",
            "price": f"{dice.randint(500, 50_000) / 100:.2f}",
            "currency": "EUR",
        }
        for number in range(PRODUCTS)
    ]


def event(dice: random.Random, shopper: dict, product: dict, now: str) -> dict:
    name = dice.choice(NAMES)
    event_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    told = {"event_id": event_id, "event_name": name, "occurred_at": now, **shopper}
    if name != "session_start":
        told |= product
    if name in ("purchase", "refund"):
        told |= {"quantity": 1, "amount_base": product["price"], "order_id": event_id}
        told |= {"order_line": 1, "order_lines": 1}
    return told


def main() -> None:
    brokers, topic, rate, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
    dice = random.Random(1)
    people, shelf = shoppers(dice), products(dice)
    failed: list = []
    settings = {"enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    producer = Producer({"bootstrap.servers": brokers, **settings})
    done = lambda error, _: failed.append(str(error)) if error else None
    sent, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        due = int(rate * passed)
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        for _ in range(due - sent):
            shopper = dice.choice(people)
            value = json.dumps(event(dice, shopper, dice.choice(shelf), now))
            while True:
                try:
                    producer.produce(topic, value, shopper["user_id"], on_delivery=done)
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
            # One that cannot keep up ends in time all the same.
            if sent % 1_000 == 0 and time.monotonic() - began >= seconds:
                break
        producer.poll(0)
        time.sleep(max(0.0, TICK_S - (time.monotonic() - began - passed)))
    left = producer.flush(60)
    if failed or left:
        sys.exit(f"produce.py: {len(failed)} events failed and {left} are left: {failed[:1]}")
    print(f"{sent} committed")


if __name__ == "__main__":
    main()
