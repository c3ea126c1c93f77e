"""Sphinx: ``tox -e docs`` builds this into docs/_build/html."""

import ast
import inspect
import re
import sys
from pathlib import Path

from sphinx.util.docutils import SphinxDirective
from twisted.python.reflect import namedAny

# The checkout, whatever is installed.
sys.path.insert(0, str(Path(__file__).parent.parent))

import ratchet_py

project = "ratchet_py"
author = "ratchet_py contributors"
copyright = "2026, ratchet_py contributors; a port of Ratchet by Chris Boden and Matt Bonneau"
version = release = ratchet_py.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"ratchet_py {release}"
# The colour of the logo, as dark or as light as text of it must be to be read.
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#b03c18",
        "color-brand-content": "#b03c18",
        "color-brand-visited": "#8a3a52",
    },
    "dark_css_variables": {
        "color-brand-primary": "#f2926f",
        "color-brand-content": "#f2926f",
        "color-brand-visited": "#d79ab0",
    },
}
html_logo = html_favicon = "../ratchet_py/demo/static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["custom.css"]

default_role = "literal"
# Two contracts are called MessageComponentInterface, as in Ratchet; a signature names only that.
suppress_warnings = ["ref.python"]
highlight_language = "python"
highlight_options = {"php": {"startinline": True}}

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_ivar = True

# Only references to our own names are checked: an inventory of Python's and Twisted's would make
# the build depend on their sites.
nitpick_ignore_regex = [("py:.*", r"(?!ratchet_py\.).*")]


def internal(app, env, node, contnode):
    """Leave a name that exists, but is not in the reference, without a link.

    It is internal, or an attribute of objects, which the docstring of their class describes.
    """
    target = node["reftarget"]
    owner, _, attribute = target.rpartition(".")
    try:
        namedAny(target)
    except Exception:
        try:
            documentation = inspect.getdoc(namedAny(owner)) or ""
        except Exception:
            return None
        if re.search(rf"^    {attribute}: ", documentation, re.MULTILINE) is None:
            return None
    return contnode


class ModuleMap(SphinxDirective):
    """``.. module-map::`` shows every module by the first line of its docstring."""

    def run(self):
        """Sphinx asks for this."""
        root = Path(ratchet_py.__file__).parent
        lines = []
        for path in [*sorted(root.glob("*.py")), *sorted(root.glob("*/__init__.py"))]:
            lines.append(f"- {describe(path, root)}")
            if path.parent != root:
                rest = sorted(set(path.parent.glob("*.py")) - {path})
                lines += ["", *(f"  - {describe(each, root)}" for each in rest), ""]
        return self.parse_text_to_nodes("\n".join(lines))


def describe(path, root):
    """A module's name, and what it says of itself first."""
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).partition("\n")[0]
    return f"``{'ratchet_py' if name == '__init__' else name}``: {says}"


def setup(app):
    """Sphinx asks for this."""
    app.add_directive("module-map", ModuleMap)
    app.connect("missing-reference", internal)
