"""Event streams of readers that a browser never is: so slow that nothing comes through."""

import pytest

from processes import memory_bytes, until
from streams import Stream

# What slow readers take each time that a quick one takes all there is: a thirtieth of a part or so.
SLOW_BYTES = 1_024


@pytest.fixture
def streams(line):
    opened = []

    def open_stream(cookie):
        opened.append(Stream(line, cookie))
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


def test_a_slow_reader_gets_the_newest_and_costs_nothing(visitor, line, streams):
    fast, slow = line.session(), line.session()
    quick = streams(fast)
    until("somebody else is told as ever", lambda: quick.take(65_536) or len(list(quick.events())) >= 3)
    slow_ones = [streams(slow) for _ in range(8)]
    for stream in slow_ones:
        stream.take(SLOW_BYTES)
    console = line.processes["console"].pid
    before = memory_bytes(console)
    seen = len(list(quick.events()))

    def told_on():
        """The quick one has had as much as would fill any buffer many times over."""
        quick.take(65_536)
        for stream in slow_ones:
            stream.take(SLOW_BYTES)
        return len(list(quick.events())) >= seen + 30

    until("the quick reader is told on", told_on, within_s=300, every_s=0)
    versions = [version for version, _ in quick.events()]
    assert versions == sorted(versions)
    grown = memory_bytes(console) - before
    # What 8 readers missed would be some hundred KB each.
    assert grown < 8 << 20, f"{grown} bytes more"

    # Now it reads on. Little lay in buffers; then comes what is newest, and nothing of what it missed.
    one = slow_ones[0]


    def caught_up():
        one.take(65_536)
        events = list(one.events())
        return events if events and events[-1][0] >= versions[-1] else None

    told = until("the slow one comes to the newest", caught_up, every_s=0)
    assert len(told) < len(versions) / 2, (len(told), len(versions))
    page = visitor("/")
    assert page.request.get("/healthz").ok
