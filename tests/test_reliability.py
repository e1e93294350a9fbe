"""What docs/reliability.md and SECURITY.md promise is shown by tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("docs/reliability.md", "SECURITY.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document):
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / document).read_text())
    assert len(named) > 10
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not test or test in names, f"{document}: {file}::{test}"


def test_every_limit_that_is_named_exists():
    from leukoscope.pictures import images
    from leukoscope.pictures.formats import headers
    from leukoscope.scanning import archives

    text = (ROOT / "docs/reliability.md").read_text()
    modules = {"images": images, "archives": archives, "headers": headers}
    for module, name in re.findall(r"`(images|archives|headers)\.(\w+)`", text):
        assert hasattr(modules[module], name) or name == "py", f"{module}.{name}"
    assert f"| {images.MAX_PIXELS // 10**6} million |" in text
    assert f"{images.MAX_DECODING // 2**20} MB: of WebP {images.MAX_DECODING // 16 // 10**6}," in text
    assert f"| {headers.MOST_SCANS}; {headers.MOST_METADATA // 2**20} MB |" in text
    assert f"| {headers.MOST_CHUNKS:,}; {headers.MOST_BLOCKS:,}; {headers.MOST_VALUES:,} |" in text
