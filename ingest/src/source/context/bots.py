#!/usr/bin/env python3
"""Writes bots.txt, the words by which programs name themselves in user agents.

They are those of the list crawler-user-agents:

    pip download --no-deps --no-binary :none: crawler-user-agents==1.67.0
    unzip crawler_user_agents-*.whl -d list
    ingest/src/source/context/bots.py list > ingest/src/source/context/bots.txt

The list has regular expressions. All but a few are plain words; those few are expanded here, so that a single
pass over a user agent finds any of them.
"""

import itertools
import json
import re
import sys
from pathlib import Path

# No bots: what an app of a shop sends with its requests, a school's browser, and a browser of 2011.
LEFT_OUT = {"okhttp", "Blackboard", "Butterfly"}
# Expressions that are no choice between words: what of them is a word.
WORDS = {
    r"AdsBot-Google([^-]|$)": ["AdsBot-Google"],
    r"BlogTraffic\/\d\.\d+ Feed-Fetcher": ["BlogTraffic/"],
    r"ContextualBot[\s\S]*outcomes\.net": ["ContextualBot"],
    r"Current[\s\S]*RSS Reader": [],
    r"Spider[\s\S]*spider\.com": ["spider.com"],
    r"GoogleAssociationService$": ["GoogleAssociationService"],
    r"SSL Labs$": ["SSL Labs"],
}


def words(pattern: str) -> list[str]:
    """The words that an expression chooses between; `^` at the beginning stays."""
    if pattern in WORDS:
        return WORDS[pattern]
    # What is escaped stands apart while the rest is taken to pieces.
    pattern = re.sub(r"\\([./!+() -])", lambda m: chr(0xE000 + ord(m[1])), pattern)
    pattern = re.sub(r"\[(\w)(\w)\]", r"(\1|\2)", pattern)
    pieces = re.split(r"\(([^)]*)\)", pattern)
    choices = [piece.split("|") if at % 2 or len(pieces) == 1 else [piece] for at, piece in enumerate(pieces)]
    made = ["".join(choice) for choice in itertools.product(*choices)]
    for word in made:
        if re.search(r"[\\\[\](){}*?+|$.]", word):
            sys.exit(f"{pattern!r} is neither a word nor a choice of words: say in WORDS what it stands for")
    plain = ["".join(chr(ord(c) - 0xE000) if 0xE000 <= ord(c) < 0xE080 else c for c in word) for word in made]
    return plain


def main() -> None:
    root = Path(sys.argv[1])
    listed = json.loads(next(root.glob("**/crawler-user-agents.json")).read_text())
    version = next(root.glob("*.dist-info")).name.removesuffix(".dist-info").split("-")[1]
    licence = next(root.glob("**/licenses/LICENSE")).read_text()
    every = {word for entry in listed for word in words(entry["pattern"])} - LEFT_OUT
    # A word that holds another one finds nothing more.
    anywhere = {word for word in every if not word.startswith("^")}
    kept = [word for word in every if not any(other in word for other in anywhere if other != word)]
    print(f"# Rendered by `ingest/src/source/context/bots.py` of crawler-user-agents {version}, whose licence follows.")
    print("".join(f"# {line}".rstrip() + "\n" for line in licence.splitlines()), end="")
    print("\n".join(sorted(kept)))


main()
