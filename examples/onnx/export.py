"""Stands for whatever made your ONNX files: here small networks are trained and written with the onnx package."""

import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

sys.path.append("../pytorch")
from project import FORGET, TRAINING, digits, train  # noqa: E402 (the neighbouring example's data and training)


def write(network, path):
    """Flatten, then matrix products with ReLU between them."""
    layers = [layer for layer in network if hasattr(layer, "weight")]
    nodes, weights, last = [helper.make_node("Flatten", ["images"], ["x0"])], [], "x0"
    for k, layer in enumerate(layers):
        for name, value in (("w", layer.weight), ("b", layer.bias)):
            weights.append(numpy_helper.from_array(value.detach().numpy(), f"{name}{k}"))
        out = "logits" if k == len(layers) - 1 else f"h{k}"
        nodes.append(helper.make_node("Gemm", [last, f"w{k}", f"b{k}"], [out], transB=1))
        last = f"x{k + 1}"
        if out != "logits":
            nodes.append(helper.make_node("Relu", [out], [last]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "digits", [images], [logits], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


if __name__ == "__main__":
    images, labels = digits()
    np.savez("digits.npz", images=images, labels=labels)
    np.savetxt("forget.txt", np.arange(FORGET), "%d")
    np.savetxt("unseen.txt", np.arange(TRAINING, len(labels)), "%d")
    retain = np.arange(FORGET, TRAINING)
    original = train(np.arange(TRAINING), 0)
    write(original, "original.onnx")
    for k in range(1, 11):
        write(train(retain, k), f"retrain-{k}.onnx")
    with torch.no_grad():  # "unlearning" by a little noise on the weights
        for value in original.parameters():
            value += 0.01 * torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    write(original, "candidate.onnx")
