#!/usr/bin/env python
"""Print how long the exported definitions are: lines of each function, method and class body, their median, and those over 25."""
import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def lengths():
    """Yield (lines, name) of every top-level definition of the package, decorators and docstring included."""
    for path in sorted((ROOT/"embedtune").glob("[a-z]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                arguments = node.body[0].lineno - node.lineno if isinstance(node, ast.FunctionDef) else 0  # one a line, with its comment
                yield node.end_lineno - node.lineno + 1 - arguments, f"{path.stem}.{node.name}"


if __name__ == "__main__":
    found = sorted(lengths(), reverse=True)
    print(f"{len(found)} definitions, median {statistics.median(n for n, _ in found)} lines without their arguments")
    for n, name in found:
        if n > 25: print(f"{n:4} {name}")
