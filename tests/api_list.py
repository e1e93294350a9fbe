"""The two pages of docs/ that follow from the code: `python -m tests.api_list` (make api) writes them anew.

docs/api.md lists the public names of the library, docs/layout.md says of every folder and file what it does.
"""

import ast
from itertools import takewhile
from pathlib import Path

import leukoscope

ROOT = Path(__file__).parents[1]
LISTED = ROOT / "docs" / "api.md"
LAID_OUT = ROOT / "docs" / "layout.md"
CODE = ("leukoscope", "training", "space", "streamlit_app", "browser", "benchmarks")

HEAD = """# Public names

For whoever writes a program with the library.

Written by `make api`, and compared with the code by `tests/test_architecture.py`: what changes here changes for users,
and belongs in [CHANGELOG.md](../CHANGELOG.md). Names that begin with an underscore are nobody's but their module's.
"""

LAYOUT_HEAD = """# Layout

For whoever looks for the file that does something.

Written by `make api` from the first words of each file. Beside these folders there are

- `docs/`, whose pages the [README](../README.md#where-to-read-on) lists, and `model_card.md`, the card that publishing
  fills in;
- `notebooks/`: `quickstart.ipynb` and `training.ipynb`;
- `leukoscope/pretrained/`: the embedded checkpoint, and `training/results/`: what was measured;
- `findings/`: surprises in other software, a script each (`make findings`);
- `tests/`, with a folder for each of those below, and `static_page` for `browser/`; `tests/hostile/` builds a corpus
  of hostile files, and has the fuzzer.

The apps (`space/`, `streamlit_app/`) and `training/` use the library, never each other; `benchmarks/` uses the library
and `training/`. The library loads neither TensorFlow nor OpenCV nor Gradio nor Streamlit, and Ray only when a cluster
is asked for. `tests/test_architecture.py` holds this. [architecture.md](architecture.md) says how a picture goes
through it.
"""


def signature(node: ast.FunctionDef) -> str:
    """A function's name, arguments and result as its source has them."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){result}"


def opening(file: Path) -> str:
    """The first paragraph of a Python file's docstring, or of the comment that a script of the browser begins with."""
    if file.suffix == ".py":
        words = (ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n")[0]
    else:
        lines = takewhile(lambda line: line.startswith("// "), file.read_text().splitlines())
        words = " ".join(line.removeprefix("// ") for line in lines)
    return " ".join(words.split())


def layout() -> str:
    """The page of folders and files."""
    lines = [LAYOUT_HEAD]
    for top in CODE:
        files = [*(ROOT / top).rglob("*.py"), *(ROOT / top).glob("*.js")]
        for folder in sorted({file.parent for file in files}):
            first = folder / "__init__.py"
            lines += [f"## `{folder.relative_to(ROOT).as_posix()}/`", ""]
            lines += [opening(first), ""] if first.exists() else []
            own = sorted(file for file in files if file.parent == folder and file != first)
            lines += [f"- `{file.name}`: {opening(file)}" for file in own]
            lines.append("")
    return "\n".join(lines)


def summary(node: ast.FunctionDef | ast.ClassDef | ast.Module) -> str:
    """The first line of a docstring."""
    return (ast.get_docstring(node) or "").split("\n", 1)[0]


def public(body: list[ast.stmt]) -> list[ast.FunctionDef | ast.ClassDef]:
    """The functions and classes of a module or a class that users may call."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node for node in body if isinstance(node, kinds) and not node.name.startswith("_")]


def is_property(node: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list)


def members(cls: ast.ClassDef) -> list[str]:
    """A class's fields, properties and methods."""
    fields = [
        ast.unparse(n) for n in cls.body if isinstance(n, ast.AnnAssign) and not ast.unparse(n.target).startswith("_")
    ]
    functions = [n for n in public(cls.body) if isinstance(n, ast.FunctionDef)]
    return fields + [f.name if is_property(f) else signature(f) for f in functions]


def listing() -> str:
    """The page of public names."""
    lines = [HEAD, "## `leukoscope`", "", ", ".join(f"`{name}`" for name in leukoscope.__all__), ""]
    for file in sorted((ROOT / "leukoscope").rglob("*.py"), key=lambda file: file.with_suffix("").parts):
        tree = ast.parse(file.read_text())
        if file.stem.startswith("__") or not public(tree.body):
            continue
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        lines += [f"## `{module}`", "", summary(tree), ""]
        for node in public(tree.body):
            if isinstance(node, ast.FunctionDef):
                lines.append(f"- `{signature(node)}`: {summary(node)}")
            else:
                lines.append(f"- `{node.name}`: {summary(node)}")
                lines += [f"    - `{member}`" for member in members(node)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    LISTED.write_text(listing())
    LAID_OUT.write_text(layout())
