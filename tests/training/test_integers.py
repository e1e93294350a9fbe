"""Graphs whose convolutions are in integers of 8 bits: what stays in float32, and how near they answer."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from leukoscope.model.hub import EMBEDDED
from training.fitting.integers import in_integers

SEVEN_BITS = 64  # either way: 2 * 255 * 64 is within 16 bits with a sign, whatever the values


def kernels(graph) -> dict[str, np.ndarray]:
    """The kernel of each convolution as it is kept, by its node's name."""
    kept = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    kept |= {
        n.output[0]: kept[n.input[0]] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in kept
    }
    return {node.name: kept[node.input[1]] for node in graph.node if node.op_type == "Conv"}


@pytest.fixture
def path(tmp_path):
    """A graph of two convolutions, of which the second, its axes put in another order, is what it answers."""
    rng = np.random.default_rng(0)
    inner = numpy_helper.from_array(rng.normal(size=(8, 3, 3, 3)).astype(np.float32), "inner")
    outer = numpy_helper.from_array(rng.normal(size=(2, 8, 1, 1)).astype(np.float32), "outer")
    nodes = [
        helper.make_node("Conv", ["image", "inner"], ["a"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "active"),
        helper.make_node("Conv", ["b", "outer"], ["c"], "last"),
        helper.make_node("Transpose", ["c"], ["answer"], "turned", perm=[0, 2, 3, 1]),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, None, None])
    gives = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", None, None, 2])
    graph = helper.make_graph(nodes, "two", [given], [gives], [inner, outer])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)]), tmp_path / "two.onnx")
    return tmp_path / "two.onnx"


def test_inner_convolutions_are_in_integers_and_the_answer_is_not(path):
    examples = np.random.default_rng(1).random((8, 3, 16, 16), np.float32)
    before = onnxruntime.InferenceSession(path).run(None, {"image": examples})[0]
    in_integers(path, "image", [examples[:4], examples[4:]])
    kept = kernels(onnx.load(path).graph)
    assert {name: kernel.dtype for name, kernel in kept.items()} == {"first": np.int8, "last": np.float32}
    assert np.abs(kept["first"].astype(int)).max() in range(SEVEN_BITS // 2, SEVEN_BITS + 1)
    session = onnxruntime.InferenceSession(path)
    after = session.run(None, {"image": examples})[0]
    assert 0 < np.abs(after - before).max() < 0.05 * np.abs(before).max()
    # One at a time, of another size too: the same to the bit.
    np.testing.assert_array_equal(session.run(None, {"image": examples[:1]})[0], after[:1])
    assert session.run(None, {"image": np.zeros((1, 3, 8, 24), np.float32)})[0].shape == (1, 8, 24, 2)


@pytest.mark.parametrize(("name", "in_float"), [("model.onnx", 0), ("locator.onnx", 3)])
def test_no_sum_of_the_embedded_graphs_saturates_on_an_older_processor(name, in_float):
    """Without VNNI two products are added up in 16 bits; the locator's answers, three convolutions, stay in float32."""
    kept = kernels(onnx.load(EMBEDDED / name).graph)
    assert len(kept) > 10
    assert sum(kernel.dtype == np.float32 for kernel in kept.values()) == in_float
    assert all(np.abs(k.astype(int)).max() <= SEVEN_BITS for k in kept.values() if k.dtype == np.int8)


@pytest.mark.parametrize(("name", "steps", "zero"), [("model.onnx", 255, 0), ("locator.onnx", 127.5, 128)])
def test_each_level_of_a_picture_is_an_integer_of_its_own(name, steps, zero):
    """Else levels become one by twos, other ones on other processors: findings/eight_bits_of_which_seven.sh."""
    graph = onnx.load(EMBEDDED / name).graph
    kept = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    node = made_by[next(node for node in graph.node if node.op_type == "Conv").input[0]]
    while node.op_type != "DequantizeLinear":  # axes may change places on the way
        node = made_by[node.input[0]]
    assert 1 / kept[node.input[1]] == pytest.approx(steps, rel=1e-6)
    assert kept[node.input[2]] == zero
