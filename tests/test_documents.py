"""What the documents say to type is run, what they point at is there, and their numbers are those of the json files."""

import ast
import csv
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image

import leukoscope
from benchmarks.__main__ import table
from benchmarks.bars import Bar
from benchmarks.before import table as beside
from benchmarks.size import MOST
from leukoscope.biology.cells import CELL_TYPES
from leukoscope.drawn.synthetic import draw_photo
from leukoscope.model.checkpoint import METRICS_FILE
from leukoscope.model.hub import EMBEDDED
from tests.mutants import LEAST, MODULES, RESULTS, noticed
from tests.mutants import table as mutants_table
from training.data.sources import copy_table, photo_table
from training.documents import write
from training.documents.labs import located
from training.documents.lines import (
    between,
    labs,
    listed,
    paragraph,
    percent,
    sure,
    with_interval,
)
from training.documents.write import TABLES, with_tables
from training.scoring.metrics import read_metrics
from training.scoring.tables import row
from training.studies.altered import OTHERS, WAYS
from training.studies.compare import SCORED_ONLY, UNSEEN, markdown, read_table
from training.studies.verdicts import VERDICTS_FILE, fitted_on_others

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    + [ROOT / place / "README.md" for place in ("benchmarks", "browser", "findings", "space", "streamlit_app")]
)
FURTHER = [*sorted((ROOT / "notebooks").glob("*.ipynb")), ROOT / "training/publishing/data_card.md"]
README = (ROOT / "README.md").read_text()
RESULTS_PAGE = (ROOT / "docs/results.md").read_text()
TRAINING_PAGE = (ROOT / "docs/training.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PROGRAMS = ("make", "python", "leukoscope", "hf", "export", "pip", "streamlit")

# Commands that need data, hours, a browser or a Hub: the test that runs each, with drawn cells or a Hub of its own.
RUN_BY = {
    "leukoscope scan slide.svs": "tests/slides/test_command.py::"
    "test_a_slide_is_scanned_and_another_that_is_broken_told",
    "pip install '.[slides]'": "tests/slides/test_opening.py::test_without_openslide_one_line_says_how_to_get_it",
    "python -m benchmarks.slides": "tests/slides/test_benchmark.py::test_each_part_is_measured_on_a_small_slide",
    "python -m benchmarks.slide_levels": "tests/slides/test_benchmark.py::test_what_a_coarser_level_costs_is_counted",
    "leukoscope scan study/ --engine ray": "tests/leukoscope/test_cluster.py::"
    "test_the_command_line_prints_the_same_count_and_goes_on_with_what_is_missing",
    "leukoscope scan s3://": "tests/leukoscope/test_cluster.py::"
    "test_photos_of_an_archive_and_of_the_hub_are_read_where_they_lie",
    "pip install '.[cluster]'": "tests/leukoscope/test_cluster.py::test_without_ray_one_line_says_how_to_get_it",
    "pip install '.[microscopy]'": "tests/leukoscope/test_formats.py::"
    "test_heic_without_its_package_is_told_what_to_install",
    "python -m training.locating.train": "tests/training/test_locating_train.py::"
    "test_a_run_that_was_stopped_goes_on_to_the_same_weights",
    "python -m training.locating.export": "tests/training/test_locating_train.py::"
    "test_a_trained_locator_becomes_a_graph_that_serving_opens",
    "python -m training.locating.score": "tests/training/test_locating_score.py::"
    "test_what_was_held_out_is_scored_and_kept",
    "python -m training.data.table": "tests/training/test_data.py::test_real_folders_load_whole",
    "python -m training.studies.sheets": "tests/training/test_sheets.py::test_the_command_draws_four_pictures",
    "python -m training.train training/recipe/configs/default.toml --all": "tests/training/test_export.py::"
    "test_a_run_on_all_photos_takes_the_verdicts_of_one_that_held_some_out",
    "python -m training.export runs/default-all": "tests/training/test_export.py::"
    "test_a_run_on_all_photos_takes_the_verdicts_of_one_that_held_some_out",
    "python -m training.train": "tests/training/test_train.py::test_a_run_keeps_what_it_promises",
    "python -m training.export": "tests/training/test_export.py::test_checkpoint_is_whole",
    "python -m training.evaluate": "tests/training/test_evaluate.py::test_metrics_belong_to_the_weights",
    "python -m training.studies.compare": "tests/training/test_compare.py::"
    "test_a_trial_that_is_done_runs_again_only_if_told_to",
    "python -m training.studies.verdicts": "tests/training/test_verdicts.py::"
    "test_the_command_writes_what_an_export_takes",
    "python -m training.attributes.scores": "tests/training/test_attributes.py::"
    "test_a_taught_checkpoint_sees_and_is_scored",
    "python -m training.attributes.by_eye": "tests/training/test_attributes.py::"
    "test_cells_to_read_are_chosen_by_name_alone_and_drawn_without_their_types",
    "python -m training.studies.audit": "tests/training/test_audit.py::test_the_sheet_shows_the_first_of_the_table",
    "python -m training.studies.altered": "tests/training/test_altered.py::test_each_way_is_asked_of_each_cell",
    "python -m training.finetune": "tests/training/test_finetune.py::"
    "test_a_new_lab_is_learned_and_the_old_one_scored_beside_it",
    "python -m training.publish": "tests/test_readme.py::test_publishing_as_the_page_on_hosting_says",
    "python -m training.publishing.static_page": "tests/static_page/test_staging.py::"
    "test_the_command_writes_the_same_files",
    "python -m training.documents.write": "tests/test_documents.py::test_the_command_writes_tables_and_leaves_all_else",
    "python -m benchmarks.elsewhere": "tests/benchmarks/test_elsewhere.py::"
    "test_others_compute_beside_it_and_end_with_it",
    "python -m benchmarks.processors": "tests/benchmarks/test_elsewhere.py::"
    "test_answers_are_the_same_on_a_processor_without_avx512",
    "python -m benchmarks.before": "tests/benchmarks/test_benchmarks.py::"
    "test_two_builds_are_asked_in_turns_and_compared",
    "python -m pip install -r space/requirements.txt": "tests/space/test_staged.py::test_",
    "python space/app.py": "tests/space/test_one_photo.py::test_",
    "pip install -r streamlit_app/requirements.txt": "tests/test_package.py::test_",
    "streamlit run streamlit_app/app.py": "tests/streamlit_app/test_load.py::test_",
}


def written(document: Path) -> list[str]:
    """Commands that stand on lines of their own: indented, or in a fence without a language."""
    found, fence = [], None
    for line in document.read_text().splitlines():
        if line.strip().startswith("```"):
            fence = line.strip()[3:] or "plain" if fence is None else None
        elif fence == "plain" or (fence is None and line.startswith("    ")):
            words = line.split("  #")[0].strip()
            # A program is followed by one space: in what a command printed, columns stand apart.
            if re.match(rf"({'|'.join(PROGRAMS)}) \S", words) and not line.strip().startswith("- "):
                found.append(words)
    return found


COMMANDS = sorted({command for document in DOCUMENTS for command in written(document)})
INLINE = sorted(
    {
        words
        for document in DOCUMENTS
        for words in re.findall(r"`((?:make|python -m|leukoscope) [^`]+)`", document.read_text())
    }
)


def options(module: str, capsys) -> str:
    """What a module's --help prints."""
    if (ROOT / module / "__main__.py").exists():
        module += ".__main__"
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(module).main(["--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_there_are_commands_and_every_kind_of_document():
    assert len(COMMANDS) > 25
    assert {"README.md", "architecture.md", "CONTRIBUTING.md", "model_card.md"} <= {d.name for d in DOCUMENTS}


@pytest.mark.parametrize("command", [c for c in COMMANDS + INLINE if c.startswith("make ")])
def test_make_knows_the_target(command):
    for target in [word for word in shlex.split(command)[1:] if "=" not in word]:
        assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), target
        assert re.search(rf'^\t@echo " *make {re.escape(target)} ', MAKEFILE, re.MULTILINE) or target == "setup", target


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(tuple(RUN_BY))])
def test_what_is_dear_is_run_by_the_test_that_is_named(command):
    place = next(test for words, test in RUN_BY.items() if command.startswith(words))
    file, name = place.split("::")
    tests = [n.name for n in ast.parse((ROOT / file).read_text()).body if isinstance(n, ast.FunctionDef)]
    assert any(test == name or (name == "test_" and test.startswith(name)) for test in tests), place


