"""Sphinx's settings for the site; `make docs` runs it on the sources that build.py writes."""
from collections import Counter

from docutils import nodes
from myst_nb import sphinx_ext
from nbdev.config import get_config

cfg = get_config()
project, author, copyright, release = cfg.title, cfg.author, cfg.copyright, cfg.version
extensions = ["myst_nb"]
nb_execution_mode = "off"
sphinx_ext.OUTPUT_FOLDER = "_proc/jupyter_execute"  # no setting says where myst-nb puts the pictures; beside _docs/ they would be in git's way
nb_render_markdown_format = "myst"
suppress_warnings = ["misc.highlighting_failure"]  # shown all the same, such as "…" in Python
myst_enable_extensions, myst_heading_anchors = ["strikethrough"], 4
python_maximum_signature_line_length = 80
add_module_names, toc_object_entries_show_parents = False, "hide"
html_theme, html_title = "furo", cfg.title
html_static_path, html_css_files = ["static"], ["docs.css"]
html_favicon = "static/icon.svg"
html_copy_source = html_show_sphinx = html_use_index = html_domain_indices = False
html_theme_options = {"navigation_with_keys": True}


def link_names(app, doctree, page):
    """Link names of the package that stand as code in the text to the API, once a paragraph; not those that several modules have."""
    entries = [(full.split(".", 2)[-1], entry) for full, entry in app.env.domaindata["py"]["objects"].items() if entry.objtype != "module"]
    count = Counter(name for name, _ in entries)
    known = {name: entry for name, entry in entries if count[name] == 1}
    for paragraph in doctree.findall(nodes.paragraph):
        found = {code.astext().removesuffix("()"): code for code in reversed([*paragraph.findall(nodes.literal)]) if not isinstance(code.parent, nodes.reference)}
        for name in known.keys() & found.keys():
            target = known[name]
            uri = app.builder.get_relative_uri(page, target.docname) + "#" + target.node_id
            found[name].replace_self(nodes.reference("", "", found[name].deepcopy(), refuri=uri, internal=True))


def setup(app):
    """Called by Sphinx."""
    app.connect("doctree-resolved", link_names)
