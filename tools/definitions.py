#!/usr/bin/env python
"""Print how long the exported definitions are, which lack a docstring, comments or an example, and how wide and dense the modules are.

The share of lines over 110 columns may fall and not rise: when it falls, lower MOST_WIDE."""
import ast
import re
import statistics
import sys
from pathlib import Path

from nbdev.process import NBProcessor

ROOT = Path(__file__).resolve().parent.parent
BORROWED = "_As(", "_RUN", "_READ", "_TUNED", "_ASKED", "_SPLIT", "_LOADED", "_CORPUS", "_LLM", "_LABEL", "_DRIFT", "_SERVED", "_TAKES"  # defaults of the command line that are described elsewhere
WIDE, MOST_WIDE = 110, 0.022  # columns; the largest share of the lines that may be longer


def module_of(cells):
    """Return the module that a chapter writes, as its `default_exp` says."""
    return next(cell.directives_["default_exp"][0] for cell in cells if "default_exp" in cell.directives_)


def chapters():
    """Yield (module, exported cells, text of the cells that show or test) of every chapter."""
    for path in sorted((ROOT/"nbs").glob("[0-9]*/[0-9]*.ipynb")):
        cells = [cell for cell in NBProcessor(path, process=True).nb.cells if cell.cell_type == "code"]
        exports = [cell.source for cell in cells if {"export", "exporti", "exports"} & cell.directives_.keys()]
        yield module_of(cells), exports, "\n".join(cell.source for cell in cells if cell.source not in exports)


def arguments(node):
    """Return the arguments of a function, or the annotated fields of a class."""
    if isinstance(node, ast.ClassDef): return [each for each in node.body if isinstance(each, ast.AnnAssign)]
    spread = [each for each in (node.args.vararg, node.args.kwarg) if each]
    places = node.args.posonlyargs + node.args.args
    given = dict(zip(places[len(places) - len(node.args.defaults):], node.args.defaults))
    borrowed = {each for each, default in given.items() if ast.unparse(default).startswith(BORROWED)}
    return [each for each in node.args.posonlyargs + node.args.args + node.args.kwonlyargs + spread if each.arg not in ("self", "cls") and each not in borrowed]


def lines(node):
    """Return the lines of a definition without its arguments, which stand one a line, each with its comment."""
    functions = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef)]
    return node.end_lineno - node.lineno + 1 - sum(each.body[0].lineno - each.lineno for each in functions)


def lacking(node, source, shown):
    """Return what a reader misses of one definition: a docstring, comments, an example."""
    line = lambda each: source.splitlines()[each.end_lineno - 1][each.end_col_offset:]
    name = lambda each: each.arg if isinstance(each, ast.arg) else each.target.id
    missing = [] if ast.get_docstring(node) else ["docstring"]
    missing += [f"comment on {name(each)}" for each in arguments(node) if "#" not in line(each)]
    return missing if re.search(rf"\b{node.name}\b", shown) or node.name.startswith("__") else missing + ["example"]


def definitions():
    """Yield (name, lines without the arguments, what is missing) of every exported definition."""
    for module, exports, shown in chapters():
        for source in exports:
            for node in ast.parse(source).body:
                if not isinstance(node, (ast.FunctionDef, ast.ClassDef)): continue
                yield f"{module}.{node.name}", lines(node), lacking(node, source, shown)


def sources():
    """Return {module: text} of the modules that the notebooks export."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT/"embedtune").glob("*.py")) if path.stem != "_modidx"}


def wide_share(texts):
    """Return the share of all lines that are over WIDE columns."""
    every = [line for text in texts for line in text.splitlines()]
    return sum(len(line) > WIDE for line in every)/len(every)


def density(texts):
    """Return how many syntax nodes a line holds on which any begins; docstrings do not count."""
    nodes = lines = 0
    for text in texts:
        found = [node for node in ast.walk(ast.parse(text)) if not isinstance(getattr(node, "value", None), ast.Constant) or not isinstance(node, ast.Expr)]
        nodes += len(found)
        lines += len({node.lineno for node in found if hasattr(node, "lineno")})
    return nodes/lines


def public_names(text):
    """Return the names in a module's `__all__`."""
    found = [node.value for node in ast.parse(text).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    return next((ast.literal_eval(value) for value in found if isinstance(value, ast.List) and value.elts), [])


def elsewhere():
    """Return {module or file: the words of its code, and of its prose in backquotes}: chapters by module, other files by path."""
    words = {}
    for path in [*(ROOT/"nbs").rglob("*.ipynb"), *ROOT.glob("tools/**/*.py"), *ROOT.glob("bench/*.py")]:
        cells = NBProcessor(path, process=True).nb.cells if path.suffix == ".ipynb" else []
        exported = any("default_exp" in cell.directives_ for cell in cells if cell.cell_type == "code")
        quoted = lambda cell: " ".join(re.findall(r"`[^`]+`", cell.source)) if cell.cell_type == "markdown" else cell.source
        text = "\n".join(map(quoted, cells)) if cells else path.read_text(encoding="utf-8")
        words[module_of([cell for cell in cells if cell.cell_type == "code"]) if exported else str(path)] = set(re.findall(r"\w+", text))
    return words


def unnamed(public):
    """Return the public names that stand nowhere outside their chapter; `public` is {module: names}."""
    words = elsewhere()
    return [f"{module}.{name}" for module, names in public.items() for name in names
            if not any(name in found for place, found in words.items() if place != module)]


def measures():
    """Print width, density and public names; return whether more lines are wide than may be."""
    texts = sources()
    public = {module: public_names(text) for module, text in texts.items()}
    wide, count = wide_share(texts.values()), sum(map(len, public.values()))
    print(f"{wide:.1%} of the modules' lines are over {WIDE} columns; {density(texts.values()):.1f} syntax nodes a line of code; "
          f"{count} public names, {len(unnamed(public))} of them named in no other chapter, tutorial, tool or benchmark")
    if wide > MOST_WIDE: print(f"expected at most {MOST_WIDE:.2%} of the lines over {WIDE} columns, got {wide:.2%}: break the new ones")
    return wide > MOST_WIDE


def main():
    """Print lengths, gaps and measures; the exit code is 1 if anything is missing, or more lines are wide."""
    found = list(definitions())
    complete = sum(not missing for *_, missing in found)
    for name, length, _ in found:
        if length > 25: print(f"{length:4} lines   {name}")
    for name, _, missing in found:
        if missing: print(f"missing      {name}: {', '.join(missing)}")
    print(f"{len(found)} definitions, median {statistics.median(length for _, length, _ in found):g} lines without their arguments; "
          f"{complete} ({complete/len(found):.0%}) with docstring, comments on all arguments and an example")
    return measures() or complete < len(found)


if __name__ == "__main__": sys.exit(main())
