#!/usr/bin/env python
"""Write README.md from nbs/index.ipynb; with --check, only say whether it is current."""
import argparse
import os
import posixpath
import re
import sys
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import nbformat
import yaml
from nbconvert import MarkdownExporter
from nbdev.serve import proc_nbs

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"""(\]\(|\b(?:src|href)=["'])(?!\w+:|[/#])([^\s)"']+)""")  # relative targets in Markdown and HTML
FENCE = re.compile(r"(^ {0,3}```.*?^ {0,3}```)", flags=re.DOTALL | re.MULTILINE)


def processed(index):
    """Return the notebook `index` after nbdev's processors, which drop hidden cells; they run in a folder of their own."""
    with TemporaryDirectory() as scratch:
        settings = (ROOT/"settings.ini").read_text(encoding="utf-8")
        Path(scratch, "settings.ini").write_text(f"{settings}\nskip_procs = add_links\n", encoding="utf-8")  # no site to link to
        Path(scratch, "nbs").mkdir()
        copy(index, Path(scratch, "nbs", "index.ipynb"))
        os.chdir(scratch)
        try: return nbformat.read(proc_nbs(n_workers=0)/"index.ipynb", as_version=4)
        finally: os.chdir(ROOT)


def readable(cell):
    """Return the cell as a reader of Markdown wants it: title instead of front matter, no `#|` lines, no unwanted input."""
    if cell.cell_type == "raw":
        front = yaml.safe_load(cell.source.strip().strip("-"))
        cell = nbformat.v4.new_markdown_cell(f"# {front['title']}\n\n> {front['description']}")
    if cell.cell_type == "code":
        if re.search(r"^#\| *echo: *false", cell.source, re.MULTILINE): cell.metadata["transient"] = {"remove_source": True}
        cell.source = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.MULTILINE)
    return cell


def from_root(markdown):
    """Return `markdown` written for nbs/ with its relative links and pictures as the project's root sees them."""
    target = lambda link: link[1] + posixpath.normpath(posixpath.join("nbs", link[2]))
    parts = FENCE.split(markdown)  # the odd ones are fenced code
    return "".join(part if i % 2 else LINK.sub(target, part) for i, part in enumerate(parts))


def build(index):
    """Return {path: bytes} of README.md and of the pictures among the outputs of the notebook `index`."""
    nb = processed(index)
    nb.metadata["language_info"] = {"name": "python"}
    alts = iter(re.findall(r"^#\| *fig-alt: *(.*)", "\n".join(cell.source for cell in nb.cells), re.MULTILINE))
    nb.cells = [readable(cell) for cell in nb.cells]
    markdown, resources = MarkdownExporter().from_notebook_node(nb, {"output_files_dir": "images/readme"})
    markdown = re.sub(r"^ *!\[png\]\((.*)\) *$", lambda link: f"![{next(alts)}]({link[1]})", markdown, flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", from_root(markdown)).strip() + "\n"
    pictures = {ROOT/"nbs"/name: data for name, data in resources["outputs"].items()}
    return {ROOT/"README.md": text.encode(), **pictures}


def main():
    """Write the files, or with --check exit with 1 if one of them is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if README.md is not current")
    check = parser.parse_args().check
    index = ROOT/"nbs"/"index.ipynb"
    if not index.exists(): return "nbs/index.ipynb is missing: README.md is made from it"
    stale = {path: data for path, data in build(index).items() if not path.exists() or path.read_bytes() != data}
    if check and stale: return f"{', '.join(path.name for path in stale)} not current; run `make readme`"
    for path, data in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


if __name__ == "__main__": sys.exit(main())  # the guard matters: proc_nbs starts Python anew
