#!/usr/bin/env python
"""Run notebooks as a reader does: `make lab`, a browser, "Run All Cells". One line per notebook.

Fails on a cell that raises or is never reached, a stored plot that does not show again, a progress bar that is text instead of a widget,
an error on the browser's console, or a request to another host. Works on a copy: notebooks and the reader's Jupyter settings stay as they are.
Needs Debian's package chromium, and playwright (`make .venv/.slow`).
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from browser import chromium

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sys.executable).parent
TUTORIAL = Path("nbs/tutorials/10k.ipynb")
LOCAL = {"", "localhost", "127.0.0.1", "::1"}  # "": file, data and blob URLs
TEXT_BAR = re.compile(r"TqdmWarning|\d+%\|.*\|")  # what tqdm prints where it finds no widgets
STATE = """() => {
    const panel = window.jupyterapp?.shell.currentWidget
    return panel?.content?.model ? {cells: panel.content.model.toJSON().cells, kernel: panel.sessionContext?.session?.kernel?.status} : null
}"""
SHOWN = """cell => {
    const seen = e => e.checkVisibility() && e.getBoundingClientRect().width > 0
    const outputs = selector => [...cell.querySelectorAll('.jp-Cell-outputArea ' + selector)].filter(seen)
    return {plots: outputs('img').filter(e => e.naturalWidth > 0).length + outputs('canvas').filter(e => e.width > 0).length,
            bars: outputs('.jupyter-widgets [role=progressbar], .jupyter-widgets .progress-bar, .jupyter-widgets progress').length}
}"""


def copy_project(scratch):
    """Copy what git would hold of the project to `scratch`; what the notebooks write below runs/ is kept in the project."""
    shutil.copytree(ROOT, scratch, ignore=shutil.ignore_patterns(".*", "runs", "build", "dist", "_proc", "_docs", "__pycache__", "*.egg-info"), dirs_exist_ok=True)
    shutil.copytree(ROOT/".jupyter", scratch/".jupyter")
    (ROOT/"runs").mkdir(exist_ok=True)
    (scratch/"runs").symlink_to(ROOT/"runs")


@contextmanager
def lab(project, notebook, home):
    """Run `make lab` for a reader who never did before, with an empty folder as home; gives the address that it opens in the browser."""
    env = os.environ | {"BROWSER": "echo opens %s", "PYTHONUNBUFFERED": "1", "IPYTHONDIR": f"{home}/ipython",
                        "JUPYTER_CONFIG_DIR": f"{home}/config", "JUPYTER_DATA_DIR": f"{home}/data", "JUPYTER_RUNTIME_DIR": f"{home}/runtime"}
    flags = "--LabApp.expose_app_in_browser=True" + (" --allow-root" if os.geteuid() == 0 else "")
    command = ["make", "-o", "install", "lab", f"BIN={SCRIPTS}", f"NB={notebook}", f"LAB_FLAGS={flags}"]
    with open(home/"log", "w") as log: server = subprocess.Popen(command, cwd=project, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try: yield address_of(server, home/"log")
    finally: end(server)


def end(server, seconds=20):
    """End a server and the processes of its group: politely, so that it ends its kernels, then by force."""
    for number in [signal.SIGTERM] + [0]*10*seconds + [signal.SIGKILL]:
        try: os.killpg(server.pid, number)
        except ProcessLookupError: break
        server.poll()  # a process that ended stays in the group until then
        time.sleep(.1)


def address_of(server, log, seconds=60):
    """Return the address that the server's log says it opens."""
    for _ in range(10*seconds):
        time.sleep(.1)
        if address := re.search(r"^opens (\S+)\n", log.read_text(errors="replace"), re.M): return address[1]
        if server.poll() is not None: break
    raise RuntimeError("JupyterLab does not start")


def listen(tab):
    """Return two lists that fill: errors on the console of `tab`, hosts other than this machine that it asks."""
    errors, hosts = [], []
    tab.on("console", lambda message: errors.append(f"{message.text} {message.location.get('url', '')}") if message.type == "error" else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: hosts.append(host) if (host := urlsplit(request.url).hostname or "") not in LOCAL else None)
    return errors, hosts


