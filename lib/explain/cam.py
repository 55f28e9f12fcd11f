"""Explanations: Grad-CAM (Selvaraju et al. 2017), for all classes at once or through tf-keras-vis, and whether it can be believed.

A map of class c is ReLU(Σ_k w_ck A_k), where A (h, w, k) are feature maps and w_ck the mean over places of the gradient of c's score.
Scores are taken before the last sigmoid or softmax, as in the paper. Pictures are uint8 or float RGB, 0 to 255 (n, side, side, 3).
"""

import warnings
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

from lib.compendium.errors import ParameterError, did_you_mean
from lib.compendium.figures import INK
from lib.faces.detectors import silent
from lib.faces.landmarks import eye_centres

with silent():
    import keras
    from keras import layers, ops

BATCH = 32  # pictures sent through a network at once; the last batch is filled up, so that one compiled function serves all
SIMILAR_SIDE = 56  # pixels of the side at which maps are compared by structure
WINDOW = 7  # pixels of the window of the structural similarity, the default of scikit-image
REGIONS = ("brows", "eyes", "nose", "mouth", "cheeks", "forehead")
MAP = "inferno"
_kept: WeakKeyDictionary = WeakKeyDictionary()  # {network: {what: compiled network or clone made from it}}


# ---- all classes at once


