"""Sphinx's settings for the site. `scripts/build_site.py` prepares what it reads, and calls it."""

import json
import os
import shutil
import sys
from importlib.metadata import files
from pathlib import Path

sys.modules["rfc3987_syntax"] = None  # takes seconds to import, to check addresses that notebooks lack
SITE = json.loads(Path(os.environ["SITE_SETTINGS"]).read_text(encoding="utf-8"))

language = SITE["language"]
project = {"en": "Diffusion models, hands on", "fr": "Les modèles de diffusion par la pratique"}[language]
author = copyright = ""
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["extra", "files"]
templates_path = ["_templates"]

# Committed outputs are shown, nothing is executed.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"
nb_code_prompt_show = {"en": "Setup", "fr": "Préparation"}[language]
nb_code_prompt_hide = nb_code_prompt_show
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_all_links_external = False
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]

default_role = "py:obj"  # `name` in a docstring is code, and a link where there is such a name
add_module_names = False
numpydoc_show_class_members = False
autosummary_generate = False  # numpydoc switches it on, and it would only look for work
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them, in words
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_extra_path = [SITE["extra"]]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_logo = html_favicon = "_static/logo.png"
html_copy_source = html_show_sourcelink = html_show_sphinx = html_show_copyright = False
html_show_search_summary = False  # it fetches the pages, which browsers refuse to pages from files
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "article_header_end": ["site-buttons.html"],
    "navbar_persistent": [],
    "show_toc_level": 2,
    "footer_content_items": [],
    "search_bar_text": {"en": "Search", "fr": "Rechercher"}[language],
    "toc_title": {"en": "On this page", "fr": "Sur cette page"}[language],
}
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["navbar-logo.html", "search-button-field.html", "site-nav.html"]}

# MathJax 3 from the package sphinx-mathjax-offline (Apache 2.0): its script and its fonts, no network.
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}
MATHJAX = ("/mathjax/tex-chtml.js", "/mathjax/output/chtml/fonts/woff-v2/")


def copy_mathjax(app, error) -> None:
    """Put the part of MathJax that pages load beside them."""
    for file in [] if error else files("sphinx-mathjax-offline"):
        name = "/" + file.as_posix().partition("/static/")[2]
        if name.startswith(MATHJAX):
            target = Path(app.outdir, "_static" + name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def add_links(app, pagename, templatename, context, doctree) -> None:
    """Tell the templates where the page is in other languages, on Colab, and as a notebook."""
    up = "../" * (pagename.count("/") + 1)
    page = pagename if doctree is not None else "search" if pagename == "search" else "index"
    context["languages"] = [
        {"code": code, "name": name, "url": f"{up}{code}/{page}.html"}
        for code, name in SITE["languages"].items()
    ]
    context["colab"] = SITE["colab"].get(pagename)
    context["notebook"] = f"{pagename.rpartition('/')[2]}.ipynb" if pagename in SITE["notebooks"] else None


def skip_fields(app, what, name, obj, skip, options) -> bool | None:
    """Leave out the fields of a named tuple, of which Python only says which number they have."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app) -> None:
    """Connect the functions above."""
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("build-finished", copy_mathjax)
    app.connect("html-page-context", add_links)
