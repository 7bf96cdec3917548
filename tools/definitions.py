#!/usr/bin/env python
"""Print how long the exported definitions are, and which lack a docstring, a comment on an argument, or an example in their chapter."""
import ast
import re
import statistics
import sys
from pathlib import Path

from nbdev.process import NBProcessor

ROOT = Path(__file__).resolve().parent.parent


def module_of(cells):
    """Return the module that a chapter writes, as its `default_exp` says."""
    return next(cell.directives_["default_exp"][0] for cell in cells if "default_exp" in cell.directives_)


def chapters():
    """Yield (module, exported cells, text of the cells that show or test) of every chapter."""
    for path in sorted((ROOT/"nbs").glob("[0-9]*.ipynb")):
        cells = [cell for cell in NBProcessor(path, process=True).nb.cells if cell.cell_type == "code"]
        exports = [cell.source for cell in cells if {"export", "exporti", "exports"} & cell.directives_.keys()]
        yield module_of(cells), exports, "\n".join(cell.source for cell in cells if cell.source not in exports)


def arguments(node):
    """Return the arguments of a function, or the annotated fields of a class."""
    if isinstance(node, ast.ClassDef): return [each for each in node.body if isinstance(each, ast.AnnAssign)]
    spread = [each for each in (node.args.vararg, node.args.kwarg) if each]
    return [each for each in node.args.posonlyargs + node.args.args + node.args.kwonlyargs + spread if each.arg not in ("self", "cls")]


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


def main():
    """Print lengths and gaps; the exit code is 1 if anything is missing."""
    found = list(definitions())
    complete = sum(not missing for *_, missing in found)
    for name, length, _ in found:
        if length > 25: print(f"{length:4} lines   {name}")
    for name, _, missing in found:
        if missing: print(f"missing      {name}: {', '.join(missing)}")
    print(f"{len(found)} definitions, median {statistics.median(length for _, length, _ in found):g} lines without their arguments; "
          f"{complete} ({complete/len(found):.0%}) with docstring, comments on all arguments and an example")
    return complete < len(found)


if __name__ == "__main__": sys.exit(main())
