"""The locator from its recipe to a graph that answers, in a few steps on drawn photos."""

import csv
import tomllib

import numpy as np

from leukoscope.graphs import open_locator
from leukoscope.synthetic import draw_photo
from training.locating import export, score
from training.locating.train import Recipe, drawn, train

RECIPE = """
name = "small"
seed = 0
labs = ["drawn"]
filters = [4, 4, 8, 8, 8]
batch = 2
learning_rate = 2e-3
weight_decay = 1e-3
average = 0.9

[[rounds]]
steps = 2

[[rounds]]
steps = 1
doubtful = 0.5
"""


def test_a_run_ends_where_its_recipe_says_and_becomes_a_graph_that_is_opened_and_scored(tmp_path, capsys):
    run, graph = tmp_path / "run", tmp_path / "locator.onnx"
    run.mkdir()
    (run / "config.toml").write_text(RECIPE)
    recipe, pictures = Recipe(**tomllib.loads(RECIPE)), drawn(6, 0)
    train(recipe, pictures, run)
    with open(run / "history.csv", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["2", "3"], "each round ends with a line"
    capsys.readouterr()
    train(recipe, pictures, run)
    assert capsys.readouterr().out == "going on after step 3\n", "what is done is not done again"
    assert export.main([str(run), str(graph)]) == 0
    assert "from Keras" in capsys.readouterr().out
    locator = open_locator(graph, 0.5)
    photo, cells = draw_photo(["neutrophil"], seed=1)
    assert all(0.5 <= cell.score <= 1 for cell in locator.locate(photo))
    counted = score.against_boxes([("drawn", photo, [np.array(cell.box) for cell in cells])], locator)
    assert (counted["pictures"], counted["annotated"]) == (1, 1)


def test_without_the_data_scoring_says_what_to_set(monkeypatch, capsys):
    monkeypatch.delenv("LABS_DIR", raising=False)
    assert score.main(["nothing.onnx", "--threshold", "0.5"]) == 2
    assert "set BLOOD_CELLS_DIR, PBC_DIR and LABS_DIR" in capsys.readouterr().err
