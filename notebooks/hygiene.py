#!/usr/bin/env python3
"""Fails where a notebook is not as it is committed: without outputs, run numbers, machine paths and what an
editor adds."""

import json
import pathlib
import re
import sys

LEFTOVERS = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|var|mnt)/|127\.0\.0\.1|localhost|postgres(?:ql)?://|x-storepulse-secret=")
METADATA = {"kernelspec", "language_info"}


def faults(path):
    notebook = json.loads(path.read_text())
    for name in set(notebook["metadata"]) - METADATA:
        yield f"metadata {name!r}"
    for index, cell in enumerate(notebook["cells"]):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            yield f"cell {index} has outputs or a run number"
        if set(cell["metadata"]) - {"tags"}:
            yield f"cell {index} has metadata {sorted(cell['metadata'])}"
        for line in "".join(cell["source"]).splitlines():
            if LEFTOVERS.search(line):
                yield f"cell {index} names a place of this machine: {line.strip()}"


def clean(path):
    """As it is to be committed."""
    notebook = json.loads(path.read_text())
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook["cells"]:
        cell["metadata"] = {"tags": cell["metadata"]["tags"]} if cell["metadata"].get("tags") else {}
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent
    notebooks = sorted(folder.glob("*.ipynb"))
    if "--clean" in sys.argv:
        for path in notebooks:
            clean(path)
    found = [f"{path.name}: {fault}" for path in notebooks for fault in faults(path)]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    if found:
        sys.exit("clear the outputs before a commit: notebooks/hygiene.py --clean")
