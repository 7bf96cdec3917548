#!/usr/bin/env python
"""Build the site in _docs/. Its sources are made of the notebooks, in _proc/docs: nothing is run or imported, the outputs are those stored in git."""
import os
import re
import sys
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace

from api import api_page, definitions, parameters
from check_links import ROOT, check_files
from execnb.nbio import mk_cell, nb2str
from mdit_py_plugins.anchors.index import slugify
from nbdev.config import get_config
from nbdev.process import NBProcessor
from nbdev.processors import hide_line, strip_ansi
from sphinx.cmd.build import main as sphinx

SOURCE, DOCTREES, SITE = ROOT/"_proc"/"docs", ROOT/"_proc"/"doctrees", ROOT/"_docs"
PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "data/README.md", "data/sample/README.md"]  # beside the notebooks
FIRST = ["10k", "your_documents", "people", "arxiv", "black_box", "models", "migrating"]  # the tutorials' order; others follow
GROUPS = {"core": "Texts", "embedding": "Search", "llm": "Questions", "negatives": "Tuning", "layers": "Black box", "serve": "Serving", "ladders": "Deciding"}  # by first chapter
FENCE = re.compile(r"(^ {0,3}```.*?^ {0,3}```)", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\]\()(?!\w+:)([^\s)#]*)(#[^\s)]*)?(?=[\s)])")  # relative target, fragment


def on_site(path):
    """Return where a file of the project stands on the site: the notebooks at its top."""
    return path.removeprefix("nbs/")


def relink(text, page):
    """Return Markdown whose links hold on the site: to its pages, and to the project's page for other files."""
    def target(link):
        path = os.path.normpath(os.path.join(os.path.dirname(page), link[2])) if link[2] else page
        if path.startswith("nbs/") or path in PAGES:  # a missing one stays, and Sphinx complains
            here = os.path.relpath(on_site(path), os.path.dirname(on_site(page)) or ".") if link[2] else ""
            return f"{link[1]}{here}{'#' + slugify(link[3][1:]) if link[3] else ''}"
        cfg = get_config()
        return f"{link[1]}{cfg.git_url}/{'tree' if (ROOT/path).is_dir() else 'blob'}/{cfg.branch}/{path}{link[3] or ''}"
    return "".join(part if i % 2 else LINK.sub(target, part) for i, part in enumerate(FENCE.split(text)))


def for_readers(cell):
    """Drop hidden cells, the lines of flags, and outputs that only a running notebook can show."""
    if {"hide", "default_exp"} & cell.directives_.keys() or not cell.source.strip():
        del cell["source"]
    elif cell.cell_type == "code":
        if cell.directives_.get("echo:") == ["false"]: cell.metadata["tags"] = ["remove-input"]
        cell["source"] = re.sub(r"^#\|.*\n?", "", cell.source, flags=re.MULTILINE)
        for output in cell.outputs:
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)


def new_cell(text, name):
    """Return a Markdown cell whose id is made of `name`, the same in every build."""
    return mk_cell(text, "markdown", id=re.sub(r"\W", "-", name)[:64])


def folded(one):
    """Return a cell with the table of an exported definition's parameters, folded."""
    name = f"{one['owner']}.{one['name']}" if one["owner"] else one["name"]
    return new_cell(f"<details><summary>Parameters of <code>{name}</code></summary>\n\n{parameters(one)}\n\n</details>", f"parameters-{name}")


def read_chapter(path):
    """Return a notebook for readers, with its `page`, `title`, `subtitle`, `module`, and `found`, the definitions that it exports."""
    processor, page, heading, cells = NBProcessor(path, procs=[strip_ansi, hide_line, for_readers]), str(path.relative_to(ROOT)), "", []
    nb = processor.nb
    title, subtitle = re.match(r"# (.*)\s*(?:> (.*))?", nb.cells[0].source).groups("")
    module = next((cell.directives_["default_exp"][0] for cell in nb.cells if "default_exp" in cell.directives_), None)
    chapter = SimpleNamespace(nb=nb, page=on_site(page), title=title, subtitle=subtitle, module=module, found=[])
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^##+ (.*)$", FENCE.sub("", cell.source), flags=re.MULTILINE)][-1]
            again = "#"*(bool(cells) and cell.source.startswith("# "))  # a page has one title
            cell["source"] = again + relink(cell.source, page)
        here = definitions(cell.source, page=chapter.page, heading=heading) if "export" in cell.directives_ else []
        chapter.found += here
        cells += [cell, *(folded(one) for one in here if parameters(one) and "hide" not in cell.directives_)]
    nb.cells = cells
    processor.process()
    nb.metadata = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    return chapter


