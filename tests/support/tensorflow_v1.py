"""Graphs of TensorFlow 1, for the TensorFlow fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.support.tensorflow_writer import Call, numbers, v1


def _saved_v1(folder: Path, build: Callable[[], tuple[dict[str, Any], dict[str, Any]]], *calls: Call) -> None:
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        v1.set_random_seed(0)
        inputs, outputs = build()
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.signature_def_utils.predict_signature_def(inputs, outputs)
        builder = v1.saved_model.Builder(str(folder / "model"))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map={"serving_default": signature})
        builder.save()
        found: dict[str, Any] = {}
        for i, call in enumerate(calls):
            results = session.run(outputs, {inputs[name]: value for name, value in call.items()})
            found |= {f"{i}/serving_default/in/{k}": v for k, v in call.items()}
            found |= {f"{i}/serving_default/out/{k}": v for k, v in results.items()}
    np.savez_compressed(folder / "reference.npz", **found)


def _in_control_flow_v1(build: Callable[[], Any]) -> Callable[[], Any]:
    def inner() -> Any:
        v1.disable_control_flow_v2()
        v1.disable_resource_variables()
        try:
            return build()
        finally:
            v1.enable_resource_variables()
            v1.enable_control_flow_v2()

    return inner


def reference_variables(folder: Path) -> None:
    """VariableV2, Assign and Identity."""

    def build() -> Any:
        x = v1.placeholder(tf.float32, [None, 5], name="x")
        w = v1.get_variable("w", initializer=numbers(5, 4), use_resource=False)
        c = v1.get_variable("c", initializer=numbers(4, seed=3), use_resource=False)
        return {"x": x}, {"y": tf.nn.bias_add(tf.matmul(x, w), c)}

    _saved_v1(folder, _in_control_flow_v1(build), {"x": numbers(3, 5)})


def resource_variables(folder: Path) -> None:
    """VarHandleOp in a graph of TensorFlow 1."""

    def build() -> Any:
        x = v1.placeholder(tf.float32, [None, 5], name="x")
        w = v1.get_variable("w", initializer=numbers(5, 4), use_resource=True)
        return {"x": x}, {"y": tf.nn.relu(tf.matmul(x, w))}

    _saved_v1(folder, build, {"x": numbers(3, 5)})


def partitioned_variables(folder: Path) -> None:
    """Variables saved in slices, of reference and resource kind."""

    def build() -> Any:
        x = v1.placeholder(tf.float32, [None, 6], name="x")
        ids = v1.placeholder(tf.int64, [None], name="ids")
        parts = v1.fixed_size_partitioner(3)
        with v1.variable_scope("a", partitioner=parts):
            w = v1.get_variable("w", [6, 4], initializer=v1.random_normal_initializer(seed=1), use_resource=False)
        with v1.variable_scope("r", partitioner=v1.fixed_size_partitioner(2, axis=1)):
            u = v1.get_variable("u", [4, 4], initializer=v1.random_normal_initializer(seed=2), use_resource=True)
        with v1.variable_scope("e", partitioner=parts):
            e = v1.get_variable("e", [10, 4], initializer=v1.random_normal_initializer(seed=3), use_resource=False)
        y = tf.matmul(tf.matmul(x, tf.convert_to_tensor(w)), tf.convert_to_tensor(u))
        return {"x": x, "ids": ids}, {"y": y, "rows": v1.nn.embedding_lookup(e, ids, partition_strategy="div")}

    _saved_v1(folder, build, {"x": numbers(2, 6), "ids": np.array([0, 9, 4, 3], np.int64)})


def loops_v1(folder: Path) -> None:
    """While in while, and cond in cond, by Switch and Merge."""

    def build() -> Any:
        x = v1.placeholder(tf.float32, [2, 3], name="x")
        n = v1.placeholder(tf.int32, [], name="n")
        w = v1.get_variable("w", initializer=numbers(3, 3) * 0.4, use_resource=False)

        def inner(j: Any, y: Any) -> Any:
            return j + 1, tf.tanh(tf.matmul(y, w)) + tf.cast(j, tf.float32)

        def outer(i: Any, y: Any) -> Any:
            _, z = v1.while_loop(lambda j, _: j < i + 1, inner, [tf.constant(0), y])
            return i + 1, z

        _, y = v1.while_loop(lambda i, _: i < n, outer, [tf.constant(0), x])

        def positive() -> Any:
            return v1.cond(tf.reduce_max(y) > 0.9, lambda: y * 2.0, lambda: y - tf.constant(1.0))

        z = v1.cond(tf.reduce_sum(x) > 0.0, positive, lambda: tf.zeros_like(y) - x)
        return {"x": x, "n": n}, {"y": y, "z": z}

    call = numbers(2, 3)
    _saved_v1(
        folder,
        _in_control_flow_v1(build),
        {"x": call, "n": np.array(3, np.int32)},
        {"x": -call, "n": np.array(0, np.int32)},
        {"x": np.abs(call), "n": np.array(1, np.int32)},
    )


def tensor_array_lstm_v1(folder: Path) -> None:
    """A recurrence over TensorArrayV3 in a while of TensorFlow 1."""

    def build() -> Any:
        x = v1.placeholder(tf.float32, [None, None, 4], name="x")
        lengths = v1.placeholder(tf.int32, [None], name="lengths")
        units = 5
        kernel = v1.get_variable("kernel", initializer=numbers(4 + units, 4 * units) * 0.5, use_resource=False)
        bias = v1.get_variable("bias", initializer=numbers(4 * units, seed=5) * 0.1, use_resource=False)
        steps, batch = tf.shape(x)[1], tf.shape(x)[0]
        source = tf.TensorArray(tf.float32, steps).unstack(tf.transpose(x, [1, 0, 2]))
        sink = tf.TensorArray(tf.float32, steps)
        zero = tf.zeros([batch, units])

        def body(t: Any, out: Any, c: Any, h: Any) -> Any:
            gates = tf.matmul(tf.concat([source.read(t), h], 1), kernel) + bias
            i, j, f, o = tf.split(gates, 4, 1)
            c2 = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(j)
            h2 = tf.sigmoid(o) * tf.tanh(c2)
            live = tf.expand_dims(t < lengths, 1)
            c2, h2 = tf.where(live, c2, c), tf.where(live, h2, h)
            return t + 1, out.write(t, h2), c2, h2

        _, out, c, _ = v1.while_loop(lambda t, *_: t < steps, body, [tf.constant(0), sink, zero, zero])
        return {"x": x, "lengths": lengths}, {"y": tf.transpose(out.stack(), [1, 0, 2]), "c": c}

    _saved_v1(
        folder,
        _in_control_flow_v1(build),
        {"x": numbers(2, 5, 4), "lengths": np.array([5, 3], np.int32)},
        {"x": numbers(3, 2, 4, seed=1), "lengths": np.array([1, 2, 2], np.int32)},
    )


def frozen(folder: Path) -> None:
    """A frozen graph of TensorFlow 1: inputs and outputs are any tensors."""
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        x = v1.placeholder(tf.float32, [None, 8, 8, 3], name="image")
        h = tf.nn.relu6(tf.nn.conv2d(x, tf.constant(numbers(3, 3, 3, 4)), 1, "SAME", name="conv"))
        h, *_ = v1.nn.fused_batch_norm(
            h,
            np.ones(4, np.float32) * 1.5,
            numbers(4),
            numbers(4, seed=1),
            np.abs(numbers(4, seed=2)) + 0.5,
            is_training=False,
        )
        y = tf.nn.softmax(tf.reshape(tf.reduce_mean(h, [1, 2]), [-1, 4]), name="probabilities")
        image = numbers(2, 8, 8, 3)
        result = session.run(y, {x: image})
        (folder / "model.pb").write_bytes(graph.as_graph_def().SerializeToString())
    np.savez_compressed(folder / "reference.npz", **{"0/frozen/in/image": image, "0/frozen/out/probabilities": result})


def detection_v1(folder: Path) -> None:
    """Post-processing by image and by class, as TensorFlow 1's detection models have it."""

    def shrunk(image: Any) -> Any:
        return v1.image.resize_bilinear(tf.expand_dims(tf.cast(image, tf.float32), 0), [8, 8])[0]

    def one(boxes: Any, scores: Any) -> list[Any]:
        kept_boxes, kept_scores, kept_classes = [], [], []
        for label in range(2):
            own = scores[:, label]
            alive = tf.reshape(tf.where(own > 0.3), [-1])
            some, values = tf.gather(boxes, alive), tf.gather(own, alive)
            most = tf.minimum(5, tf.shape(values)[0])
            picked = tf.image.non_max_suppression(some, values, most, 0.4)
            kept_boxes.append(tf.gather(some, picked))
            kept_scores.append(tf.gather(values, picked))
            kept_classes.append(tf.zeros_like(kept_scores[-1]) + float(label))
        all_scores = tf.concat(kept_scores, 0)
        order = tf.nn.top_k(all_scores, tf.minimum(6, tf.shape(all_scores)[0])).indices
        count = tf.shape(order)[0]
        padded = [
            tf.pad(tf.gather(tf.concat(parts, 0), order), [[0, 6 - count]] + [[0, 0]] * extra)
            for parts, extra in ((kept_boxes, 1), (kept_scores, 0), (kept_classes, 0))
        ]
        return [tf.reshape(padded[0], [6, 4]), tf.reshape(padded[1], [6]), tf.reshape(padded[2], [6]), count]

    def build() -> Any:
        image = v1.placeholder(tf.uint8, [None, None, None, 3], name="image")
        small = v1.map_fn(shrunk, image, dtype=tf.float32)
        w = v1.get_variable("w", initializer=numbers(3, 3, 3, 12) * 0.02, use_resource=False)
        found = tf.reshape(tf.nn.conv2d(small / 127.5 - 1.0, w, 2, "SAME"), [-1, 32, 6])
        corners = tf.sigmoid(found[..., :2])
        boxes = tf.concat([corners, corners + tf.sigmoid(found[..., 2:4]) * 0.4], -1)
        scores = tf.sigmoid(found[..., 4:] * 8)
        results = v1.map_fn(
            lambda each: one(*each), [boxes, scores], dtype=[tf.float32, tf.float32, tf.float32, tf.int32]
        )
        return {"image": image}, dict(zip(("boxes", "scores", "classes", "counts"), results, strict=True))

    rng = np.random.default_rng(0)
    calls = [{"image": rng.integers(0, 255, shape).astype(np.uint8)} for shape in ((2, 12, 10, 3), (1, 9, 16, 3))]
    _saved_v1(folder, _in_control_flow_v1(build), *calls)


MAKERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        reference_variables,
        resource_variables,
        partitioned_variables,
        loops_v1,
        tensor_array_lstm_v1,
        frozen,
        detection_v1,
    )
}