def gradcam_all(model: keras.Model, crops: np.ndarray, *, layer: str | None = None, linear: bool = True, normalise: bool = False,
                side: int | None = None, batch: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Return the Grad-CAM maps of all classes, float32 (n, classes, h, w), and the network's answers (n, classes), from one forward pass.

    For networks that end in a global average and a head of dense layers: d score / d A is the same at all places, the head's Jacobian
    over h·w, and the Jacobian is a product of the head's own matrices. Exact, on any Keras backend.
    layer: whose maps; by default the last ones before the average (before a max pooling there, as in VGG16: each of its windows hands
        its gradient to one place, so the sum over places stays). linear: the score before the last sigmoid or softmax; False the
        answer itself. normalise: divide each map by its maximum. side: pixels to resize the maps to. batch: pictures at once.
    Raises ParameterError for another kind of head, for maps of 1 x 1 and for pictures of another size.
    """
    crops = _checked(model, crops)
    explainer = _remember(model, ("all", layer, linear), lambda: _explainer(model, layer, linear))
    maps, answers = _in_batches(explainer, crops, batch)
    return _finished(maps, normalise, side), answers


class _AllClasses(layers.Layer):
    """From feature maps (n, h, w, k) and their average (n, k) to the maps of all classes (n, classes, h, w)."""

    def __init__(self, steps: list):
        super().__init__(dtype="float32")
        self.steps = [step for step, _ in steps if isinstance(step, layers.Layer)]  # so that their weights are followed
        self.chain = [(step, kind) for step, kind in steps]

    def call(self, maps, pooled):
        jacobian = ops.moveaxis(_jacobian(self.chain, pooled), 1, 2)  # (n or 1, k, classes)
        height, width, channels = maps.shape[1:]
        flat = ops.reshape(maps, (-1, height * width, channels))
        heat = ops.relu(ops.matmul(flat, jacobian)) / (height * width)
        return ops.reshape(ops.moveaxis(heat, 2, 1), (-1, jacobian.shape[-1], height, width))

    def compute_output_spec(self, maps, pooled):
        classes = pooled.shape[-1]
        for step, kind in self.chain:
            classes = step.units if kind == "dense" else classes
        return keras.KerasTensor((maps.shape[0], classes, *maps.shape[1:3]), "float32")


def _jacobian(chain: list, x):
    """Return d head / d pooled, (n or 1, classes, k): forwards through the head's steps keeping each derivative, then backwards."""
    derivatives = []
    for step, kind in chain:
        if kind == "dense":
            derivatives.append(("matrix", ops.transpose(ops.convert_to_tensor(step.kernel))))
            x = ops.matmul(x, step.kernel) + (step.bias if step.use_bias else 0.0)
        elif kind == "norm":
            factor = ops.rsqrt(step.moving_variance + step.epsilon) * (step.gamma if step.scale else 1.0)
            derivatives.append(("factor", ops.reshape(factor, (1, -1))))
            x = (x - step.moving_mean) * factor + (step.beta if step.center else 0.0)
        elif kind == "relu":
            derivatives.append(("factor", ops.cast(x > 0, "float32")))
            x = ops.relu(x)
        elif kind == "softmax":
            x = ops.softmax(x)
            derivatives.append(("matrices", x[:, :, None] * (ops.eye(x.shape[-1])[None] - x[:, None, :])))
        else:
            x = getattr(ops, kind)(x)
            derivatives.append(("factor", x * (1 - x) if kind == "sigmoid" else 1 - x * x))
    jacobian = ops.eye(x.shape[-1])[None]
    for kind, value in reversed(derivatives):
        jacobian = ops.matmul(jacobian, value) if kind in ("matrix", "matrices") else jacobian * value[:, None, :]
    return jacobian


def _explainer(model: keras.Model, layer: str | None, linear: bool) -> keras.Model:
    model = _flat(model)
    pool, head = _pooling_head(model)
    source = _explained(model, pool, layer)
    _check_maps(source)
    heat = _AllClasses(_steps(head, linear))(source.output, pool.output)
    return _compiled(keras.Model(model.input, [heat, model.output], name="explainer"))


def _makers(model: keras.Model) -> dict:
    """Return {id of a tensor: the layer that made it}."""
    return {id(layer.output): layer for layer in model.layers if not isinstance(layer, layers.InputLayer)}


def _pooling_head(model: keras.Model) -> tuple:
    """Return the layer of the global average and the layers after it, up to the answer. Raises ParameterError for another kind of head."""
    makers, tensor, chain = _makers(model), model.output, []
    while (layer := makers.get(id(tensor))) is not None:
        if isinstance(layer, layers.GlobalAveragePooling2D) and layer.data_format == "channels_last" and not layer.keepdims:
            return layer, chain[::-1]
        chain.append(layer)
        tensor = layer.input
    last = f" (its layers from the end: {', '.join(layer.name for layer in chain[:4])})" if chain else ""
    raise ParameterError(
        f"The head of {model.name} does not follow a global average in one line{last}; expected a global average, dense layers, "
        "batch normalisations and activations. Use `gradcam`, which takes any network."
    )


def _steps(head: list, linear: bool) -> list[tuple]:
    """Return the head as (layer or None, kind): dense, norm, relu, sigmoid, tanh or softmax; linear: without the last activation."""
    steps = []
    for layer in head:
        if isinstance(layer, layers.Dense):
            steps.append((layer, "dense"))
        elif isinstance(layer, layers.BatchNormalization):
            steps.append((layer, "norm"))
        activation = _activation(layer)
        if activation != "linear":
            steps.append((None, activation))
    if linear and steps and steps[-1][1] in ("sigmoid", "softmax"):
        steps.pop()
    if any(kind == "softmax" for _, kind in steps[:-1]):
        raise ParameterError("The head has a softmax before its end; expected at most one, as the last step. Use `gradcam`.")
    return steps


def _activation(layer) -> str:
    """Return what a layer of a head does to each number. Raises ParameterError for a layer that is none of a head."""
    if isinstance(layer, layers.Softmax):
        return "softmax"
    if isinstance(layer, layers.ReLU) and layer.max_value is None and not layer.negative_slope and not layer.threshold:
        return "relu"
    if isinstance(layer, (layers.BatchNormalization, layers.Dropout)):
        return "linear"
    name = getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__)
    if not isinstance(layer, (layers.Dense, layers.Activation)) or name not in ("linear", "relu", "sigmoid", "tanh", "softmax"):
        raise ParameterError(
            f"The layer {layer.name} of the head ({name}) has no closed form here; expected dense layers, batch normalisations, dropouts "
            "and ReLU, sigmoid, tanh or softmax. Use `gradcam`."
        )
    return name


def _explained(model: keras.Model, pool, name: str | None):
    """Return the layer whose maps are explained: those averaged, or before max poolings and dropouts on the way there."""
    makers, layer, passed = _makers(model), None, []
    tensor = pool.input
    while (layer := makers.get(id(tensor))) is not None:
        passed.append(layer.name)
        through = isinstance(layer, (layers.MaxPooling2D, layers.Dropout))
        if layer.name == name or (name is None and not through):
            return layer
        if not through:
            break
        tensor = layer.input
    raise ParameterError(
        f"Received the layer {name!r}; the exact form reaches {', '.join(passed) or 'none'}.{did_you_mean(str(name), passed)} "
        "Use `gradcam`."
    )


# ---- any network, through tf-keras-vis


