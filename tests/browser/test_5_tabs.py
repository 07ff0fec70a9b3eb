"""What a tab costs that stays open: for STOREPULSE_LONG_TESTS alone. `measure` prints what all kinds of tabs cost."""

import os
import time

import pytest

from pages import counted, live
from processes import until
from tabs import Heap, files, slope_per_h

MINUTES = float(os.environ.get("STOREPULSE_TAB_MINUTES", "10"))
MIB = 1 << 20


def test_live_is_few_files_and_small(visitor):
    page = visitor("/")
    taken = files(page, "/")
    assert len(taken) <= 9, taken
    assert sum(size for _, size in taken) <= 80_000, taken


@pytest.mark.skipif(not os.environ.get("STOREPULSE_LONG_TESTS"), reason="takes minutes: STOREPULSE_LONG_TESTS=1")
def test_a_tab_that_stays_open_does_not_grow(visitor):
    page = live(visitor("/"))
    until("orders are counted", lambda: counted(page) > 0)
    # What is kept by design fills up first: the list of orders, the last hour of the chart.
    page.wait_for_timeout(60_000)
    heap, samples, nodes = Heap(page), [], []
    began = time.monotonic()
    while time.monotonic() - began < MINUTES * 60:
        size, count = heap.measured()
        samples.append((time.monotonic() - began, size))
        nodes.append(count)
        page.wait_for_timeout(10_000)
    third = len(nodes) // 3
    first, last = sum(nodes[:third]) / third, sum(nodes[-third:]) / third
    assert abs(last - first) <= first / 100, nodes
    # Of ten minutes a slope is uncertain by what one round of parts leaves behind.
    assert slope_per_h(samples) <= max(1, 10 / MINUTES) * MIB, samples
