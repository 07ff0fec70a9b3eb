"""Ten tabs, the console and the line under load for an hour: the memory of each stays flat.

It begins when everything has what it needs: caches are full, programs have compiled what they run often, and state is as large as
it gets at this rate. A window stays in the executor's heap for 21 minutes, and this heap then grows to its limit. Of each memory, a
median of the second quarter of the hour is compared with one of the last. Ends with 1 where something grew.
"""

import os
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from history import History
from pages import opened, tab, value
from processes import memory_bytes, services, sql, tree
from scene import at_work, chromium
from tabs import Heap

MINUTES = float(os.environ.get("STOREPULSE_LOAD_MIN", "60"))
WARM_MINUTES = float(os.environ.get("STOREPULSE_LOAD_WARM_MIN", "35"))
RATE = int(os.environ.get("STOREPULSE_LOAD_RATE", "500"))
TABS = 10
MIB = 1 << 20
# Of each series: so many samples, and so many points of it are printed.
SAMPLES, POINTS = 120, 12


@dataclass
class Series:
    """One memory over time, and by how much its last quarter may lie above its second: a share, and as much as is noise."""

    share: float
    noise: float
    unit: float = MIB
    values: list[float] = field(default_factory=list)

    def quarter(self, number):
        count = len(self.values)
        return statistics.median(self.values[count * number // 4 : count * (number + 1) // 4])

    def bound(self):
        return self.quarter(1) * (1 + self.share) + self.noise

    def is_flat(self):
        return self.quarter(3) <= self.bound()

    def points(self):
        count = len(self.values)
        parts = [self.values[count * point // POINTS : count * (point + 1) // POINTS] for point in range(POINTS)]
        return " ".join(f"{statistics.median(part) / self.unit:.1f}" if part else "–" for part in parts)

    def row(self, name):
        told = f"{self.quarter(1) / self.unit:.1f} | {self.quarter(3) / self.unit:.1f} | {self.bound() / self.unit:.1f}"
        return f"| {name} | {self.points()} | {told} | {'flat' if self.is_flat() else 'GREW'} |"


def processes(line):
    """Every process of ours by what it is: those of the test, and those of the stack with all that they have started."""
    pids = {name: [process.pid] for name, process in line.processes.items()}
    return pids | {service["name"]: tree(service["pid"]) for service in services() if service["pid"]}


def own_bytes(pids):
    """What processes have in memory of their own; one that has just ended has nothing."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            total += memory_bytes(pid)
    return total


def watch(line, pages):
    """Samples everything for as long as it takes."""
    series, heaps = {}, [Heap(page) for page in pages]
    began, every_s = time.monotonic(), MINUTES * 60 / SAMPLES
    for number in range(SAMPLES):
        # A sample at even distances, whatever taking one takes.
        time.sleep(max(0.0, began + (number + 1) * every_s - time.monotonic()))
        measured = [heap.measured() for heap in heaps]
        # A heap that is collected first has little noise; documents have none but what comes and goes on
        # Live.
        series.setdefault("heaps of the tabs", Series(0.05, TABS * 0.2 * MIB)).values.append(sum(size for size, _ in measured))
        series.setdefault("nodes of the tabs", Series(0.05, 0, unit=1)).values.append(sum(nodes for _, nodes in measured))
        for name, pids in processes(line).items():
            noise = 8 if name in line.processes else 64
            series.setdefault(name, Series(0.10, noise * MIB)).values.append(own_bytes(pids))
    return series


def main():
    wrong = []
    with at_work(History(), RATE) as line:
        with chromium() as browser:
            # A session has eight streams at most.
            contexts = [opened(browser, line), opened(browser, line)]
            pages = [tab(contexts[number % 2]) for number in range(TABS)]
            time.sleep(WARM_MINUTES * 60)
            before, began = int(sql("select count(*) from raw.events")), time.monotonic()
            orders = [value(page, "orders") for page in pages]
            series = watch(line, pages)
            stored = int(sql("select count(*) from raw.events")) - before
            rate = stored / (time.monotonic() - began)
            for number, page in enumerate(pages):
                if page.locator("#strip .lost").count() or not (value(page, "orders") or 0) > (orders[number] or 0):
                    wrong.append(f"tab {number} does not show what comes in")
        print(f"{MINUTES:g} min, {stored:,} events stored, {rate:.0f}/s, {TABS} tabs, {os.cpu_count()} cores. Memory in MiB:")
        print("| what | series | second quarter | last quarter | bound | |\n|---|---|---|---|---|---|")
        for name, one in series.items():
            print(one.row(name))
        wrong += [f"{name} grew" for name, one in series.items() if not one.is_flat()]
        if rate < 0.8 * RATE:
            wrong.append(f"only {rate:.0f} events/s of {RATE} were stored: this machine is too busy for the load")
        wrong += [f"{name} has ended" for name, process in line.processes.items() if process.child.poll() is not None]
    for what in wrong:
        print(f"FAILED: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