def gradcam(model: keras.Model, crops: np.ndarray, classes, layer: str | None = None, *, linear: bool = True, normalise: bool = False,
            side: int | None = None, batch: int = BATCH) -> np.ndarray:
    """Return the Grad-CAM map of one class a picture, float32 (n, h, w), by tf-keras-vis, for any flat network with one answer.

    classes: a number, or one a picture (n,). layer: name of the layer whose maps are taken; by default the last maps before the global
    average, or before the first layer without places. The other arguments are those of `gradcam_all`. Needs the TensorFlow backend.
    tf-keras-vis 0.8.7 is kept from what it does wrong: it is given the layer named and no other, a float32 copy of the network (it
    fails on bfloat16), never a Sequential, and its resizing is left to us.
    """
    if keras.backend.backend() != "tensorflow":
        raise ParameterError(
            f"tf-keras-vis needs the TensorFlow backend; Keras runs on {keras.backend.backend()}. Use `gradcam_all`, or set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    crops = _checked(model, crops)
    source = _source(_flat(model), layer)
    _check_maps(source)
    classes = _classes(classes, len(crops), model.output_shape[-1])
    clone = _remember(model, ("clone", linear), lambda: _clone(model, linear))
    _copy_weights(model, clone)
    explain = Gradcam(clone, clone=False)  # ours is a copy already
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*structure of `inputs`.*")
        for start in range(0, len(crops), batch):
            scores = CategoricalScore(classes[start:start + batch].tolist())
            part = crops[start:start + batch].astype(np.float32)
            found.append(explain(scores, part, penultimate_layer=source.name, seek_penultimate_conv_layer=False, expand_cam=False,
                                 normalize_cam=False))
    return _finished(np.concatenate([np.asarray(part) for part in found]), normalise, side)


def _source(model: keras.Model, name: str | None):
    """Return the layer named, or the last one with maps: never a pooling, since what is pooled is finer."""
    with_maps = [layer for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
    names = [layer.name for layer in with_maps]
    if name is not None:
        if name not in names:
            raise ParameterError(f"Received the layer {name!r}; expected one with maps, such as {names[-1]}.{did_you_mean(name, names)}")
        return with_maps[names.index(name)]
    averages = [layer for layer in model.layers if isinstance(layer, layers.GlobalAveragePooling2D)]
    if averages:
        return _explained(model, averages[-1], None)
    skipped = (layers.InputLayer, layers.MaxPooling2D, layers.AveragePooling2D, layers.Dropout)
    found = [layer for layer in with_maps if not isinstance(layer, skipped)]
    if not found:
        raise ParameterError(f"The network {model.name} has no layer with maps (n, h, w, channels); expected one or more.")
    return found[-1]


def _clone(model: keras.Model, linear: bool = False) -> keras.Model:
    """Return a float32 copy of a network with weights of its own; linear: without the last sigmoid or softmax."""
    model = _flat(model)
    last = _makers(model)[id(model.output)].name

    def copied(layer):
        if not isinstance(layer, layers.Layer):  # an operation on tensors, as MobileNetV3 has them: it has no type of its own
            return type(layer).from_config(layer.get_config())
        config = layer.get_config() | {"dtype": "float32"}
        if linear and layer.name == last and config.get("activation") in ("sigmoid", "softmax"):
            config["activation"] = "linear"
        return type(layer).from_config(config)

    clone = keras.models.clone_model(model, clone_function=copied)
    if linear and isinstance(clone.get_layer(last), layers.Softmax):
        clone = keras.Model(clone.input, clone.get_layer(last).input)
    return _copy_weights(model, clone)


def _copy_weights(model: keras.Model, clone: keras.Model) -> keras.Model:
    clone.set_weights(model.get_weights())
    for layer in clone.layers:
        if hasattr(layer, "finalize_state"):  # a Normalization goes on with its old numbers otherwise
            layer.finalize_state()
    return clone


# ---- both


def _flat(model: keras.Model) -> keras.Model:
    """Return a network as a functional graph of layers with one picture and one answer. Raises ParameterError for a nested one."""
    inner = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    if inner:
        raise ParameterError(
            f"In {model.name} the layer {inner[0]} is itself a network, which hides its maps; expected a flat graph. Build the head on "
            f"`{inner[0]}.output` instead of calling {inner[0]}."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ParameterError(
            f"Received a network with {len(model.inputs)} inputs and {len(model.outputs)} outputs; expected one of each. "
            "Make one with `keras.Model(model.input, model.output)`, naming the answer to explain."
        )
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model


def _check_maps(layer) -> None:
    height, width = layer.output.shape[1:3]
    if height == 1 and width == 1:
        raise ParameterError(
            f"The maps of {layer.name} are 1 x 1: an explanation would have one value for the whole picture; expected at least 2 x 2. "
            "Build the network with a larger side (most halve it five times, so 64 pixels or more), or name an earlier layer for `gradcam`."
        )


def _checked(model: keras.Model, crops) -> np.ndarray:
    crops, expected = np.asarray(crops), tuple(model.inputs[0].shape[1:])
    fits = crops.ndim == 4 and all(wanted in (None, size) for wanted, size in zip(expected, crops.shape[1:], strict=True))
    if not fits or not len(crops):
        raise ParameterError(f"Received pictures of shape {crops.shape}; expected (n, {', '.join(map(str, expected))}), n at least 1.")
    return crops


def _classes(classes, count: int, of: int) -> np.ndarray:
    classes = np.broadcast_to(np.asarray(classes), (count,)) if np.ndim(classes) == 0 else np.asarray(classes)
    if classes.shape != (count,) or not np.issubdtype(classes.dtype, np.integer) or classes.min() < 0 or classes.max() >= of:
        raise ParameterError(
            f"Received classes {classes.tolist()[:8]} for {count} pictures; expected a number from 0 to {of - 1}, or one for each picture."
        )
    return classes


def _remember(model: keras.Model, what: tuple, make):
    made = _kept.setdefault(model, {})
    if what not in made:
        made[what] = make()
    return made[what]


def _compiled(model: keras.Model) -> keras.Model:
    # XLA takes half a minute to start on processors; JAX has nothing else.
    model.compile(jit_compile=keras.backend.backend() == "jax")
    return model


def _in_batches(model: keras.Model, crops: np.ndarray, batch: int) -> list[np.ndarray]:
    """Return a network's answers for pictures, float32, in batches of one size: the last one is filled up with its last picture."""
    parts = []
    for start in range(0, len(crops), batch):
        part = crops[start:start + batch]
        if missing := batch - len(part):
            part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        answer = model.predict_on_batch(part)
        parts.append([np.asarray(one, np.float32)[:batch - missing] for one in (answer if isinstance(answer, (list, tuple)) else [answer])])
    return [np.concatenate(found) for found in zip(*parts, strict=True)]


def _finished(maps: np.ndarray, normalise: bool, side: int | None) -> np.ndarray:
    maps = np.asarray(maps, np.float32)
    maps = resized(maps, side) if side else maps
    return normalised(maps) if normalise else maps


def normalised(maps: np.ndarray) -> np.ndarray:
    """Return maps (…, h, w) divided by their maxima; a map of zeros stays so."""
    highest = maps.max(axis=(-2, -1), keepdims=True)
    return np.divide(maps, highest, out=np.zeros_like(maps), where=highest > 0)


def resized(maps: np.ndarray, side: int) -> np.ndarray:
    """Return maps (…, h, w) as (…, side, side), bilinear; a value lies at the middle of the square of pixels it stands for."""
    maps = np.asarray(maps, np.float32)
    flat = maps.reshape(-1, *maps.shape[-2:])
    large = [cv2.resize(one, (side, side), interpolation=cv2.INTER_LINEAR) for one in flat]
    return np.stack(large).reshape(*maps.shape[:-2], side, side) if large else np.empty((*maps.shape[:-2], side, side), np.float32)


# ---- does the map depend on what was learned?


def randomisation(model: keras.Model, crops: np.ndarray, classes=None, *, steps: int = 8, seed: int = 0,
                  batch: int = BATCH) -> pd.DataFrame:
    """Destroy what the network learned, layer by layer from the top, and compare its maps with the intact network's (Adebayo et al. 2018).

    classes: number, one a picture, or None for each picture's most probable one. steps: how often maps are compared, evenly over the
    layers with weights. Returns one row a step: `layers` (destroyed so far, from the top), `layer` (the lowest of them), `spearman`
    (mean rank correlation of the maps' values), `ssim` (mean structural similarity), `empty` (share of maps that became all zero, whose
    similarity counts as 0), `pictures` (those whose intact map is not all zero; no others are compared; without any, all is NaN). An
    explanation that stays the same does not explain. The network given is not touched.
    """
    crops, clone = _checked(model, crops), _clone(model)
    maps, answers = gradcam_all(clone, crops, batch=batch)
    chosen = answers.argmax(axis=1) if classes is None else _classes(classes, len(crops), answers.shape[1])
    rows = np.arange(len(crops))
    before = maps[rows, chosen]
    learned = [layer for layer in reversed(clone.layers) if any(np.ndim(weight) > 1 for weight in layer.weights)]
    marks = set(np.unique(np.linspace(0, len(learned) - 1, min(steps, len(learned))).round().astype(int)))
    table, done = [_compared("none", 0, before, before)], 0
    generator = np.random.default_rng(seed)
    for layer in reversed(clone.layers):
        _destroy(layer, generator)
        if layer in learned:
            done += 1
            if done - 1 in marks:
                after = gradcam_all(clone, crops, batch=batch)[0][rows, chosen]
                table.append(_compared(layer.name, done, before, after))
    return pd.DataFrame(table)


def _destroy(layer, generator: np.random.Generator) -> None:
    """Draw kernels anew with the spread they had, and shuffle what belongs to channels (biases, norms), all of a layer alike.

    differs from the paper: Adebayo et al. draw from the initialiser. Deep networks then fade to nothing; with the learned spread the
    signal keeps its size, and only what was learned about places and channels is lost.
    """
    if isinstance(layer, layers.Normalization) or not layer.weights:
        return
    orders, values = {}, []
    for weight in layer.get_weights():
        if weight.ndim > 1:
            values.append(generator.normal(weight.mean(), weight.std(), weight.shape).astype(weight.dtype))
        else:
            order = orders.setdefault(weight.shape, generator.permutation(weight.size))
            values.append(weight[order] if weight.ndim else weight)
    layer.set_weights(values)


def _compared(layer: str, done: int, before: np.ndarray, after: np.ndarray) -> dict:
    there = before.max(axis=(1, 2)) > 0
    row = {"layers": done, "layer": layer, "spearman": np.nan, "ssim": np.nan, "empty": np.nan, "pictures": int(there.sum())}
    if there.any():
        empty = after[there].max(axis=(1, 2)) <= 0
        for name, compare in (("spearman", spearman), ("ssim", ssim)):
            row[name] = float(np.mean(np.where(empty, 0, compare(before[there], after[there]))))
        row["empty"] = float(empty.mean())
    return row


def spearman(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the rank correlation (n,) of maps (n, h, w) with others, -1 to 1; 0 where one of the two is all one value."""
    first, second = (rankdata(part.reshape(len(part), -1), axis=1) for part in (maps, others))
    first, second = first - first.mean(axis=1, keepdims=True), second - second.mean(axis=1, keepdims=True)
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), size, out=np.zeros(len(first)), where=size > 0)


def ssim(maps: np.ndarray, others: np.ndarray, side: int = SIMILAR_SIDE) -> np.ndarray:
    """Return the structural similarity (n,) of maps (n, h, w) with others (Wang et al. 2004), each map resized and from 0 to 1.

    Windows are even, WINDOW pixels wide, and lie inside the picture, as in scikit-image.
    """
    x, y = (normalised(resized(part, side)).astype(np.float64) for part in (maps, others))
    mean = lambda part: uniform_filter(part, (0, WINDOW, WINDOW))  # noqa: E731
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mx, my = mean(x), mean(y)
    vx, vy, vxy = (unbiased * (mean(a * b) - ma * mb) for a, b, ma, mb in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my)))
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    inside = slice(WINDOW // 2, -(WINDOW // 2))
    return similar[:, inside, inside].mean(axis=(1, 2))


# ---- does the map lie where the evidence is?


def energy_inside(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the share (n,) of each map's sum that lies inside its mask, 0 to 1; NaN for a map without positive values.

    maps (n, h, w), negative values count as 0; masks boolean (n, h, w). Chance is the mask's share of the picture.
    """
    maps, masks = _pair(maps, masks)
    total = maps.sum(axis=(1, 2))
    return np.divide((maps * masks).sum(axis=(1, 2)), total, out=np.full(len(maps), np.nan), where=total > 0)


def pointing(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return whether each map's maximum lies inside its mask (n,), the pointing game of Zhang et al. (2018); NaN for an empty map.

    Where several pixels share the maximum, the share of them inside counts, so that a flat map scores what chance does.
    """
    maps, masks = _pair(maps, masks)
    highest = maps.max(axis=(1, 2), keepdims=True)
    top = maps == highest
    return np.where(highest[:, 0, 0] > 0, (top & masks).sum(axis=(1, 2)) / top.sum(axis=(1, 2)), np.nan)


def _pair(maps, masks) -> tuple[np.ndarray, np.ndarray]:
    maps, masks = np.clip(np.asarray(maps, np.float64), 0, None), np.asarray(masks)
    if maps.ndim != 3 or maps.shape != masks.shape or masks.dtype != bool:
        raise ParameterError(
            f"Received maps of shape {maps.shape} and {masks.dtype} masks of shape {masks.shape}; expected maps and boolean masks of one "
            "shape (n, h, w). Resize the maps with `resized`."
        )
    return maps, masks


def against_chance(maps: np.ndarray, masks: np.ndarray, groups=None, *, seed: int = 0, draws: int = 2000, level: float = 0.95) -> dict:
    """Return how much of the maps lies inside the masks against chance.

    `pictures` (with a map that is not empty and a mask that is neither empty nor whole), `energy`, `area` (means of the shares), `ratio`
    (energy over area; 1 is chance), `low`, `high` (its bootstrap interval over groups, such as objects; by default over pictures),
    `hits` (pointing game, chance: `area`). All NaN without such a picture.
    """
    energy, hits, area = energy_inside(maps, masks), pointing(maps, masks), np.asarray(masks).mean(axis=(1, 2))
    usable = np.isfinite(energy) & (area > 0) & (area < 1)
    if not usable.any():
        return {"pictures": 0} | dict.fromkeys(("energy", "area", "ratio", "low", "high", "hits"), float("nan"))
    groups = np.arange(len(energy)) if groups is None else np.asarray(groups)
    _, numbers = np.unique(groups[usable], return_inverse=True)
    sums = np.stack([np.bincount(numbers, values[usable]) for values in (energy, area)], axis=1)
    chosen = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws) @ sums
    low, high = np.quantile(chosen[:, 0] / chosen[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return {"pictures": int(usable.sum()), "energy": float(energy[usable].mean()), "area": float(area[usable].mean()),
            "ratio": float(energy[usable].sum() / area[usable].sum()), "low": float(low), "high": float(high),
            "hits": float(hits[usable].mean())}  # fmt: skip


def region_energy(maps: np.ndarray, landmarks: np.ndarray, groups=None, *, seed: int = 0) -> pd.DataFrame:
    """Return `against_chance` for each facial region (column `region`), for all of them together (`face`) and for the rest (`elsewhere`).

    maps (n, side, side) at crop resolution; landmarks (n, 68, 2) in crop pixels. Faces without landmarks are left out.
    """
    masks = regions(landmarks, maps.shape[-1])
    face = np.logical_or.reduce(list(masks.values()))
    known = np.isfinite(np.asarray(landmarks)).all(axis=(1, 2))
    masks |= {"face": face, "elsewhere": ~face & known[:, None, None]}
    return pd.DataFrame([{"region": name} | against_chance(maps, mask, groups, seed=seed) for name, mask in masks.items()])


# ---- does the answer depend on what the map shows?


def deletion_insertion(model: keras.Model, crops: np.ndarray, maps: np.ndarray, classes, *, steps: int = 16, fill: str = "blur",
                       seed: int = 0, batch: int = BATCH) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Take pixels away (deletion) or put them in (insertion) in the order of the maps and watch the answer (Petsiuk et al. 2018).

    maps (n, h, w) of the classes (a number, or one a picture). fill: what is under the pixels taken away: "blur" (the picture blurred
    by an eighth of its side) or "mean" (its mean colour). Compared with a random order as coarse as the maps: single random pixels
    would disturb any network more than a patch does, whatever it looks at.
    Returns curves (`kind` deletion or insertion, `order` map or random, `share` of pixels, `score` the mean answer) and one row a
    picture with the areas under its curves: `deletion`, `deletion_random`, `insertion`, `insertion_random`. A good map has a deletion
    area below random and an insertion area above.
    """
    crops = _checked(model, crops)
    classes = _classes(classes, len(crops), model.output_shape[-1])
    maps = np.asarray(maps, np.float32)
    if len(maps) != len(crops) or maps.ndim != 3 or steps < 1:
        raise ParameterError(
            f"Received maps {maps.shape} for {len(crops)} pictures and {steps} steps; expected one map a picture and at least a step."
        )
    answer = _remember(model, ("answers",), lambda: _compiled(keras.Model(_flat(model).input, _flat(model).output)))
    generator, side = np.random.default_rng(seed), crops.shape[1]
    under, shares = _under(crops, fill), np.linspace(0, 1, steps + 1)
    curves, areas = [], {}
    for order, wanted in (("map", maps), ("random", generator.random(maps.shape, np.float32))):
        places = _order(resized(wanted, side), generator)
        for kind, above, below in (("deletion", under, crops), ("insertion", crops, under)):
            scores = _scores(answer, above, below, places, shares, classes, batch)
            name = kind if order == "map" else f"{kind}_random"
            areas[name] = np.trapezoid(scores, shares, axis=1)
            curves.append(pd.DataFrame({"kind": kind, "order": order, "share": shares, "score": scores.mean(axis=0)}))
    return pd.concat(curves, ignore_index=True), pd.DataFrame({"picture": np.arange(len(crops)), "class": classes, **areas})


def _under(crops: np.ndarray, fill: str) -> np.ndarray:
    if fill == "mean":
        return np.broadcast_to(crops.mean(axis=(1, 2), keepdims=True), crops.shape).astype(np.float32)
    if fill != "blur":
        raise ParameterError(f"Received fill {fill!r}; expected 'blur' or 'mean'.")
    return np.stack([cv2.GaussianBlur(crop.astype(np.float32), (0, 0), crop.shape[0] / 8) for crop in crops])


def _order(maps: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return each pixel's place in the order of falling values, 0 to below 1 (n, h, w); equal values in random order."""
    flat = maps.reshape(len(maps), -1)
    sequence = np.lexsort((generator.random(flat.shape), -flat), axis=1)
    places = np.empty_like(sequence)
    np.put_along_axis(places, sequence, np.arange(flat.shape[1])[None], axis=1)
    return (places / flat.shape[1]).reshape(maps.shape)


def _scores(answer, above, below, places, shares, classes, batch: int) -> np.ndarray:
    """Return the answers (n, shares) for `below` with the first pixels of the order replaced by `above`'s."""
    scores, step = [], max(1, 4 * batch // len(shares))
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        mixed = np.where((places[part, None] < shares[None, :, None, None])[..., None], above[part, None], below[part, None])
        found = _in_batches(answer, mixed.reshape(-1, *mixed.shape[2:]).astype(np.float32), batch)[0]
        of = np.repeat(classes[part], len(shares))
        scores.append(found[np.arange(len(found)), of].reshape(-1, len(shares)))
    return np.concatenate(scores)


# ---- regions of the face


def regions(landmarks: np.ndarray, side: int) -> dict[str, np.ndarray]:
    """Return the regions of a face as boolean masks by name (REGIONS), each (side, side), or (n, side, side) for landmarks (n, 68, 2).

    landmarks: (68, 2) in pixels of the crop, iBUG order; NaN gives empty masks. The regions do not overlap. Eyes, brows, nose and mouth
    are their landmarks with a margin in parts of the eyes' distance; a cheek lies between lower lid, jaw, mouth corner and nose; the
    forehead rises above the brows by the height from brow to nose base (the thirds of the face), as the 68 points do not show it.
    """
    landmarks = np.asarray(landmarks, float)
    if landmarks.ndim == 3 and landmarks.shape[1:] == (68, 2):
        each = [regions(face, side) for face in landmarks]
        return {name: np.array([masks[name] for masks in each], bool).reshape(-1, side, side) for name in REGIONS}
    if landmarks.shape != (68, 2) or side < 8:
        raise ParameterError(
            f"Received landmarks {landmarks.shape} and side {side}; expected (68, 2) or (n, 68, 2), and at least 8 pixels."
        )
    if not np.isfinite(landmarks).all():
        return {name: np.zeros((side, side), bool) for name in REGIONS}
    drawn, taken, masks = _drawn(landmarks, side), np.zeros((side, side), bool), {}
    for name in ("eyes", "brows", "mouth", "nose", "cheeks", "forehead"):  # what lies on top first
        masks[name] = drawn[name] & ~taken
        taken |= drawn[name]
    return {name: masks[name] for name in REGIONS}


def _drawn(points: np.ndarray, side: int) -> dict[str, np.ndarray]:
    right, left = eye_centres(points)
    unit = max(float(np.hypot(*(left - right))), 1.0)
    base, bridge = points[33], points[17:27].mean(axis=0)
    rise = bridge - base  # from the nose's base to between the brows
    down = -rise / max(float(np.hypot(*rise)), 1e-6) * unit
    cheeks = []
    for lid, jaw, mouth, nose in (((36, 41, 40, 39), (1, 2, 3, 4), 48, 31), ((45, 46, 47, 42), (15, 14, 13, 12), 54, 35)):
        # Off the jaw's very edge, below the lids and outside the nose's wing.
        inner = points[list(jaw)] + 0.12 * (points[30] - points[list(jaw)])
        cheeks.append(np.concatenate([inner, points[[mouth, nose]], points[list(lid)] + 0.22 * down]))
    along = np.linspace(0, 1, 24)[:, None]
    line = points[17] + along * (points[26] - points[17])
    forehead = np.concatenate([line + rise * np.sqrt(np.clip(1 - (2 * along - 1) ** 4, 0, 1)), points[26:16:-1]])
    nose = np.concatenate([points[27:36], points[[31, 35]] + 0.06 * np.array([points[31] - points[35], points[35] - points[31]])])
    return {
        "eyes": _fill([points[36:42], points[42:48]], side, 0.11 * unit),
        "brows": _fill([points[17:22], points[22:27]], side, 0.08 * unit, hull=False),
        "mouth": _fill([points[48:60]], side, 0.09 * unit),
        "nose": _fill([nose], side, 0.07 * unit),
        "cheeks": _fill(cheeks, side, 0.02 * unit),
        "forehead": _fill([forehead], side, 0, hull=False, closed=True),
    }


def _fill(shapes: list, side: int, margin: float, hull: bool = True, closed: bool = False) -> np.ndarray:
    """Return a mask (side, side) of point sets: their hulls with rounded corners (or lines), widened by a margin in pixels."""
    fine = 4  # drawn four times as large, so that a pixel counts when half of it is inside
    canvas = np.zeros((side * fine, side * fine), np.uint8)
    for points in shapes:
        points = cv2.convexHull(np.asarray(points, np.float32))[:, 0] if hull else np.asarray(points, np.float32)
        points = _rounded(points) if hull else points
        place = np.round((points * fine - 0.5) * 16).astype(np.int32)[:, None]  # sixteenths of a pixel
        if hull or closed:
            cv2.fillPoly(canvas, [place], 1, shift=4)
        else:
            cv2.polylines(canvas, [place], False, 1, 1, shift=4)
    if margin and canvas.any():  # by distance: OpenCV's thick lines grow in steps
        canvas = (cv2.distanceTransform(1 - canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= margin * fine).astype(np.uint8)
    return canvas.reshape(side, fine, side, fine).mean(axis=(1, 3)) >= 0.5


def _rounded(points: np.ndarray) -> np.ndarray:
    """Return a closed polygon with its corners cut three times (Chaikin 1974)."""
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1).reshape(-1, 2)
    return points


# ---- figures


def gradcam_figure(crops: np.ndarray, maps: np.ndarray, names, notes=None, *, per_row: int = 7) -> Figure:
    """Return pictures with, below each, its map and the map laid over it, in blocks of three rows.

    crops uint8 (n, side, side, 3); maps (n, h, w), each shown from 0 to its maximum; names (n,): heading of each picture, such as the
    expression; notes (n,) or None: a line below, such as the network's answer.
    """
    crops, maps = np.asarray(crops), np.asarray(maps, np.float32)
    if not len(crops) or len(crops) != len(maps) or len(crops) != len(names) or crops.ndim != 4:
        raise ParameterError(
            f"Received {len(crops)} pictures, {len(maps)} maps and {len(names)} names; expected as many of each, at least 1."
        )
    heat = normalised(resized(maps, crops.shape[1]))
    columns = min(per_row, len(crops))
    blocks = -(-len(crops) // columns)
    height = (4.35 + (0.2 if notes is not None else 0)) * blocks + 0.2 * (blocks - 1)
    figure = Figure(figsize=(1.38 * columns + 1.5, height), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    rows = ([1, 1, 1, 0.12] * blocks)[:-1]  # a gap between blocks
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=rows)
    for axis in grid[3::4].ravel():
        axis.set_axis_off()
    axes = np.delete(grid, range(3, len(rows), 4), axis=0)
    for axis in axes.ravel():
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for number, crop in enumerate(crops):
        block, column = divmod(number, columns)
        top, middle, bottom = axes[3 * block:3 * block + 3, column]
        top.imshow(crop)
        middle.imshow(heat[number], cmap=MAP, vmin=0, vmax=1)
        bottom.imshow(overlay(crop, heat[number]))
        top.set_title(str(names[number]), fontsize=11, color=INK, pad=4)
        if notes is not None:
            bottom.set_xlabel(str(notes[number]), fontsize=9, color=INK, labelpad=3)
    for block in range(blocks):
        for axis, label in zip(axes[3 * block:3 * block + 3, 0], ("original", "heat", "overlay"), strict=True):
            axis.set_ylabel(label, fontsize=11, color=INK, labelpad=5)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), MAP), ax=grid, fraction=0.03, aspect=32 * blocks, pad=0.015, shrink=0.6)
    bar.set_label("share of the map's maximum", fontsize=10, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=9)
    bar.outline.set_visible(False)
    return figure


def overlay(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a picture uint8 (side, side, 3) with a map (side, side), 0 to 1, laid over it: in grey, coloured where the map is high."""
    from matplotlib import colormaps

    grey = np.repeat(crop.astype(np.float32).mean(axis=2, keepdims=True), 3, axis=2)
    colour = 255 * colormaps[MAP](np.clip(heat, 0, 1))[..., :3]
    weight = 0.7 * np.clip(heat, 0, 1)[..., None] ** 1.2  # what is low stays a picture
    return np.clip(0.92 * (1 - weight) * grey + weight * colour, 0, 255).round().astype(np.uint8)
