"""What tabs cost the machine that shows them: processor time of renderers, memory, requests, and time to the first paint."""

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def renderers(browser):
    """The processes that draw pages, with the processor time that each has used, in s."""
    session = browser.new_browser_cdp_session()
    told = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {process["id"]: processor_s(process["id"]) for process in told if process["type"] == "renderer"}


def processor_s(pid):
    """Processor time that a process has used, in s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def load_pct(browser, seconds):
    """What each renderer takes of a core meanwhile, in percent, the busiest first."""
    before, began = renderers(browser), time.monotonic()
    # The stretch that is measured.
    time.sleep(seconds)
    after, took = renderers(browser), time.monotonic() - began
    return sorted((100 * (used - before[pid]) / took for pid, used in after.items() if pid in before), reverse=True)


class Heap:
    """The memory of one page, after everything that nobody needs was thrown away."""

    def __init__(self, page):
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable")

    def measured(self):
        """Bytes of its objects, and nodes of its document."""
        # Twice: what finalizers let go is collected by the second.
        self.session.send("HeapProfiler.collectGarbage")
        self.session.send("HeapProfiler.collectGarbage")
        told = {metric["name"]: metric["value"] for metric in self.session.send("Performance.getMetrics")["metrics"]}
        return int(told["JSHeapUsedSize"]), int(told["Nodes"])


def slope_per_h(samples):
    """Growth of samples `(seconds, value)` by least squares, an hour."""
    times, values = [at for at, _ in samples], [value for _, value in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return 3_600 * sum((at - middle) * (value - mean) for at, value in samples) / spread


def first_paint_ms(page, path, slower=4):
    """First contentful paint of a page that is loaded anew on a processor so many times slower, and its first byte."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    try:
        page.goto(path)
        return page.evaluate(
            "() => new Promise(done => new PerformanceObserver(list => {"
            " const paint = list.getEntriesByName('first-contentful-paint')[0];"
            " if (paint) done([paint.startTime, performance.getEntriesByType('navigation')[0].responseStart]) })"
            ".observe({type: 'paint', buffered: true}))"
        )
    finally:
        session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        session.detach()


def files(page, path):
    """Every file of a page that is opened for the first time: its name and bytes over the wire, heads left out."""
    page.goto(path)
    # What draws the chart is fetched last.
    page.locator("canvas").first.wait_for()
    entries = page.evaluate(
        "() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter(entry => !entry.name.includes('/events')).map(entry => [entry.name, entry.encodedBodySize])"
    )
    return [(name.split("/", 3)[3] or "/", size) for name, size in entries]
