"""Which folder may use which, the pages that list names and files, and what must not be in the tree."""

import ast
import io
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from PIL import Image

import leukoscope
from leukoscope.drawn.synthetic import draw_photo
from tests import api_list

ROOT = Path(__file__).parents[1]
# What a folder may import of the others.
MAY_USE = {
    "leukoscope": set(),
    "space": {"leukoscope"},
    "streamlit_app": {"leukoscope"},
    "training": {"leukoscope"},
    "benchmarks": {"leukoscope", "training"},
}
NEVER_IN = {
    "leukoscope": {"gradio", "streamlit", "cv2"},
    "space": {"tensorflow", "keras", "streamlit", "ray", "pyarrow", "cv2"},
    "streamlit_app": {"tensorflow", "keras", "gradio", "ray", "pyarrow", "cv2"},
    "training": {"gradio", "streamlit"},
}
HEAVY = {"tensorflow", "keras", "gradio", "streamlit", "matplotlib", "sklearn", "datasets", "torch"}
HEAVY |= {"ray", "pyarrow", "fsspec", "cv2"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("folder", MAY_USE)
def test_folders_use_only_what_they_may(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    # The apps' modules import each other by bare names, as they lie in the Space: those of their own folder alone.
    own = {file.stem for file in files}
    foreign = {file.stem for app in ("space", "streamlit_app") if app != folder for file in (ROOT / app).glob("*.py")}
    for file in files:
        used = tops(file)
        assert used & (set(MAY_USE) | {"tests"}) <= {folder, *MAY_USE[folder]}, file
        assert not used & NEVER_IN.get(folder, set()), file
        assert not used & (foreign - own - set(sys.stdlib_module_names)), file


# The floors of a folder, the lowest first: what stands on one may use those below it, never one above. Of the modules
# that lie in no folder each is a floor of its own.
FLOORS = {
    "leukoscope": [
        *(
            "errors",
            "files",
            "biology",
            "drawn",
            "pictures.formats",
            "pictures",
            "smear",
            "model",
            "classifier",
            "tuning",
        ),
        *("counting", "showing", "scanning", "cluster", "slides", "commands", "cli"),
    ],
    "training": [
        *("data", "recipe", "fitting", "train", "scoring", "evaluate", "attributes", "export", "finetune"),
        *("studies", "locating.fields", "locating", "publishing", "publish", "documents"),
    ],
}
HELD = {"leukoscope": {"__init__", "__main__", "pretrained"}, "training": {"__init__"}}


@pytest.mark.parametrize("top", FLOORS)
def test_folders_are_floors_and_arrows_point_down(top):
    floors = FLOORS[top]
    for module, used in modules(top).items():
        own = floor_of(module, floors)
        for other in used:
            assert floors.index(floor_of(other, floors)) <= floors.index(own), f"{top}.{module} uses {other}"


@pytest.mark.parametrize("top", FLOORS)
def test_every_folder_has_its_floor_and_says_what_flows_through_it(top):
    folders = {file.parent for file in (ROOT / top).rglob("*.py")} - {ROOT / top}
    named = {".".join(folder.relative_to(ROOT / top).parts) for folder in folders}
    alone = {file.stem for file in (ROOT / top).glob("*.py")} - HELD[top]
    assert named | alone == {*FLOORS[top]} | {floor.split(".")[0] for floor in FLOORS[top] if "." in floor}
    for folder in folders:
        sentence = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())).split("\n\n")[0]
        assert re.search(r"\bgoe?s? in[;,]", sentence), f"{folder} does not say what goes in: {sentence}"
        assert re.search(r"\bcomes? out\b|\bbecomes\b", sentence), f"{folder} does not say what comes out: {sentence}"
        assert 2 <= len(list(folder.glob("*.py"))) - 1 <= 8, folder