@pytest.mark.parametrize("command", [c for c in COMMANDS + INLINE if c.startswith("python -m ")])
def test_modules_have_the_options_that_are_written(command, capsys):
    module, *rest = shlex.split(command.split(" && ")[0].split(" | ")[0])[2:]
    if module == "pip":
        return
    assert importlib.util.find_spec(module), module
    named = [word.split("=")[0] for word in rest if word.startswith("--")]
    if named:
        text = options(module, capsys)
        assert all(re.search(rf"{re.escape(option)}\b", text) for option in named), command


def test_no_command_is_left_over():
    ran_here = ("make ", "leukoscope ", "export ", "hf auth login")
    left = [c for c in COMMANDS if not c.startswith((*RUN_BY, *ran_here))]
    assert not left


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder that holds what the documents' commands name."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "smear").mkdir()
    for name in ("cell.png", "other.jpg", "smear/1.png", "smear/2.png"):
        Image.fromarray(draw_photo(["neutrophil", "monocyte"], seed=1, width=640)[0]).save(folder / name)
    shutil.copytree(EMBEDDED, folder / "my-checkpoint")
    shutil.copytree(EMBEDDED, folder / "my-model")  # as if it had been tuned already
    for place, name in enumerate(CELL_TYPES):
        (folder / "my-cells" / name).mkdir(parents=True)
        for seed in range(4 * place, 4 * place + 4):
            Image.fromarray(draw_photo([name], seed=seed)[0]).save(folder / "my-cells" / name / f"{seed}.png")
    return folder


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.startswith(("leukoscope ", "export ", "hf ")) and not c.startswith(tuple(RUN_BY))],
)
def test_commands_run_as_written(command, desk):
    if command.startswith("hf "):
        command += " --help"  # it would ask for a token
    path = f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
    done = subprocess.run(["bash", "-c", path + command], cwd=desk, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    if "scan" in command:
        assert {"count.csv", "report.pdf", "drawn"} <= {path.name for path in desk.iterdir()}


def headings(page: Path) -> set[str]:
    """The headings of a page as links name them: "## The Kaggle set's TEST" is the-kaggle-sets-test."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line).lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_points_at_is_there(document):
    text = document.read_text()
    for target, place in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if not target.startswith(("http://", "https://")) and "{{" not in target:
            there = document.parent / target if target else document
            assert there.exists(), target
            assert not place or place in headings(there), f"{target}#{place}"
    for place in re.findall(
        r"`((?:leukoscope|training|tests|space|streamlit_app|browser|benchmarks|docs)/[\w./-]+)`", text
    ):
        ours = (ROOT / place).exists() or place in {"training/results/audit.csv", "training/results/audit.md"}
        assert ours, f"{document.name}: {place}"


def test_every_document_is_linked_from_the_readme():
    for document in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{document.name})" in README, document.name
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff", "SECURITY.md"):
        assert f"({name})" in README, name


@pytest.mark.parametrize("document", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_a_page_says_first_whom_it_is_for(document):
    title, empty, first, *_ = document.read_text().splitlines()
    assert title.startswith("# ")
    assert (empty, first[:4]) == ("", "For "), f"{document.name} begins: {first}"


def words_of(document: Path) -> str:
    """The text of a document; of a notebook that of its cells."""
    text = document.read_text()
    if document.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    return text


def defined(dotted: str) -> bool:
    """Whether a dotted name is of a module, or of something that a module defines. Nothing is imported for it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                code = file.read_text()
                inside = parts[length:]  # defined there, or named there in quotes, as __all__ does
                ways = (rf"^\s*(?:def|class) {name}\b|^{name}\b|[\"']{name}[\"']" for name in inside)
                return all(re.search(way, code, re.MULTILINE) for way in ways)
    return False


@pytest.mark.parametrize("document", [*DOCUMENTS, *FURTHER], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_that_a_document_names_are_there(document):
    text = words_of(document)
    for path in re.findall(r"(?<![\w./-])(?:leukoscope|training)/[\w/]+\.py\b", text):
        assert (ROOT / path).is_file(), f"{document.name}: {path}"
    for name in re.findall(r"(?<![\w./-])(?:leukoscope|training)(?!\.(?:md|ipynb)\b)(?:\.[A-Za-z_]\w*)+", text):
        assert defined(name), f"{document.name}: {name}"


def test_names_that_went_are_known_to_be_gone():
    for there in ("leukoscope.model.graphs", "leukoscope.Classifier", "leukoscope.showing.explain.heatmap"):
        assert defined(there), there
    for gone in ("leukoscope.graphs", "leukoscope.cells", "training.altered", "leukoscope.showing.explain.nothing"):
        assert not defined(gone), gone


def test_documents_speak_of_the_project_alone():
    for document in DOCUMENTS:
        text = document.read_text()
        assert str(Path.home()) not in text
        assert not re.search(r"/tmp/|/work/|localhost:\d", text), document.name


def test_every_finding_has_its_row_and_every_named_test_is_there():
    table = (ROOT / "findings/README.md").read_text()
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert sorted(re.findall(r"\]\((\w+\.sh)\) \|", table)) == [script.name for script in scripts]
    for script in scripts:
        text = script.read_text()
        assert script.stat().st_mode & 0o100, script.name
        assert all(part in text for part in ("\n# seen with ", "\nset -euo pipefail\n", "mktemp -d")), script.name
        assert not re.search(r"leukoscope|/tmp/|/work/", text), script.name
    for file, name in re.findall(r"`(tests/[\w/]+\.py)`, `(test_\w+)`", table):
        assert f"def {name}(" in (ROOT / file).read_text(), name


# --- numbers ---------------------------------------------------------------------------------------------


def test_speed_is_as_measured():
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    said = (ROOT / "benchmarks/README.md").read_text()
    for line in table(results["rows"]).splitlines():
        assert f"    {line}" in said
    for values in results["bars"]:
        values.pop("met")
        assert f"    {Bar(**values)}" in said
    before = json.loads((ROOT / "benchmarks/before.json").read_text())
    for line in beside(before["rows"], before["before"]).splitlines():
        assert f"    {line}".rstrip() in said


@pytest.mark.parametrize("document", TABLES)
def test_tables_are_as_measured(document):
    text = (ROOT / document).read_text()
    assert with_tables(document, text) == text, "python -m training.documents.write"


def test_the_command_writes_tables_and_leaves_all_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(write, "ROOT", tmp_path)
    for document in TABLES:
        (tmp_path / document).parent.mkdir(exist_ok=True)
        as_it_is = (ROOT / document).read_text()
        (tmp_path / document).write_text(
            re.sub(r"(<!-- (?:labs|own-lab) -->\n).*?(?=<!-- -->)", r"\1old\n", as_it_is, flags=re.DOTALL)
        )
    assert write.main([]) == 0
    for document in TABLES:
        assert (tmp_path / document).read_text() == (ROOT / document).read_text()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "README.md: as it was"
    assert said[1] == "docs/results.md: written anew"


def test_a_table_has_one_place():
    with pytest.raises(ValueError, match="has 0 places <!-- own-lab -->"):
        with_tables("docs/training.md", "no table\n")
    own, tuned = (f"<!-- {name} -->\n@1@\n<!-- -->\n" for name in ("own-lab", "tuned"))
    with pytest.raises(ValueError, match="has 2 places"):
        with_tables("docs/training.md", own * 2 + tuned)
    assert "@1@" not in with_tables("docs/training.md", own + tuned)


def test_numbers_are_told_as_they_are():
    score = {"n": 8, "accuracy": 0.5, "accuracy_95": [0.25, 0.8754], "confident": {"share": 0.1234, "accuracy": 1.0}}
    assert row("a", percent(0.0567), 3) == "| a | 5.7 % | 3 |"
    assert with_interval(score, "accuracy") == "0.500 [0.250-0.875]"
    assert with_interval({"accuracy": 0.5}, "accuracy") == "0.500"
    assert sure(score) == ("12.3 %", "100.0 %")
    score["confident"]["accuracy_95"] = [0.98, 1.0]
    assert sure(score) == ("12.3 %", "100.0 % [98.0-100.0]")
    assert between([0.1, 0.25]) == "10.0 to 25.0 %"
    assert [listed(words) for words in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    code = f"`python -m {'x' * 30}`"
    assert list(paragraph(f"{'w' * 100} {code} y")) == ["w" * 100, f"{code} y"]


def test_it_is_said_whose_cells_a_locator_found_that_had_seen_the_lab():
    with_own, without = {"locator": "without-x.onnx"}, {"locator": ""}
    assert located({"bccd": with_own, "raabin": with_own}).endswith("so was the locator that found the cells")
    assert located({"bccd": without}) == ", on cells that a locator found which had seen it"
    said = located({"bccd": with_own, "raabin": without, "lisc": without})
    assert said.endswith("so was the locator that found the cells, but for that of Raabin-WBC and LISC")


def test_recipes_are_compared_as_measured():
    trials = read_table()
    assert (ROOT / "training/results/comparison.md").read_text() == "\n".join(markdown(trials)) + "\n"
    own = [trial for trial in trials if trial["variant"] == "default"]
    assert {UNSEEN[trial["trial"]] for trial in own} == set(fitted_on_others())
    assert all(set(trial["also"]) == set(SCORED_ONLY) for trial in own)


def test_every_lab_is_scored_and_stands_before_test():
    assert set(labs()) == {f"{lab}-test-photo" for lab in ("barcelona", "raabin", "munich_marrow", "lisc")}
    places = [RESULTS_PAGE.index(part) for part in ("<!-- unseen -->", "<!-- labs -->", "| **default** (embedded)")]
    assert places == sorted(places)
    assert len(read_metrics(EMBEDDED)["results"]["bccd-test-copy"]["doubtful_photos"]) == 8
    assert tuple(read_metrics(EMBEDDED)["altered"]) == WAYS
    patches = json.loads((ROOT / "training/results/locator.json").read_text())["patches of red cells"]
    assert patches["altered"] == len(OTHERS) * patches["patches"]
    by_eye = json.loads((ROOT / "training/results/by_eye.json").read_text())
    assert {lab: found["nucleus_shape"]["cells"] for lab, found in by_eye.items()} == {"raabin": 60, "lisc": 40}


def test_the_embedded_model_has_the_verdicts_that_were_fitted():
    spec, fitted = (json.loads(file.read_text()) for file in (EMBEDDED / "classifier.json", VERDICTS_FILE))
    said = "answers of models of the same recipe to a lab that each had never seen"
    assert spec["trained"]["verdicts"].startswith(said)
    assert [spec["temperature"], spec["thresholds"]["confident"], spec["thresholds"]["unfamiliar"]] == [
        fitted[key] for key in ("temperature", "confident", "unfamiliar")
    ]


def test_labels_doubted_are_as_many_as_audited():
    with open(ROOT / "training/results/audit.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    doubted = sum(row["doubted"] == "yes" for row in rows)
    assert f"has another label: {doubted} of the {len(rows)}" in " ".join(TRAINING_PAGE.split())


def test_the_data_is_counted_as_it_is():
    said = (ROOT / "docs/data.md").read_text()
    photos, copies = photo_table(), copy_table()
    for split in ("train", "test"):
        own = {name: row for name, row in photos.items() if row["split"] == split}
        counts = Counter(row["label"] for row in own.values())
        cells = [len(own), len(own), len({row["field"] for row in own.values()}), *(counts[t] for t in CELL_TYPES)]
        assert re.search(rf"\| {split.upper()}, photos[^|]*\| " + r" \| ".join(f"{n:,}" for n in cells) + r" \|", said)
        made = [photo for image, photo in copies.items() if image.startswith(f"{split.upper()}/")]
        types = Counter(photos[photo]["label"] for photo in made)
        fields = {photos[photo]["field"] for photo in made}
        assert f"| {split.upper()}, copies | {len(made):,} | {len(set(made))} | {len(fields)} |" in said
        assert " | ".join(f"{types[t]:,}" for t in CELL_TYPES) + " |" in said
    doubted = Counter(row["split"] for row in photos.values() if row["doubt"])
    assert sum(doubted.values()) == 11
    assert "eight photos of TEST and three of TRAIN" in said
    assert doubted == {"test": 8, "train": 3}
    assert list(copies.values()).count("00110") == 155


def test_the_table_of_models_ends_with_the_present_one():
    said = (ROOT / "docs/decisions.md").read_text()
    result = json.loads((EMBEDDED / METRICS_FILE).read_text())["results"]["bccd-test-copy"]
    rows = re.findall(r"^  \| (?!embedded)[^|]+\| ([\d.]+) \| ([\d.]+) \|$", said, re.MULTILINE)
    assert rows[-1] == tuple(f"{result[kind]['all']['accuracy']:.3f}" for kind in ("images", "photos"))
    for folder in (EMBEDDED, ROOT / "training/results/reference"):
        trained = json.loads((folder / "classifier.json").read_text())["trained"]
        assert f"{trained['parameters']:,}" in said
    (size,) = re.findall(rf"^  installed size, MB +(\d+) <= {MOST:g}     met$", said, re.MULTILINE)
    assert int(size) <= MOST


def test_every_mutant_that_lives_has_a_reason_of_the_document():
    results = json.loads(RESULTS.read_text())
    document = (ROOT / "docs/mutants.md").read_text()
    assert mutants_table(results) in document
    reasons = set(re.findall(r"^- \*\*(.+?)\.\*\* ", document, re.MULTILINE))
    assert list(results) == list(MODULES)
    assert all(noticed(row) >= LEAST for row in results.values())
    assert {survivor["why"] for row in results.values() for survivor in row["survivors"]} == reasons


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (leukoscope.__version__, "MIT")
    assert f"## {leukoscope.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert "10.17632/snkd93bnjr.1" in {reference.get("doi") for reference in cited["references"]}
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_how_long_uploads_are_kept_is_the_same_everywhere():
    (seconds,) = re.findall(r"^KEEP_SECONDS = (\d+)", (ROOT / "space/app.py").read_text(), re.MULTILINE)
    longest = f"{int(seconds) // 60 + 1} minutes"  # old files are looked for once a minute
    for name in ("docs/using.md", "space/README.md", "docs/reliability.md"):
        text = " ".join((ROOT / name).read_text().split())
        told = re.findall(r"(?:within|after) (\d+ minutes|the hour|an hour)", text)
        assert longest in told, name
        assert not {"the hour", "an hour"} & set(told), name
