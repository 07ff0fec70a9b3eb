"""Measures what tabs cost while a line of 200 events/s is shown, and prints a table. Nothing is asserted."""

import os
import statistics
import sys

from history import History
from pages import opened, tab
from scene import at_work, chromium
from tabs import Heap, files, first_paint_ms, load_pct, slope_per_h

SECONDS = int(os.environ.get("STOREPULSE_MEASURE_S", "60"))


def row(what, measured, budget):
    print(f"| {what} | {measured} | {budget} |", flush=True)


def measure(browser, line):
    context = opened(browser, line)
    cookies = context.cookies()
    page = tab(context)
    row("tab that is seen, % of a core", f"{load_pct(browser, SECONDS)[0]:.1f}", "3")

    asked = []
    page.on("request", lambda request: asked.append(request.url))
    # Seen from the page: it is hidden. A browser without windows never hides one.
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
        " Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')) }"
    )
    asked.clear()
    load = load_pct(browser, max(30, SECONDS // 2))[0]
    row(f"requests of a hidden tab in {max(30, SECONDS // 2)} s; % of a core", f"{len(asked)}; {load:.1f}", "0; –")
    context.close()

    # Eight streams a session, as a person with two browsers has them.
    contexts = [opened(browser, line, cookies), opened(browser, line)]
    pages = [tab(contexts[number % 2]) for number in range(10)]
    loads = load_pct(browser, SECONDS)[: len(pages)]
    row("ten tabs that are seen: the busiest, all together, % of a core", f"{loads[0]:.1f}, {sum(loads):.1f}", "10, 40")
    for context in contexts:
        context.close()

    context = opened(browser, line, cookies)
    page = context.new_page()
    loads = [first_paint_ms(page, "/") for _ in range(9)]
    paints, bytes_ms = sorted(paint for paint, _ in loads), statistics.median(first for _, first in loads)
    told = f"{statistics.median(paints):.0f}, {paints[-1]:.0f}, {bytes_ms:.0f}"
    row("first contentful paint, processor 4× slower, ms: median, worst of 9; first byte, median", told, "500, –, –")
    context.close()

    context = opened(browser, line, cookies)
    taken = files(context.new_page(), "/")
    row("files of Live: how many, KB over the wire", f"{len(taken)}, {sum(size for _, size in taken) / 1_000:.0f}", "9, 80")
    for name, size in taken:
        print(f"    {size:>7} {name}")
    context.close()

    context = opened(browser, line, cookies)
    heap, samples, nodes = Heap(page := tab(context)), [], []
    for second in range(0, SECONDS + 1, max(1, SECONDS // 12)):
        size, count = heap.measured()
        samples.append((second, size))
        nodes.append(count)
        page.wait_for_timeout(1_000 * max(1, SECONDS // 12))
    grown = slope_per_h(samples) / (1 << 20)
    told = f"{samples[-1][1] / (1 << 20):.1f}, {grown:+.1f}; {min(nodes)}, {max(nodes)}"
    row(f"heap over {SECONDS} s: MiB, slope in MiB/h; nodes least, most", told, "–, 1; ± 1 %")
    context.close()


def main():
    with at_work(History()) as line, chromium() as browser:
        print(f"| what, {SECONDS} s each, on {os.cpu_count()} cores | measured | budget |\n|---|---|---|")
        measure(browser, line)


if __name__ == "__main__":
    sys.exit(main())
