"""Turns executed notebooks into pages for the repository: Markdown with SVG beside it, no machine's names in
it."""

import pathlib
import re
import shutil
import sys

import nbformat
from nbconvert import MarkdownExporter

from hygiene import LEFTOVERS


def main(executed, target, data):
    target = pathlib.Path(target)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    names = sorted(pathlib.Path(executed).glob("*.ipynb"))
    for path in names:
        notebook = nbformat.read(path, 4)
        for cell in notebook.cells:
            # Warnings of libraries are no part of the story.
            outputs = cell.get("outputs", []) if cell.cell_type == "code" else []
            cell["outputs"] = [output for output in outputs if output.output_type != "stream"]
            if cell.cell_type != "code":
                del cell["outputs"]
        body, resources = MarkdownExporter().from_notebook_node(
            notebook, resources={"unique_key": path.stem, "output_files_dir": path.stem}
        )
        for name, content in resources["outputs"].items():
            file = target / name
            file.parent.mkdir(exist_ok=True)
            # Points to a tenth of a pixel: a third of the size, and nothing to see. Factors below one stay
            # whole.
            text = re.sub(r"(?<![\d.])([1-9]\d*\.\d)\d+", r"\1", content.decode())
            file.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n")
        body = body.replace("![svg]", "![plot]")
        note = f"*Rendered from [{path.name}](../../notebooks/{path.name}) by `make notebooks-render`. Data: {data}.*"
        title, _, rest = body.lstrip().partition("\n")
        text = re.sub(r"[ \t]+\n", "\n", f"{title}\n\n{note}\n{rest}").rstrip() + "\n"
        found = LEFTOVERS.search(text)
        if found:
            sys.exit(f"{path.name} would show a place of this machine: {text[max(found.start() - 80, 0):found.end() + 80]!r}")
        (target / f"{path.stem}.md").write_text(re.sub(r"\n{3,}", "\n\n", text))
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{len(names)} pages in {target.name}, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
