"""The same batches on two devices give the loss of one."""

import pytest

from tests.training.conftest import SMOKE, run_here, run_module
from training.fitting.replicas import DistributeError, Replicas
from training.fitting.run_folder import read_history

# A batch of 15 has parts of 8 and 7. Dropout draws anew on each device, so there is none.
QUIET = (
    SMOKE.replace("dropout = [0.1]", "dropout = []")
    .replace("epochs = 3", "epochs = 2")
    .replace("steps = 40", "steps = 8")
    .replace("batch = 16", "batch = 15")
)
LOSS = 2e-3  # relative: float32 sums in another order, through 16 steps of Adam


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "quiet.toml"
    file.write_text(QUIET)
    return file


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "alone"
    done = run_here("training.train", config, "--data", "synthetic:40", "--out", folder)
    assert done.returncode == 0, done.stderr
    return read_history(folder)


def assert_same(history, alone):
    assert [row["epoch"] for row in history] == [row["epoch"] for row in alone] == [1, 2]
    for row, one in zip(history, alone, strict=True):
        assert row["loss"] == pytest.approx(one["loss"], rel=LOSS)
        assert row["val_loss"] == pytest.approx(one["val_loss"], rel=10 * LOSS)
        assert row["accuracy"] == pytest.approx(one["accuracy"], abs=0.02)


def test_two_devices_give_the_loss_of_one_and_go_on_after_a_stop(config, alone, tmp_path):
    words = ("training.train", config, "--data", "synthetic:40", "--out", tmp_path / "run", "--distribute", "cpus:2")
    done = run_module(*words)
    assert done.returncode == 0, done.stderr
    assert_same(read_history(tmp_path / "run"), alone)
    (tmp_path / "run" / "state-0002").rename(tmp_path / "run" / "state-0001")  # as if it had been stopped there
    again = run_module(*words)
    assert again.returncode == 0, again.stderr
    assert "going on after epoch 1" in again.stdout
    assert [row["epoch"] for row in read_history(tmp_path / "run")] == [1, 2]


@pytest.mark.parametrize(
    ("where", "told"),
    [("gpus", "sees no GPU"), ("cpus:1", "valid are gpus or cpus:N"), ("two", "valid are gpus or cpus:N")],
)
def test_what_a_machine_does_not_have_is_told(where, told):
    with pytest.raises(DistributeError, match=told):
        Replicas(where)
