"""Pages of the site that are made while it is built: what the program says of itself is not copied by hand."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from unittest import mock

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
COMMANDS = (
    ("segment",), ("watch",), ("serve",), ("bag",), ("node",), ("import",), ("models",), ("doctor",), ("evaluate",),
    ("tables",), ("demo", "grasp"), ("benchmark",), ("generate",), ("convert",), ("prelabel",), ("finetune",),
    ("export",), ("train", "heads"), ("train", "compact"), ("train", "average"),
    ("train", "shipped"), ("reproduce",),
)  # fmt: skip
HELP_COLUMNS = 80
NOTEBOOKS = {"segment-and-prompt": "segment_and_prompt", "fine-tune": "fine_tune"}
"""Page below get-started/ -> notebook."""
RESULTS = ROOT / "benchmarks" / "results"
BASES_MARK = re.compile(r"<!-- table of ([\w.-]+\.json) -->")
"""Where a page wants the table of a record of ``benchmarks/bases.py``."""
COPIES = {"development/contributing.md": "CONTRIBUTING.md", "development/changelog.md": "CHANGELOG.md"}
"""Page -> file in the repository's root, where people look for it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the made pages."""
    pages = {"reference/cli.md": command_line_page()}
    pages |= {f"get-started/{page}.md": notebook_page(ROOT / "notebooks" / f"{name}.ipynb")
              for page, name in NOTEBOOKS.items()}  # fmt: skip
    pages |= {page: copied_page(ROOT / name) for page, name in COPIES.items()}
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of settings, and those of records, where a page asks for them."""
    mark = "<!-- settings table -->"
    with_settings = markdown.replace(mark, settings_table()) if mark in markdown else markdown
    return BASES_MARK.sub(lambda found: bases_table(RESULTS / found[1]), with_settings)


def on_page_content(html: str, **_: Any) -> str:
    """Show what docstrings refer to by Sphinx roles as plain names."""
    return re.sub(r":(?:meth|class|func|attr|mod|data|exc):<code>~?(?:\w+\.)*(\w+)</code>", r"<code>\1</code>", html)


def command_line_page() -> str:
    """Every command's own help, headed by its name."""
    intro = (ROOT / "docs" / "reference" / "cli-intro.txt").read_text(encoding="utf-8")
    parts = [intro.strip()]
    for words in COMMANDS:
        parts += [f"## uois-sam {' '.join(words)}", f"```text\n{help_of(words)}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(words: tuple[str, ...]) -> str:
    """What a command prints for --help."""
    from uois_sam.cli.main import main

    output = io.StringIO()
    plain = {"COLUMNS": str(HELP_COLUMNS), "NO_COLOR": "1", "TERM": "dumb"}
    with mock.patch.dict(os.environ, plain), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue()).strip()


def settings_table() -> str:
    """The fields of InferenceConfig with their meaning, the paper's value and that of the bundled weights."""
    from uois_sam.config import InferenceConfig

    card = json.loads((ROOT / "src/uois_sam/weights/compact/model.json").read_text(encoding="utf-8"))
    meanings = attribute_docstrings(ROOT / "src/uois_sam/config.py", "InferenceConfig")
    rows = ["| setting | default (the paper) | compact | meaning |", "|---|---|---|---|"]
    for field in fields(InferenceConfig):
        values = [_shown(field.default), _shown(card["selection"].get(field.name, field.default))]
        rows.append(f"| `{field.name}` | {' | '.join(values)} | {meanings[field.name]} |")
    return "\n".join(rows)


def bases_table(path: Path) -> str:
    """Times and memory by base out of a record of ``benchmarks/bases.py``; says so where there is none yet."""
    if not path.is_file():
        return f"*`{path.name}` has not been measured yet.*"
    spec = spec_from_file_location("bases", ROOT / "benchmarks" / "bases.py")
    assert spec is not None and spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    table: str = script.shown(json.loads(path.read_text(encoding="utf-8")))
    return f"{table} (`{path.name}`)"


def attribute_docstrings(path: Path, name: str) -> dict[str, str]:
    """The string below each field of a class, on one line."""
    classes = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    body = next(node for node in classes if node.name == name).body
    found = {}
    for target, text in zip(body, body[1:], strict=False):
        if isinstance(target, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[ast.unparse(target.target)] = " ".join(str(text.value.value).split()).replace("``", "`")
    return found


def _shown(value: object) -> str:
    return f"`{value:.3g}`" if isinstance(value, float) else f"`{value}`"


def notebook_page(path: Path) -> str:
    """A notebook with its stored outputs as a page."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [text for output in cell.get("outputs", []) if (text := _output(output))]
    origin = f"*This page is `notebooks/{path.name}`, which continuous integration executes.*"
    return "\n\n".join([parts[0], origin, *parts[1:]]) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<img alt="output of the cell above" src="data:{kind};base64,{"".join(data[kind]).strip()}">'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```" if text else ""


def copied_page(path: Path) -> str:
    """A file of the repository's root, its links into docs/ made relative to the page."""
    return path.read_text(encoding="utf-8").replace("](docs/", "](../")
