"""Puts the clock of the Python program that starts with this folder in PYTHONPATH wrong by CLOCK_OFFSET_MS
milliseconds. Time that only passes (`time.monotonic`) stays as it is."""

import datetime
import os
import time

OFFSET_MS = int(os.environ["CLOCK_OFFSET_MS"])
right_s, right_ns = time.time, time.time_ns


class Shifted(datetime.datetime):
    """`datetime.datetime`, by the wrong clock."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def today(cls):
        return cls.fromtimestamp(time.time())

    @classmethod
    def utcnow(cls):
        return cls.utcfromtimestamp(time.time())


time.time = lambda: right_s() + OFFSET_MS / 1e3
time.time_ns = lambda: right_ns() + OFFSET_MS * 1_000_000
datetime.datetime = Shifted
