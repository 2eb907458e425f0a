"""Turn executed notebooks into pages that need no network, and an index of them."""

import base64
import html
import logging
import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# The page must not wait for the network: no script blocks it, and MathJax lies beside it.
PAGE = """{% extends 'index.html.j2' %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_js_mathjax %}
<script type="text/x-mathjax-config">
MathJax.Hub.Config({messageStyle: "none", tex2jax: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]],
  displayMath: [["$$", "$$"], ["\\\\[", "\\\\]"]], processEscapes: true, processEnvironments: true},
  "HTML-CSS": {availableFonts: [], preferredFont: null, webFont: "STIX-Web"}});
</script>
<script async src="mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe"></script>
{% endblock %}
"""
INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The series</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 3rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8886; }}
td.number, th.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
</style></head><body><h1>The series</h1>
<table><tr><th>notebook</th><th class="number">cells</th><th class="number">seconds</th>
<th class="number">pictures</th><th></th></tr>
{rows}
</table></body></html>
"""


def make_page(notebook: NotebookNode, name: str, folder: Path) -> str:
    """Return a notebook as one HTML page that needs no other file but MathJax for its formulas."""
    page = nbformat.from_dict(notebook)
    page.metadata.pop("widgets", None)
    for cell in page.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(without_widget, cell.outputs) if output]
    exporter = HTMLExporter(raw_template=PAGE)
    exporter.log.setLevel(logging.ERROR)
    text, _ = exporter.from_notebook_node(page, resources={"metadata": {"name": name}})
    text = re.sub(r'(<img\b[^>]*?\bsrc=")([^"]+)"', lambda match: embed(match, folder), text)
    return re.sub(r'(<a\b[^>]*?\bhref="[^"/:]+)\.ipynb(?=[#"])', r"\1.html", text)


def without_widget(output: NotebookNode) -> NotebookNode | None:
    """Return an output as a page can show it, or None where it was nothing but a live widget."""
    if WIDGET_VIEW not in output.get("data", {}):
        return output
    output = nbformat.from_dict(output)
    del output.data[WIDGET_VIEW]
    return output if set(output.data) - {"text/plain"} else None


def embed(match: re.Match, folder: Path) -> str:
    """Return an image tag with a local file's content in the place of its name."""
    source = match[2]
    path = folder / source
    if re.match(r"[a-z]+:|//", source) or not path.is_file():
        return match[0]
    kind = mimetypes.guess_type(path.name)[0] or "image/png"
    return f'{match[1]}data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"'


def make_index(results: Sequence) -> str:
    """Return the page that lists the notebooks of a run."""
    rows = []
    for result in results:
        # A file that is no notebook has no page.
        title = html.escape(result.title)
        link = f'<a href="{result.name}.html">{title}</a>' if title else html.escape(result.name)
        numbers = (result.cells, f"{result.seconds:.1f}", result.pictures)
        columns = "".join(f'<td class="number">{number}</td>' for number in numbers)
        rows.append(f"<tr><td>{link}</td>{columns}<td>{html.escape(result.error)}</td></tr>")
    return INDEX.format(rows="\n".join(rows))
