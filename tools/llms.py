#!/usr/bin/env python
"""Write llms.txt (llmstxt.org): commands and chapters, as the sources name them; with --check, only say whether it is current."""
import argparse
import json
import re
import sys
from configparser import ConfigParser
from pathlib import Path

from embedtune.cli import _COMMANDS, _EXIT_CODES

ROOT = Path(__file__).resolve().parent.parent
FIRST = """`pip install "embedtune[local]"` brings a small embedding model and a small language model along: nothing needs a key or a network then.
Every command has `--json`: one JSON object on standard output (the result, or `error`), everything else on standard error; and `--help`, with a line to copy.
What costs money has `--plan`, which says the price and sends nothing.
Exit codes: {codes}."""


def heading(path):
    """Return title and subtitle of a notebook."""
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]
    return re.match(r"# (.*)\s*(?:> (.*))?", "".join(first["source"])).groups("")


def line(path, title, subtitle):
    """Return an entry of llms.txt."""
    return f"- [{title}]({path.relative_to(ROOT)})" + (f": {subtitle}" if subtitle else "")


def chapters():
    """Return {folder: entries} of all notebooks for readers."""
    found = {}
    for path in sorted((ROOT/"nbs").glob("*/*.ipynb")):
        folder = path.parent.name.partition("_")[2].replace("_", " ") or path.parent.name
        if path.name[0] not in "._": found.setdefault(folder.capitalize(), []).append(line(path, *heading(path)))
    return found


def text():
    """Return what llms.txt is to hold."""
    config = ConfigParser(delimiters=["="])
    config.read(ROOT/"settings.ini", encoding="utf-8")
    commands = [f"- `embedtune {name} {example}`: {function.__doc__}" for name, (function, example) in _COMMANDS.items()]
    codes = "; ".join(f"{code} {meaning}" for code, meaning in _EXIT_CODES.items())
    parts = {"Commands": commands, "For agents": [
        "- [SKILL.md](skills/embedtune/SKILL.md): the whole job, step by step, for a coding agent",
        "- [A workflow](.github/examples/embeddings.yml): fails a pull request that makes the search worse"]}
    parts |= chapters()
    parts["Optional"] = ["- [CHANGELOG.md](CHANGELOG.md): what changes for users", "- [CONTRIBUTING.md](CONTRIBUTING.md): how to work on the notebooks"]
    head = [f"# {config['DEFAULT']['title']}", f"> {config['DEFAULT']['description']}", FIRST.format(codes=codes)]
    return "\n\n".join([*head, *(f"## {title}\n\n" + "\n".join(lines) for title, lines in parts.items())]) + "\n"


def main():
    """Write the file, or with --check exit with 1 if it is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if llms.txt is not current")
    check, path, wanted = parser.parse_args().check, ROOT/"llms.txt", text()
    if path.exists() and path.read_text(encoding="utf-8") == wanted: return
    if check: return "llms.txt is not current; run `make readme`"
    path.write_text(wanted, encoding="utf-8")


if __name__ == "__main__": sys.exit(main())