def grouped(chapters):
    """Return {title: chapters} in the order of the sidebar: the tutorials by folder, then the chapters by GROUPS."""
    place = lambda page: (FIRST + [Path(page).stem]).index(Path(page).stem)
    groups, title = {}, "Chapters"
    for chapter in sorted((c for c in chapters if not c.module and c.page != "index.ipynb"), key=lambda c: (place(c.page), c.page)):
        groups.setdefault(Path(chapter.page).parent.name.capitalize() or title, []).append(chapter)
    for chapter in chapters:
        title = GROUPS.get(chapter.module, title)
        if chapter.module: groups.setdefault(title, []).append(chapter)
    return groups


def toctree(pages, *options):
    """Return a Sphinx toctree as Markdown."""
    return "\n".join(["```{toctree}", *options, "", *pages, "```"])


def as_markdown(chapter):
    """Return a chapter as Markdown that links to Markdown, without outputs and folded tables."""
    show = lambda cell: cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```"
    text = "\n\n".join(show(cell) for cell in chapter.nb.cells if not cell.source.startswith(("<details>", "```{toctree}"))) + "\n"
    return re.sub(r"(\]\((?!\w+:)[^)\s]*)\.ipynb", r"\1.html.md", text)


def sources(chapters, groups):
    """Return {path: text} of everything that Sphinx reads, and of nothing else."""
    home = next(c for c in chapters if c.page == "index.ipynb")
    modules = [c for c in chapters if c.found]
    home.nb.cells += [new_cell(toctree([c.page for c in group], ":hidden:", f":caption: {title}"), title) for title, group in groups.items()]
    home.nb.cells.append(new_cell(toctree(["api.md", *map(on_site, PAGES)], ":hidden:", ":caption: Reference"), "Reference"))
    rows = [f"| [{c.module}](api/{c.module}.md) | {c.subtitle} |" for c in modules]
    api = ["# API", "> Every public name of the package, by module.", "\n".join(["| module | |", "|---|---|", *rows]), toctree([f"api/{c.module}.md" for c in modules], ":hidden:")]
    return {**{c.page: nb2str(c.nb) for c in chapters}, **{on_site(page): relink((ROOT/page).read_text(encoding="utf-8"), page) for page in PAGES},
            **{f"api/{c.module}.md": api_page(c) for c in modules}, "api.md": "\n\n".join(api) + "\n"}


def write(files):
    """Make SOURCE hold `files` and the pictures; what has not changed is left alone, so that Sphinx does not read it again."""
    pictures = {on_site(str(path.relative_to(ROOT))): path.read_bytes() for path in (ROOT/"nbs").rglob("images/**/*") if path.is_file()}
    files = pictures | {name: text.encode() for name, text in files.items()}
    if {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.*")} != files.keys():  # every page names the others
        for folder in (SOURCE, DOCTREES, SITE): rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = SOURCE/name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != data: path.write_bytes(data)


def write_llms(home, groups, files):
    """Write llms.txt and llms-full.txt (llmstxt.org), and each page's Markdown beside the page."""
    pages = {c.page: as_markdown(c) for group in [[home], *groups.values()] for c in group}
    pages |= {name: text for name, text in files.items() if name.endswith(".md")}
    for name, text in pages.items(): (SITE/name).with_suffix(".html.md").write_text(text, encoding="utf-8")
    line = lambda page, title, subtitle: f"- [{title}]({Path(page).with_suffix('.html.md')}): {subtitle}"
    here = (ROOT/"llms.txt").read_text(encoding="utf-8")  # of the repository, which `make check` keeps current
    parts = {"Commands": re.search(r"## Commands\n\n(.*?)\n\n", here, re.DOTALL)[1].splitlines()}
    parts |= {title: [line(c.page, c.title, c.subtitle) for c in group] for title, group in groups.items()}
    parts["API"] = [line(f"api/{c.module}.md", f"embedtune.{c.module}", c.subtitle) for group in groups.values() for c in group if c.found]
    parts["Optional"] = [line(on_site(page), *re.match(r"# (.*)\s+(.*)", files[on_site(page)]).groups()) for page in PAGES]
    text = "\n\n".join([f"# {home.title}", f"> {home.subtitle}", *(f"## {title}\n\n" + "\n".join(lines) for title, lines in parts.items())])
    (SITE/"llms.txt").write_text(text + "\n", encoding="utf-8")
    (SITE/"llms-full.txt").write_text("\n\n".join(text for name, text in pages.items() if name.endswith(".ipynb")), encoding="utf-8")


def main():
    """Build the site, then look at its links; return an exit status."""
    chapters = [read_chapter(path) for path in sorted((ROOT/"nbs").rglob("*.ipynb")) if not any(part[0] in "._" for part in path.relative_to(ROOT).parts)]
    groups = grouped(chapters)
    files = sources(chapters, groups)
    write(files)
    failed = sphinx(["--quiet", "--fail-on-warning", "--jobs=auto", f"--conf-dir={Path(__file__).parent}", f"--doctree-dir={DOCTREES}", str(SOURCE), str(SITE)])
    if failed: return failed
    write_llms(next(c for c in chapters if c.page == "index.ipynb"), groups, files)
    return check_files()


if __name__ == "__main__": sys.exit(main())
