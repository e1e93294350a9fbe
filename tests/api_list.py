"""The public names of the library, as docs/api.md lists them: `python -m tests.api_list` writes it anew."""

import ast
from pathlib import Path

import leukoscope

ROOT = Path(__file__).parents[1]
LISTED = ROOT / "docs" / "api.md"

HEAD = """# Public names

Written by `make api`, and compared with the code by `tests/test_architecture.py`: what changes here changes for users,
and belongs in [CHANGELOG.md](../CHANGELOG.md). Names that begin with an underscore are nobody's but their module's.
"""


def signature(node: ast.FunctionDef) -> str:
    """A function's name, arguments and result as its source has them."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){result}"


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
    """The page."""
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
