"""The pages of the API, from the source: signatures as they stand there, docstrings, and docments (the comment behind each parameter)."""
import ast
from io import StringIO
from tokenize import COMMENT, generate_tokens

from mdit_py_plugins.anchors.index import slugify

DEFS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def text(part):
    """Return the source of a part of a definition, '' for none."""
    return ast.unparse(part) if part else ""


def owner_of(node):
    """Return the class that a function is added to by `@patch`, or None."""
    return isinstance(node, ast.FunctionDef) and any(text(d).startswith("patch") for d in node.decorator_list) and text(node.args.args[0].annotation).strip("'") or None


def kind_of(node, owner):
    """Return Sphinx's name for this kind of definition."""
    if isinstance(node, ast.ClassDef): return "exception" if any("Error" in text(base) for base in node.bases) else "class"
    how = " ".join(map(text, node.decorator_list))
    names = {"property": "property", "as_prop": "property", "staticmethod": "staticmethod", "classmethod": "classmethod", "cls_method": "classmethod"}
    return next((kind for mark, kind in names.items() if mark in how), "method" if owner else "function")


def arguments(args):
    """Return [(name, type, default, line)] of a function's parameters."""
    places = args.posonlyargs + args.args
    found = [*zip(places, [None]*(len(places) - len(args.defaults)) + args.defaults), (args.vararg, None), *zip(args.kwonlyargs, args.kw_defaults), (args.kwarg, None)]
    return [("*"*((arg is args.vararg) + 2*(arg is args.kwarg)) + arg.arg, text(arg.annotation), text(default), arg.lineno) for arg, default in found if arg]


def define(node, comments, owner=None, **where):
    """Return the definition as a dict: `kind`, `name`, `signature`, `doc`, `rows` of parameters, `inner` definitions; `comments` are {line: text}."""
    is_class = isinstance(node, ast.ClassDef)
    owner = owner or (None if is_class else owner_of(node))
    inner = [define(f, comments, node.name, **where) for f in node.body if isinstance(f, DEFS) and f.name[0] != "_"] if is_class else []
    kind = kind_of(node, owner)
    call = next((f for f in node.body if getattr(f, "name", "") == "__init__"), None) if is_class else node
    if call and (owner or is_class) and kind != "staticmethod": call.args.args.pop(0)
    found = arguments(call.args) if call else [(f.target.id, text(f.annotation), text(f.value), f.lineno) for f in node.body if isinstance(f, ast.AnnAssign)]
    result = None if is_class else node.returns
    found += [("returns", text(result), "", result.lineno)] if result else []
    last = {line: name for name, *_, line in found}  # of several in a line, the last one has the comment, as fastcore has it
    rows = [(name, kind, default, comments.get(line, "") if last[line] == name else "") for name, kind, default, line in found]
    given = text(call.args) if call else ", ".join(f"{name}: {kind}{default and ' = ' + default}" for name, kind, default, _ in rows)
    signature = f"({given})" + (f" -> {text(result)}" if result else "")
    return dict(where, kind=kind, name=node.name, owner=owner, signature="" if kind == "property" else signature, doc=ast.get_docstring(node) or "", rows=rows, inner=inner)


def definitions(source, **where):
    """Return the public definitions of a cell, each with `where` it stands."""
    comments = {token.start[0]: token.string.lstrip("# ") for token in generate_tokens(StringIO(source).readline) if token.type == COMMENT}
    return [define(node, comments, **where) for node in ast.parse(source).body
            if isinstance(node, DEFS) and node.name[0] != "_" and not (owner_of(node) or "").startswith("_")]


def parameters(definition):
    """Return the table of parameters without its empty columns, '' if nothing is said of them."""
    code = lambda part: part and f"`{part}`"
    lines = [["*returns*" if name == "returns" else code(name), code(kind), code(default), meaning] for name, kind, default, meaning in definition["rows"]]
    if not any(line[-1] for line in lines): return ""
    columns = [[title, "---", *names] for title, names in zip(["parameter", "type", "default", "meaning"], zip(*lines)) if any(names)]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in zip(*columns))


def described(definition, fence="`"*6):
    """Return a definition as Sphinx's Python domain reads it."""
    name = definition["name"] if not definition["owner"] or len(fence) < 6 else f"{definition['owner']}.{definition['name']}"
    chapter = f"[{definition['heading'] or 'Chapter'}](../{definition['page']}{definition['heading'] and '#' + slugify(definition['heading'].replace('`', ''))})"
    inner = [described(one, fence[1:]) for one in definition["inner"]]
    return "\n\n".join([f"{fence}{{py:{definition['kind']}}} {name}{definition['signature']}", definition["doc"], parameters(definition),
                        *([f"Chapter: {chapter}"] if len(fence) == 6 else []), *inner, fence])


def api_page(chapter):
    """Return the Markdown of a chapter's module: a table of its names, then each of them."""
    found = [dict(one) for one in chapter.found]
    classes = {one["name"]: one for one in found if one["kind"] == "class"}
    for one in found:  # methods that `@patch` adds stand with their class
        if one["owner"] in classes: classes[one["owner"]]["inner"] = classes[one["owner"]]["inner"] + [one]
    found = [one for one in found if one["owner"] not in classes]
    module = f"embedtune.{chapter.module}"
    row = lambda one: f"| {{py:obj}}`{one['name']} <{module}.{one['owner'] + '.' if one['owner'] else ''}{one['name']}>` | {one['doc'].splitlines()[0] if one['doc'] else ''} |".replace(r"\|", "|")
    return "\n\n".join([f"# {chapter.module}", f"> {chapter.subtitle}", f"The module `{module}`, explained in the chapter [{chapter.title}](../{chapter.page}).",
                        f"```{{py:module}} {module}\n```", "\n".join(["| name | |", "|---|---|", *map(row, found)]), *map(described, found)]) + "\n"