@pytest.mark.parametrize("top", FLOORS)
def test_no_arrows_lead_in_a_circle(top):
    try:
        list(TopologicalSorter(modules(top)).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def floor_of(module: str, floors: list[str]) -> str:
    """The floor that a module stands on: its folder's, or its own."""
    return max((floor for floor in floors if f"{module}.".startswith(f"{floor}.")), key=len)


def modules(top: str) -> dict[str, set[str]]:
    """What each module below a folder imports of it, at its top or inside a function; names are of modules."""
    files = {
        ".".join(file.relative_to(ROOT / top).with_suffix("").parts).removesuffix(".__init__"): file
        for file in (ROOT / top).rglob("*.py")
    }
    arrows = {}
    for name, file in files.items():
        if name in HELD[top]:
            continue
        used = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == top:
                package = node.module.removeprefix(top).removeprefix(".")
                for alias in node.names:
                    whole = f"{package}.{alias.name}".strip(".")
                    used.add(whole if whole in files else package)
            elif isinstance(node, ast.Import):
                used |= {alias.name.removeprefix(f"{top}.") for alias in node.names if alias.name.startswith(f"{top}.")}
        arrows[name] = used - {"", name}
    return arrows


@pytest.mark.parametrize("folder", MAY_USE)
def test_no_module_is_too_long_to_be_read(folder):
    modules = [file for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".js")]
    assert modules
    assert not {file.name: n for file in modules if (n := len(file.read_text().splitlines())) > 350}


def test_the_way_of_a_picture_seldom_comes_back(classifier):
    """Which folders `predict` enters, in order; `classifier.py`, which leads from one to the next, is left out."""
    photo = io.BytesIO()
    Image.fromarray(draw_photo(["monocyte"], seed=0)[0]).save(photo, "PNG")
    way: list[str] = []

    def follow(frame, event, argument):
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("leukoscope."):
            folder = name.split(".")[1]
            if folder != "classifier" and way[-1:] != [folder]:
                way.append(folder)

    classifier.predict(photo.getvalue())  # what is imported late is there now
    sys.setprofile(follow)
    try:
        classifier.predict(photo.getvalue())
    finally:
        sys.setprofile(None)
    assert way == ["pictures", "smear", "model", "smear", "model", "biology", "model", "biology", "model"]
    assert len(way) - len(set(way)) <= 5


def test_answering_loads_no_framework():
    script = (
        "import sys; from leukoscope import Classifier; from leukoscope.drawn.synthetic import draw_cell;"
        "c = Classifier.from_pretrained(); picture = draw_cell('neutrophil', seed=0); p = c.predict(picture);"
        "from leukoscope.scanning import scan; from leukoscope.showing import draw, explain, report;"
        "explain.enlarged(c, picture, [p], 0, heated=True); draw.png(draw.draw_cells(picture, [p]));"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_public_names_exist_and_are_sorted():
    assert leukoscope.__all__ == sorted(leukoscope.__all__, key=lambda n: (n.lower().startswith("_"), n))
    for name in leukoscope.__all__:
        assert getattr(leukoscope, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = leukoscope.nonsense


def test_public_names_are_those_that_are_listed():
    assert api_list.LISTED.read_text() == api_list.listing(), "make api writes docs/api.md anew"
    text = api_list.LISTED.read_text()
    assert all(f"`{name}`" in text for name in leukoscope.__all__)


def test_every_file_has_its_line_in_the_layout():
    page = api_list.LAID_OUT.read_text()
    assert page == api_list.layout(), "make api writes docs/layout.md anew"
    for line in page.splitlines():
        if line.startswith("- `") and line.partition("`: ")[0].endswith((".py", ".js")):
            assert line.partition("`: ")[2], f"{line} its file does not say what it does"
    assert {"`graphs.py`", "`engine.js`", "`count_page.py`"} <= set(re.findall(r"`[\w.]+`", page))


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines()]


def test_no_data_set_image_is_in_the_tree():
    photographs = [f for f in tracked() if f.suffix.lower() in {".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}]
    assert not photographs
    large = [f for f in tracked() if f.exists() and f.stat().st_size > 10 * 2**20]
    assert not large
