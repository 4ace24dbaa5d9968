"""A network as an ONNX model, https://onnx.ai/onnx/operators/."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ffcli.core.activations import LEAK
from ffcli.errors import FfnnError
from ffcli.services.export.model import Model, unknown_activation

_OPSET, _IR = 17, 8  # of 2022: nothing newer is needed, and older runtimes refuse it
_LIMIT = 1 << 31  # bytes of a protobuf message


class _Graph:
    """The nodes and constants of an ONNX graph, built in order."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """Add an array, or a float as float32, and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operation and return the name of its output."""
        from onnx import helper

        name = output or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name


def _gelu(graph: _Graph, z: str) -> str:
    """Add z (1 + tanh(√(2/π) (z + 0.044715 z³))) / 2; the operation Gelu is younger than the opset."""
    cube = graph.node("Mul", graph.node("Mul", z, z), z)
    inner = graph.node("Add", z, graph.node("Mul", cube, graph.constant(0.044715)))
    t = graph.node("Tanh", graph.node("Mul", inner, graph.constant(math.sqrt(2 / math.pi))))
    return graph.node(
        "Mul", graph.node("Mul", z, graph.constant(0.5)), graph.node("Add", t, graph.constant(1))
    )


_ACTIVATIONS: dict[str, Callable[[_Graph, str], str]] = {
    "identity": lambda _graph, z: z,
    "sigmoid": lambda graph, z: graph.node("Sigmoid", z),
    "tanh": lambda graph, z: graph.node("Tanh", z),
    "relu": lambda graph, z: graph.node("Relu", z),
    "gelu": _gelu,
    "silu": lambda graph, z: graph.node("Mul", z, graph.node("Sigmoid", z)),
    "leaky_relu": lambda graph, z: graph.node("LeakyRelu", z, alpha=float(LEAK)),
    "elu": lambda graph, z: graph.node("Elu", z),
}


def onnx_bytes(model: Model) -> bytes:
    """Return an ONNX model: ``images`` (n, …) to ``probabilities`` (n, classes).

    The images are uint8 pixels where the network was trained on pixels, else float32.
    """
    from onnx import TensorProto, checker, helper

    activate = _ACTIVATIONS.get(model.network.activation_name)
    if activate is None:
        raise unknown_activation(model, "onnx")
    if model.network.params.nbytes >= _LIMIT:
        raise FfnnError(
            "The network is larger than the 2 GB that an ONNX file holds; the format npz has no limit."
        )
    pixels = model.dtype == "uint8"
    graph = _Graph()
    h = graph.node("Cast", "images", to=TensorProto.FLOAT) if pixels else "images"
    if model.scale != 1:
        h = graph.node("Mul", h, graph.constant(model.scale))
    h = graph.node("Flatten", h, axis=1)
    last = len(model.network.weights) - 1
    for layer, (W, b) in enumerate(zip(model.network.weights, model.network.biases)):
        h = graph.node("Gemm", h, graph.constant(W), graph.constant(b))
        h = activate(graph, h) if layer < last else h
    graph.node("Softmax", h, output="probabilities", axis=1)
    kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
    images = helper.make_tensor_value_info("images", kind, ["n", *model.input_shape])
    probabilities = helper.make_tensor_value_info(
        "probabilities", TensorProto.FLOAT, ["n", len(model.class_names)]
    )
    made = helper.make_model(
        helper.make_graph(graph.nodes, "ffnn", [images], [probabilities], graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="ffnn",
    )
    helper.set_model_props(made, model.metadata)
    checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content