def code_cells(state):
    """Return the cells of the notebook on display that hold code."""
    return [cell for cell in state["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def failures(cells):
    """Return (cell id, what it raised) for each cell whose output is an error."""
    return [(cell["id"], f"{out['ename']}: {out['evalue']}") for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]


def refuse_questions(tab):
    """Raise if JupyterLab asks or announces something: news, a kernel to choose, a kernel that died."""
    question = tab.locator(".jp-Dialog, .Toastify__toast")
    if question.count(): raise RuntimeError(f"JupyterLab interrupts: {question.first.inner_text()!r}")


def at_rest(state):
    """Whether the kernel is idle and every cell was run, or one raised."""
    reached = [cell for cell in code_cells(state) if cell["execution_count"]]  # the others show what was stored
    return state["kernel"] == "idle" and (len(reached) == len(code_cells(state)) or failures(reached))


def wait_for(tab, ready, deadline, what):
    """Return the state of the notebook as soon as it is `ready`."""
    while time.monotonic() < deadline:
        refuse_questions(tab)
        if (state := tab.evaluate(STATE)) and ready(state): return state
        tab.wait_for_timeout(500)
    raise TimeoutError(f"time is up while {what}")


def run_all(tab, deadline):
    """Run all cells by the menu, in the kernel that JupyterLab started for the notebook; return when it has come to rest."""
    wait_for(tab, lambda state: state["kernel"] == "idle", deadline, "the kernel starts")
    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    wait_for(tab, at_rest, deadline, "cells run")


def kind(cell, mime):
    """Whether an output of the cell has this type."""
    return any(mime in out.get("data", {}) for out in cell.get("outputs", []))


def text_of(cell):
    """Return what the cell printed, on both streams."""
    return "".join("".join(out["text"]) for out in cell["outputs"] if out["output_type"] == "stream")


def picture(tab, element, path):
    """Write what the browser shows when it has scrolled to `element`."""
    element.scroll_into_view_if_needed()
    tab.wait_for_timeout(500)  # cells are drawn as they come into view, which may move them
    element.scroll_into_view_if_needed()
    tab.screenshot(path=path)


def inspect(tab, stored, state, folder):
    """Return (plots seen, bars seen, what is wrong) of a notebook that ran; pictures of it go to `folder` unless that is None."""
    expected, plots, bars = {cell["id"] for cell in stored if kind(cell, "image/png")}, 0, 0
    wrong = [f"cell {i}: {error}" for i, error in failures(code_cells(state))]
    for number, cell in enumerate(state["cells"]):
        if cell not in code_cells(state): continue
        element = tab.locator(".jp-Notebook .jp-Cell").nth(number)
        element.scroll_into_view_if_needed()
        shown = element.evaluate(SHOWN)
        if not cell["execution_count"]: wrong.append(f"cell {cell['id']} was not run")
        if cell["id"] in expected and not shown["plots"]: wrong.append(f"cell {cell['id']} shows no plot, but did when it was stored")
        if kind(cell, "application/vnd.jupyter.widget-view+json") and not shown["bars"]: wrong.append(f"cell {cell['id']}: its progress bar does not show")
        if TEXT_BAR.search(text_of(cell)): wrong.append(f"cell {cell['id']}: a progress bar is text, not a widget")
        plots, bars = plots + shown["plots"], bars + shown["bars"]
        if folder and (shown["plots"] or shown["bars"]): picture(tab, element, folder/f"{number:02}_{cell['id']}.png")
    return plots, bars, wrong


def visit(tab, address, path, minutes, folder):
    """Run the notebook at `address` in the browser tab; return its line of the report and what is wrong."""
    errors, hosts = listen(tab)
    stored, start = json.loads(path.read_text(encoding="utf-8"))["cells"], time.monotonic()
    tab.goto(address)
    tab.wait_for_url(re.compile("/lab/tree/"))
    run_all(tab, start + 60*minutes)
    seconds = time.monotonic() - start
    tab.wait_for_timeout(1000)  # the last output is on its way
    state = tab.evaluate(STATE)
    plots, bars, wrong = inspect(tab, stored, state, folder)
    if folder: picture(tab, tab.locator(".jp-Notebook .jp-Cell").first, folder/"top.png")
    wrong += [f"console: {error}" for error in dict.fromkeys(errors)] + [f"asks {host}" for host in dict.fromkeys(hosts)]
    return f"{seconds:6.1f} s  {len(code_cells(state))} cells, {plots} plots, {bars} progress bars ", bars, wrong


def check(browser, project, notebook, args):
    """Return the line of the report on one notebook, and what is wrong with it."""
    folder, bars, line = args.screenshots and args.screenshots/notebook.stem, args.bars, ""
    if folder: folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as home, browser.new_context(viewport=dict(width=1280, height=900)) as context:
        tab = context.new_page()
        try:
            with lab(project, notebook, Path(home)) as address: line, bars, wrong = visit(tab, address, project/notebook, args.limit, folder)
        except Exception as error:
            if folder: tab.screenshot(path=folder/"failed.png")
            wrong = [str(error), *(Path(home)/"log").read_text(errors="replace").splitlines()[-15:]]
    if bars < args.bars: wrong.append(f"{bars} progress bars, expected {args.bars} at least")
    return f"{'failed' if wrong else 'passed'} {line} {notebook}", wrong


def check_all(browser, project, args):
    """Run and report the notebooks named; returns whether all is well."""
    well = True
    for notebook in [path.resolve().relative_to(ROOT) for path in args.notebooks] or [TUTORIAL]:
        line, wrong = check(browser, project, notebook, args)
        print("\n    ".join([line, *wrong]), flush=True)
        well = well and not wrong
    return well


PLOT_AND_BAR = f"""import os, sys
import matplotlib.pyplot as plt
from tqdm.auto import tqdm
assert sys.prefix == {sys.prefix!r} and os.path.basename(os.getcwd()) == 'nbs'
for _ in tqdm(range(3)): pass
plt.plot([1, 2]);"""
EXAMPLES = {  # notebook: (its only cell, type of the stored output, what it must be refused for)
    "good": (PLOT_AND_BAR, "image/png", ""),
    "raises": ("1/0", None, "ZeroDivisionError"),
    "dies": ("import os; os._exit(1)", None, "Kernel Restarting"),
    "lost_plot": ("print('no plot')", "image/png", "shows no plot"),
    "text_bar": ("from tqdm import tqdm\nfor _ in tqdm(range(3)): pass", None, "is text, not a widget"),
    "no_bar": ("pass", None, "expected 1 at least"),
    "elsewhere": ("from IPython.display import HTML\nHTML('<img src=\"http://elsewhere.invalid/x.png\">')", None, "asks elsewhere.invalid"),
}


def write_notebook(path, source, mime):
    """Write a notebook of one cell, with a stored output of type `mime` unless that is None."""
    output = [dict(output_type="display_data", data={mime: ""}, metadata={})] if mime else []
    cell = dict(cell_type="code", id="only", execution_count=None, metadata={}, outputs=output, source=source)
    spec = dict(name="python3", display_name="python3", language="python")
    path.write_text(json.dumps(dict(cells=[cell], metadata=dict(kernelspec=spec), nbformat=4, nbformat_minor=5)), encoding="utf-8")


def self_test(browser, project, args):
    """Run notebooks made for it; returns whether the good one passes and each of the others is refused, for the right reason."""
    right = 0
    for name, (source, mime, expected) in EXAMPLES.items():
        args.bars = int(name in ("good", "no_bar"))
        write_notebook(project/"nbs"/f"{name}.ipynb", source, mime)
        line, wrong = check(browser, project, Path(f"nbs/{name}.ipynb"), args)
        noticed = [reason for reason in wrong if expected and expected in reason]
        as_expected = bool(noticed) if expected else not wrong
        right += as_expected
        print("\n    ".join([line, *(noticed if as_expected else wrong)]), flush=True)
    print(f"self-test: {right} of {len(EXAMPLES)} as expected")
    return right == len(EXAMPLES)


def main():
    """Run the notebooks named; the exit code is 1 if anything is wrong with one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help=f"notebooks to run (default: {TUTORIAL})")
    parser.add_argument("--bars", type=int, default=0, metavar="N", help="progress bars that each must show at least (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=15, metavar="MINUTES", help="for one notebook (default: %(default)s)")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER", help="pictures of the top and of each plot and progress bar")
    parser.add_argument("--self-test", action="store_true", help="is what is wrong noticed? Runs small notebooks made for it")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the `finally`s, which end the server
    with TemporaryDirectory() as folder, chromium() as browser:
        copy_project(Path(folder))
        return not (self_test if args.self_test else check_all)(browser, Path(folder), args)


if __name__ == "__main__": sys.exit(main())
