"""Sphinx's settings for the site: ``make site`` builds it from the notebooks as they are stored.

Nothing is executed and nothing is fetched, by the build or by a page: mathematics becomes MathML,
every figure's alternative text is the sentence that ``figures.show`` stored with it.
"""

import json
import re
import tomllib
from pathlib import Path
from urllib.parse import quote, urlsplit

from docutils import nodes
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["course"]

project = "Entropy and localisation"
copyright = "the entreg_utils authors, MIT licence"
language = "en"
root_doc = "docs/index"
extensions = ["myst_nb"]
include_patterns = ["docs/*.md", "notebooks/*.ipynb", "README.md", "data/README.md"]
# What Sphinx would otherwise walk through in search of pages.
exclude_patterns = [".*", "build", "site", "lab", "results", "tests", "entreg_utils", "data/?*/**"]
suppress_warnings = ["toc.empty_glob"]

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
myst_dmath_double_inline = True
html_math_renderer = "mathml"

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_copy_source = False
html_show_sphinx = False
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"


def launch(notebook: str, repository: str, branch: str = "main") -> dict[str, str]:
    """Where the notebook opens with a kernel: name of the service -> its address.

    Args:
        notebook: its path in the repository.
        repository: address of the public repository; "" for no buttons.
    """
    place = urlsplit(repository)
    path = place.path.strip("/").removesuffix(".git")
    buttons, lab = {}, f"urlpath={quote(f'lab/tree/{notebook}', safe='')}"
    if place.hostname == "github.com":
        opened = f"github/{path}/blob/{branch}/{notebook}"
        buttons["Colab"] = f"https://colab.research.google.com/{opened}"
        buttons["Binder"] = f"https://mybinder.org/v2/gh/{path}/{branch}?{lab}"
    elif repository:
        where = quote(repository, safe="")
        buttons["Binder"] = f"https://mybinder.org/v2/git/{where}/{branch}?{lab}"
    return buttons


def as_page(text: str) -> str:
    """A notebook's JSON in which each cell tells MyST-NB its figure's alternative text."""
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)  # which Lab stores; their script is on a server
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output["metadata"].get("image/png", {}).get("alt", "")
                cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
    return json.dumps(notebook)


def read_source(app, docname: str, source: list[str]) -> None:
    if docname.startswith("notebooks/"):
        source[0] = as_page(source[0])


def add_launch(app, pagename, templatename, context, doctree) -> None:
    """The buttons of a notebook's page, for the template."""
    if pagename.startswith("notebooks/"):
        context["launch"] = launch(f"{pagename}.ipynb", **SETTINGS)


def mathml(text: str, display: str = "inline") -> str:
    """LaTeX as MathML, with the thin spaces that belong around the name of a function."""
    text = re.sub(r"(?<=[\w}])\s*(\\(?:log|exp)\b)", r"\\,\1", text)
    text = re.sub(r"(\\(?:log|exp)\b)\s*(?=[\w\\])", r"\1\\,", text)
    return convert(text, display=display)


def visit_math(self, node: nodes.math) -> None:
    self.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(self, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def front_door(app, exception) -> None:
    """``index.html`` at the top, where people look for it."""
    if exception is None and app.builder.name == "html":
        page = (
            '<!doctype html><html lang="en"><title>{0}</title><meta http-equiv="refresh" '
            'content="0; url={1}"><a href="{1}">{0}</a></html>'
        )
        front = Path(app.outdir, "index.html")
        front.write_text(page.format(project, f"{root_doc}.html"), encoding="utf-8")


def setup(app) -> dict:
    app.connect("source-read", read_source)
    app.connect("html-page-context", add_launch)
    app.connect("build-finished", front_door)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
