#!/usr/bin/env python
"""The workshop of nbs/tutorials/workshop: exercises, solutions and slides from one source, and whether the exercises hold.

A source notebook marks what students write as nbgrader does: `### BEGIN SOLUTION` … `### END SOLUTION` in a cell whose check is the cell
below it. Raw cells tagged `mistake` hold usual wrong answers, and what the check says to them.
"""
import argparse
import copy
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from execnb.nbio import read_nb, write_nb
from execnb.shell import CaptureShell

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT/"nbs"/"tutorials"/"workshop"
EXERCISES, OWN, MEASURED = ROOT/"workshop", ROOT/"runs"/"workshop", SOURCE/"measured.json"
REGION = re.compile(r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION *\n?", re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"^ *### (BEGIN|END) SOLUTION *\n?", re.MULTILINE)
STUB = "# YOUR CODE HERE\nraise NotImplementedError('write your code here, then run the check again')\n"


def parts():
    """Return the paths of the start page and the five parts."""
    return sorted(SOURCE.glob("[0-9]_*.ipynb"))


def role(cell):
    """Return 'solution', 'check', 'mistake' or None."""
    marks = cell.metadata.get("nbgrader", {})
    if "mistake" in cell.metadata.get("tags", []): return "mistake"
    return "solution" if marks.get("solution") else "check" if marks.get("grade") else None


def blank(source):
    """Return the source of a cell with a stub, as deep as it stands, in place of each solution."""
    stub = lambda found: "".join(found[1] + line for line in STUB.splitlines(keepends=True))
    return REGION.sub(stub, source + "\n").rstrip()


def solved(source):
    """Return the source of a cell without the markers."""
    return MARKER.sub("", source)


def rewrite(nb, change, folder, outputs):
    """Return `nb` for `folder`: cells through `change`, no mistakes, links to the book mended; with its outputs or without."""
    nb = copy.deepcopy(nb)
    link = lambda found: f"]({os.path.relpath(SOURCE/found[1], folder)})"  # out of the workshop; its own notebooks lie side by side
    nb.cells = [cell for cell in nb.cells if role(cell) != "mistake"]
    for cell in nb.cells:
        cell.source = change(cell.source) if cell.cell_type == "code" else re.sub(r"\]\((\.\./[^)]+)\)", link, cell.source)
        if cell.cell_type == "code" and not outputs: cell.outputs = []
    return nb


def exercise(path, folder=EXERCISES):
    """Return the notebook that students open."""
    return rewrite(read_nb(path), blank, folder, outputs=False)


def solution(path, folder=OWN/"solutions"):
    """Return the notebook that they compare with."""
    return rewrite(read_nb(path), solved, folder, outputs=True)


def write_exercises(folder=EXERCISES):
    """Write the exercises that are in git."""
    folder.mkdir(exist_ok=True)
    for path in parts(): write_nb(exercise(path), folder/path.name)  # links as from workshop/


def out_of_step():
    """Return one line for every exercise in git that differs from its source."""
    with TemporaryDirectory() as scratch:
        write_exercises(Path(scratch))
        content = lambda path: path.read_bytes() if path.exists() else None
        names = sorted({path.name for folder in (Path(scratch), EXERCISES) for path in folder.glob("*.ipynb")})
        return [f"workshop/{name} differs from its source: run `make exercises`" for name in names if content(Path(scratch, name)) != content(EXERCISES/name)]


def start(folder=OWN):
    """Give a student a copy of the exercises and the solutions; what is there already stays."""
    for path in parts():
        for target, make in ((folder/path.name, exercise), (folder/"solutions"/path.name, solution)):
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists(): write_nb(make(path, target.parent), target)


def code_of(nb):
    """Yield the cells to run: code that is not flagged slow, and mistakes."""
    for cell in nb.cells:
        if role(cell) == "mistake" or cell.cell_type == "code" and not re.search(r"^#\| *slow", cell.source, re.MULTILINE): yield cell


def run(shell, source):
    """Return the exception that a cell raises, or None."""
    shell.run(source)
    return shell.exc


def trial(path):
    """Return a line for everything that is wrong with the exercises of a source, and how many exercises and mistakes there are.

    All is left blank but one exercise at a time, so a student who is stuck can go on."""
    shell, wrong, counts, task = CaptureShell(path.parent), [], {"solution": 0, "mistake": 0}, None
    say = lambda cell, what: wrong.append(f"{path.name}, cell {cell.id}: {what}")
    for cell in code_of(read_nb(path)):
        kind = role(cell)
        if kind in counts: counts[kind] += 1
        if kind == "mistake":
            told = run(shell, cell.source) or run(shell, check.source)
            if not isinstance(told, AssertionError) or expected(cell) not in str(told): say(cell, f"the check says {told!r} to this mistake")
            run(shell, blank(task.source))
        elif kind == "check":
            check = cell
            if task is None: say(cell, "a check without a solution above it")
            elif error := run(shell, solved(task.source)) or run(shell, cell.source): say(cell, f"the solution fails its check: {error!r}")
            elif run(shell, blank(task.source)): say(task, "the blank raises before its check does")
            elif not isinstance(run(shell, cell.source), (NotImplementedError, AssertionError)): say(cell, "the blank passes its check")
        elif error := run(shell, blank(cell.source)): say(cell, f"fails while exercises are blank: {error!r}")
        if kind == "solution": task = cell
    return wrong, counts


def expected(mistake):
    """Return what the check must say to a mistake: the first line of its cell, after `# says: `."""
    return mistake.source.splitlines()[0].removeprefix("# says: ")


def mistakes():
    """Return (part, exercise, what the check says, what is behind it) of every usual mistake."""
    found = []
    for path in parts():
        for cell in read_nb(path).cells:
            if role(cell) == "solution": name = cell.metadata.nbgrader.grade_id
            if role(cell) == "mistake": found.append((path.stem, name, expected(cell), cell.source.splitlines()[1].removeprefix("# ")))
    return found


def test():
    """Print how many exercises hold; return whether any does not."""
    found = [trial(path) for path in parts()]
    for line in (line for wrong, _ in found for line in wrong): print(line)
    exercises, wrong_answers = (sum(counts[kind] for _, counts in found) for kind in ("solution", "mistake"))
    if bad := any(wrong for wrong, _ in found): return bad
    print(f"{exercises} exercises: each solution passes its check, each blank fails it, and the rest runs either way; {wrong_answers} usual mistakes are caught")
    return not exercises


def grade(path):
    """Return {exercise: None or the exception of its check} for a student's notebook; cells and checks are those of the source."""
    own = {cell.metadata.nbgrader.grade_id: cell.source for cell in read_nb(path).cells if role(cell) == "solution"}
    shell, results = CaptureShell(SOURCE), {}
    for cell in code_of(read_nb(SOURCE/path.name)):
        kind = role(cell)
        if kind == "mistake": continue
        if kind == "solution": name = cell.metadata.nbgrader.grade_id
        error = run(shell, own.get(name, blank(cell.source)) if kind == "solution" else cell.source)
        if kind == "check": results[name] = error
    return results


def report(paths):
    """Print the marks of students' notebooks."""
    for path in paths:
        results = grade(path)
        print(f"{path}: {sum(error is None for error in results.values())} of {len(results)}", *(f"   {name}: {error or 'right'}" for name, error in results.items()), sep="\n")


def run_part(path):
    """Run a solution notebook in this process; print processor seconds, of all threads, and peak memory as JSON."""
    shell = CaptureShell(path.parent)
    for cell in code_of(read_nb(path)):
        if role(cell) != "mistake" and (error := run(shell, solved(cell.source))): raise error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": round(time.process_time()), "peak_gb": round(peak/1e9, 1)}))


def measure():
    """Run each part alone, with nothing cached, and write processor seconds and peak memory to measured.json."""
    figures = {}
    for path in parts():
        with TemporaryDirectory() as cache:
            env = os.environ | {"EMBEDTUNE_CACHE": cache, "EMBEDTUNE_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "MPLBACKEND": "Agg"}
            out = subprocess.run([sys.executable, __file__, "run", path], env=env, check=True, capture_output=True, text=True).stdout
        figures[path.stem] = json.loads(out.splitlines()[-1])
        print(path.stem, figures[path.stem], flush=True)
    MEASURED.write_text(json.dumps({"machine": f"{os.cpu_count()} cores", "parts": figures}, indent=1) + "\n")


STYLE = """
html { scroll-snap-type: y mandatory; font: min(2.5vw, 4vh)/1.35 system-ui, sans-serif; color: #111; background: #fff }
body { margin: 0 }
section { height: 100vh; box-sizing: border-box; padding: 4vh 6vw; scroll-snap-align: start; display: flex; flex-direction: column; justify-content: center; break-after: page }
h1, h2 { margin: 0 0 .4em; line-height: 1.1 } h1 { font-size: 2em } h2 { font-size: 1.5em } p, ul, ol { margin: .3em 0 } a { color: inherit }
img { display: block; margin: .3em auto; max-width: 100%; max-height: 56vh } pre, code { font: .8em/1.3 ui-monospace, monospace } pre { margin: .3em 0; white-space: pre-wrap }
table { border-collapse: collapse; font-size: .8em } td, th { padding: .1em .8em; border-bottom: 1px solid #bbb; text-align: right } blockquote { margin: 0; color: #444 }
.anchor-link { display: none } footer { position: fixed; right: 2vw; bottom: 1vh; font-size: .6em; color: #666 }
"""
SCRIPT = """
const all = [...document.querySelectorAll('section')], shown = () => Math.round(scrollY / innerHeight), foot = document.querySelector('footer')
const go = n => all[Math.max(0, Math.min(all.length - 1, n))].scrollIntoView()
const number = () => foot.textContent = `${shown() + 1} / ${all.length}`
addEventListener('scroll', number); addEventListener('resize', number); number()
addEventListener('keydown', e => {
  const step = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, ' ': 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[e.key]
  const to = step ? shown() + step : {Home: 0, End: all.length - 1}[e.key]
  if (to !== undefined) { e.preventDefault(); go(to) }
})
"""


def html_of(cell):
    """Return what a slide shows of a cell: Markdown, or a code cell's outputs without its code."""
    from html import escape
    from nbconvert.filters import markdown2html
    if cell.cell_type == "markdown": return markdown2html(cell.source)
    shown = []
    for out in cell.get("outputs", []):
        data = out.get("data", {})
        text = lambda key: "".join(data[key])
        if "image/png" in data: shown.append(f'<img alt="{escape(cell.metadata.get("alt", "plot"))}" src="data:image/png;base64,{text("image/png").strip()}">')
        elif "text/html" in data: shown.append(text("text/html"))
        elif "text/markdown" in data: shown.append(markdown2html(text("text/markdown")))
        else: shown.append(f'<pre>{escape("".join(out.get("text", "")) or text("text/plain"))}</pre>')
    return "\n".join(shown)


def slides(path=SOURCE/"slides.ipynb", out=OWN/"slides.html"):
    """Write a notebook's slides as one page that needs no network; return its path."""
    pages = []
    for cell in read_nb(path).cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type")
        if kind == "slide": pages.append([])
        if kind in ("slide", "fragment"): pages[-1].append(html_of(cell))
    body = "\n".join(f"<section>{''.join(page)}</section>" for page in pages)
    out.parent.mkdir(parents=True, exist_ok=True)
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>embedtune workshop</title><style>{STYLE}</style>'
    out.write_text(f'<!doctype html><html lang="en"><head>{head}</head><body>\n{body}\n<footer></footer><script>{SCRIPT}</script></body></html>\n', encoding="utf-8")
    return out


def main():
    """Do what is asked; the exit code is 1 if a check found something."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = {"exercises": "write workshop/", "check": "is workshop/ in step?", "start": "copy exercises and solutions to runs/workshop; what is there stays",
             "test": "does each solution pass its check, and each blank fail it?", "grade": "mark students' notebooks (this runs their code)",
             "measure": "processor seconds and peak memory of each part, into measured.json", "slides": "write runs/workshop/slides.html", "run": "run one part"}
    parser.add_argument("task", choices=tasks, metavar="task", help="; ".join(f"{name}: {what}" for name, what in tasks.items()))
    parser.add_argument("notebooks", nargs="*", type=Path, help="for grade and run")
    args = parser.parse_args()
    if args.task == "check":
        found = out_of_step()
        for line in found: print(line)
        return bool(found)
    if args.task == "slides": print(slides())
    if args.task == "run": run_part(*args.notebooks)
    if args.task == "grade": report(args.notebooks)
    return {"exercises": write_exercises, "start": start, "test": test, "measure": measure}.get(args.task, lambda: 0)()


if __name__ == "__main__": sys.exit(main())
