"""Explanations: pictures that a class or a unit of a network answers to most: made by ascent, and found among real ones.

Class model visualisation (Simonyan et al. 2014): the picture that maximises a class's score, found by gradient ascent on pixels with
tf-keras-vis. Unit sheets: the pictures that excite one feature map most, with where in them it does. Charkhabi and Garrido use both to see
what their network has learned (sections 3 and 4.1, Fig. 9); they state no settings, so all of them are parameters here.
"""

import warnings
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.compendium.errors import ParameterError
from lib.compendium.figures import INK, sentence
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers, ops

RATE = 0.03  # of Adam, as a share of the input's range: the setting that reached every class where RMSprop, the default, was a lottery
JITTER = 3  # pixels a picture is moved by at each step of the smooth ascent, for a side of 64
BLUR = 2.0  # pixels of the blur between rounds of the smooth ascent, for a side of 64; falls to 0
SMOOTH_ROUNDS, SMOOTH_STEPS, SHARP_STEPS = 6, 10, 16
CONTOUR = "#ffd23f"
BATCH = 32


class ClassModels(NamedTuple):
    """Pictures made for classes: uint8 (n, side, side, 3), a table with a row each, and the pictures after the smooth ascent alone.

    Columns of the table: class, title, probability (of the picture as uint8), probability_smooth, runner_up (the likeliest other class),
    steps, reached (probability at least the target).
    """

    pictures: np.ndarray
    table: pd.DataFrame
    smooth: np.ndarray


class Units(NamedTuple):
    """Units and what excites them: a table with a row a unit, the rows of the pictures (units, top), and where: (units, top, h, w).

    Columns of the table: class, title, unit, selectivity, purity, base, inside, area (of `unit_sheet`).
    """

    table: pd.DataFrame
    rows: np.ndarray
    maps: np.ndarray


# ---- pictures made for a class or a unit


def class_models(model: keras.Model, titles, *, target: float = 0.95, most: int = 320, grey: bool = False,
                 value_range: tuple[float, float] = (0.0, 255.0), rate: float = RATE, seed: int = 0) -> ClassModels:
    """Return for each class of a network a picture that it calls by this class, with what it answers to the picture as uint8.

    model: flat, one picture (side, side, channels) to one probability for each class. titles: names of the classes, as many as the network
    has. First the class's score before the softmax is raised (Simonyan et al. 2014, section 2) while the picture is moved and blurred
    between rounds, less each time, which keeps what is larger than a pixel; then, for classes below `target`, the score is raised over
    those of the others without either, until they reach it or `most` steps are done. grey: pictures of equal channels, for networks that
    learned from such. value_range: of the network's pictures. rate: of Adam, as a share of that range. The settings are not stated in the
    paper. Needs the TensorFlow backend. Raises ParameterError for another backend, for a nested network and for wrong titles or settings.
    """
    titles = list(titles)
    model = _ready(model)
    classes = model.output_shape[-1]
    if len(titles) != classes or not 0 < target < 1 or most < SMOOTH_ROUNDS * SMOOTH_STEPS or not value_range[0] < value_range[1]:
        raise ParameterError(
            f"Received {len(titles)} titles for {classes} classes, target {target}, {most} steps and the range {value_range}; expected a "
            f"title for each class, a probability between 0 and 1, at least {SMOOTH_ROUNDS * SMOOTH_STEPS} steps, and low below high."
        )
    ascent = _Ascent(model, value_range, rate, grey, linear=True)
    numbers = np.arange(classes)
    smooth = ascent.smooth(ascent.seeds(classes, seed), numbers)
    pictures, steps = smooth.copy(), np.full(classes, SMOOTH_ROUNDS * SMOOTH_STEPS)
    answers = ascent.answers(pictures)
    before = answers[numbers, numbers]
    while len(todo := np.flatnonzero((answers[numbers, numbers] < target) & (steps + SHARP_STEPS <= most))):
        part = 1 - steps[todo[0]] / most  # smaller steps the nearer the end, so that rounding does not undo them
        pictures[todo] = ascent.sharp(pictures[todo], numbers[todo], part)
        steps[todo] += SHARP_STEPS
        answers = ascent.answers(pictures)
    own = answers[numbers, numbers]
    others = np.where(np.eye(classes, dtype=bool), -1, answers).argmax(axis=1)
    table = pd.DataFrame({"class": numbers, "title": titles, "probability": own.astype(float), "probability_smooth": before.astype(float),
                          "runner_up": [titles[other] for other in others], "steps": steps, "reached": own >= target})  # fmt: skip
    return ClassModels(ascent.shown(pictures), table, ascent.shown(smooth))


def unit_models(model: keras.Model, units, *, layer: str | None = None, grey: bool = False, value_range: tuple[float, float] = (0.0, 255.0),
                rate: float = RATE, seed: int = 0) -> np.ndarray:  # fmt: skip
    """Return a picture uint8 (n, side, side, 3) for each unit that raises the mean of its feature map, by the smooth ascent alone.

    layer: of the feature maps; by default the last before the global average. Otherwise as `class_models`.
    """
    model = _ready(model)
    units = np.asarray(units, int)
    source = _maps_of(model, layer)
    if not len(units) or units.min() < 0 or units.max() >= source.output.shape[-1]:
        raise ParameterError(f"Received the units {units.tolist()[:8]} of {source.name}; expected some from 0 to "
                             f"{source.output.shape[-1] - 1}.")  # fmt: skip
    averaged = keras.Model(model.input, layers.GlobalAveragePooling2D()(source.output))
    ascent = _Ascent(averaged, value_range, rate, grey, linear=False)
    return ascent.shown(ascent.smooth(ascent.seeds(len(units), seed), units))


class _Ascent:
    """Gradient ascent on pictures of one network by tf-keras-vis."""

    def __init__(self, model: keras.Model, value_range: tuple[float, float], rate: float, grey: bool, linear: bool):
        import tensorflow as tf
        from tf_keras_vis.activation_maximization import ActivationMaximization
        from tf_keras_vis.utils.model_modifiers import ReplaceToLinear

        self.model, self.range, self.rate, self.grey = model, tuple(map(float, value_range)), rate, grey
        self.span = self.range[1] - self.range[0]
        # Never the network itself: tf-keras-vis changes its last activation. And a model without a type of its own: it fails on Sequential.
        self.ascend = ActivationMaximization(keras.Model(model.inputs, model.outputs), ReplaceToLinear() if linear else None, clone=True)
        self.ascend.model.call = tf.function(self.ascend.model.call)  # as one graph; layer by layer the ascent takes several times as long

    def seeds(self, count: int, seed: int) -> np.ndarray:
        """Return pictures of even grey with a little noise, the same for each class, so that they differ by the class alone."""
        height, width, channels = self.model.input_shape[1:]
        noise = np.random.default_rng(seed).normal(0, 1 / 16, (1, height, width, 1 if self.grey else channels))
        picture = self.range[0] + self.span * np.clip(0.5 + noise, 0, 1)
        return np.broadcast_to(picture, (count, height, width, channels)).astype(np.float32)

    def smooth(self, pictures: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        from tf_keras_vis.activation_maximization.input_modifiers import Jitter
        from tf_keras_vis.utils.scores import CategoricalScore

        scale = pictures.shape[1] / 64
        moves = [Jitter(jitter=max(1, round(JITTER * scale)))]
        for number in range(SMOOTH_ROUNDS):
            left = 1 - number / (SMOOTH_ROUNDS - 1)
            pictures = self._round(pictures, CategoricalScore(numbers.tolist()), SMOOTH_STEPS, 0.1 + 0.9 * left, moves)
            if left:
                pictures = np.stack([cv2.GaussianBlur(one, (0, 0), BLUR * scale * left).reshape(one.shape) for one in pictures])
        return self._rounded(pictures)

    def sharp(self, pictures: np.ndarray, numbers: np.ndarray, part: float) -> np.ndarray:
        def margin(scores):
            own = ops.one_hot(numbers, scores.shape[-1], dtype=scores.dtype)
            return ops.sum(own * scores, axis=-1) - ops.logsumexp(scores - 1e9 * own, axis=-1)

        return self._rounded(self._round(pictures, margin, SHARP_STEPS, 0.05 + 0.5 * part, []))

    def _round(self, pictures: np.ndarray, score, steps: int, part: float, moves: list) -> np.ndarray:
        # A new optimizer each time: one that has run cannot be used for another call.
        adam = keras.optimizers.Adam(float(self.rate * self.span * part))
        change = (lambda gradient: ops.broadcast_to(ops.mean(gradient, axis=-1, keepdims=True), gradient.shape)) if self.grey else None
        with warnings.catch_warnings(), silent():
            warnings.filterwarnings("ignore", message=".*structure of `inputs`.*")
            found = self.ascend(score, seed_input=pictures, input_range=self.range, input_modifiers=moves, regularizers=[], steps=steps,
                                optimizer=adam, gradient_modifier=change)  # fmt: skip
        return np.array(found, np.float32)

    def _rounded(self, pictures: np.ndarray) -> np.ndarray:
        """Return pictures at the 256 values a picture file can hold: what is claimed of a picture holds of the picture shown."""
        shares = np.clip((pictures - self.range[0]) / self.span, 0, 1)
        return (np.round(shares * 255) / 255 * self.span + self.range[0]).astype(np.float32)

    def answers(self, pictures: np.ndarray) -> np.ndarray:
        return np.asarray(self.model.predict_on_batch(pictures), np.float32)

    def shown(self, pictures: np.ndarray) -> np.ndarray:
        grey = np.round((pictures - self.range[0]) / self.span * 255).astype(np.uint8)
        return np.repeat(grey, 3, axis=-1) if grey.shape[-1] == 1 else grey


def _ready(model: keras.Model) -> keras.Model:
    """Return a network as a functional graph. Raises ParameterError where tf-keras-vis could not use it."""
    if keras.backend.backend() != "tensorflow":
        raise ParameterError(
            f"tf-keras-vis needs the TensorFlow backend; Keras runs on {keras.backend.backend()}. Set KERAS_BACKEND=tensorflow before "
            "Python starts."
        )
    if inner := [layer.name for layer in model.layers if isinstance(layer, keras.Model)]:
        raise ParameterError(f"In {model.name} the layer {inner[0]} is itself a network; expected a flat graph: build the head on "
                             f"`{inner[0]}.output`.")  # fmt: skip
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 4:
        shapes = [tuple(one.shape) for one in model.inputs]
        raise ParameterError(f"Received a network with inputs {shapes} and {len(model.outputs)} outputs; expected one picture "
                             "(n, side, side, channels) and one output.")  # fmt: skip
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name) if isinstance(model, keras.Sequential) else model


# ---- pictures found for a unit


def _maps_of(model: keras.Model, name: str | None):
    """Return the layer whose feature maps are meant: the one named, or the last before the first layer without places."""
    with_maps = [layer for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
    found = [layer for layer in with_maps if layer.name == name] if name else [
        layer for layer in with_maps if not isinstance(layer, (layers.InputLayer, layers.MaxPooling2D, layers.Dropout))][-1:]  # fmt: skip
    if not found:
        names = ", ".join(layer.name for layer in with_maps[-4:]) or "none"
        raise ParameterError(f"Received the layer {name!r} of {model.name}; expected one with maps (n, h, w, units), such as {names}.")
    return found[0]


def unit_sheet(model: keras.Model, pictures: np.ndarray, answers: np.ndarray, titles, *, shares: np.ndarray | None = None, each: int = 2,
               top: int = 8, layer: str | None = None) -> Units:  # fmt: skip
    """Return for each class the units that tell it best from the others, and the pictures that excite them most.

    pictures: (n, side, side, channels) as the network takes them; answers: int (n,), what each is called by (the network's answers, or
    the truth); titles: names of the classes. shares: bool (n, side, side) or None: where the cue lies. each: units of a class; top:
    pictures of a unit. Columns of the table: `selectivity`, the difference between the mean activation for the class's pictures and for
    others over the standard deviation of all; `purity`, the share of the top pictures that are of the class, beside `base`, its share of
    all; `inside`, the share of the unit's activation in the top pictures that lies on the cue, beside `area`, the cue's share of them.
    Any Keras backend. Raises ParameterError where a class or the pictures do not fit.
    """
    pictures, answers, titles = np.asarray(pictures), np.asarray(answers), list(titles)
    if len(pictures) != len(answers) or not len(pictures) or not np.isin(answers, np.arange(len(titles))).all() or each < 1 or top < 1:
        raise ParameterError(f"Received {len(pictures)} pictures, {len(answers)} answers and {len(titles)} titles; expected as many "
                             "answers as pictures, at least 1, each the number of a title.")  # fmt: skip
    maps = _activations(model, _maps_of(model, layer), pictures)
    mean = maps.mean(axis=(1, 2))
    spread = mean.std(axis=0)
    rows, table, taken = [], [], set()
    for number, title in enumerate(titles):
        mine = answers == number
        if not mine.any() or mine.all():
            continue
        gap = mean[mine].mean(axis=0) - mean[~mine].mean(axis=0)
        chosen = np.divide(gap, spread, out=np.full_like(gap, -np.inf), where=spread > 1e-6)
        best = [unit for unit in np.argsort(-chosen, kind="stable") if unit not in taken and np.isfinite(chosen[unit])][:each]
        taken |= set(best)
        for unit in best:
            most = np.argsort(-mean[:, unit], kind="stable")[:top]
            inside, area = _on_cue(maps[most, :, :, unit], None if shares is None else np.asarray(shares)[most])
            rows.append(most)
            table.append((number, title, int(unit), float(chosen[unit]), float(mine[most].mean()), float(mine.mean()), inside, area))
    table = pd.DataFrame(table, columns=["class", "title", "unit", "selectivity", "purity", "base", "inside", "area"])
    found = np.stack(rows) if rows else np.empty((0, top), int)
    return Units(table, found, np.stack([maps[most, :, :, unit] for most, unit in zip(found, table["unit"], strict=True)]) if rows
                 else np.empty((0, top, *maps.shape[1:3]), np.float32))  # fmt: skip


def _activations(model: keras.Model, source, pictures: np.ndarray) -> np.ndarray:
    graph = keras.Model(model.inputs[0], source.output)
    graph.compile(jit_compile=keras.backend.backend() == "jax")
    parts = []
    for start in range(0, len(pictures), BATCH):  # of one size, so that one compiled function serves all
        part = pictures[start:start + BATCH]
        full = np.concatenate([part, np.repeat(part[-1:], BATCH - len(part), axis=0)])
        parts.append(np.asarray(graph.predict_on_batch(full), np.float32)[:len(part)])
    return np.concatenate(parts)


def _on_cue(maps: np.ndarray, cue: np.ndarray | None) -> tuple[float, float]:
    """Return the share of the maps' sum that lies on the cue, and the cue's share of the pictures; NaN without a cue."""
    known = np.zeros(len(maps), bool) if cue is None else cue.any(axis=(1, 2))
    if not known.any():
        return np.nan, np.nan
    size = cue.shape[1:]
    shares = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR).clip(0) for one in maps[known]]
    inside = [float(one[place].sum() / one.sum()) for one, place in zip(shares, cue[known].astype(bool), strict=True) if one.sum() > 0]
    return (float(np.mean(inside)) if inside else np.nan), float(cue[known].astype(bool).mean())


# ---- figures


def class_models_figure(found: ClassModels) -> Figure:
    """Return the pictures made for each class: after the smooth ascent, and as the network calls it by the class, with its probability."""
    both = (("smooth ascent", found.smooth, "probability_smooth"), ("to the target", found.pictures, "probability"))
    figure = Figure(figsize=(2.1 * len(found.table) + 0.5, 5.2), dpi=110, layout="constrained")
    grid = figure.subplots(2, len(found.table), squeeze=False)
    for axes, (label, pictures, column) in zip(grid, both, strict=True):
        for axis, picture, (_, row) in zip(axes, pictures, found.table.iterrows(), strict=True):
            _picture(axis, picture)
            axis.set_xlabel(f"p = {row[column]:.3f}", color=INK, fontsize=9.5)
        axes[0].set_ylabel(label, color=INK, fontsize=10.5)
    for axis, (_, row) in zip(grid[0], found.table.iterrows(), strict=True):
        axis.set_title(row["title"], color=INK, fontsize=10.5)
    return figure


def class_models_sentence(found: ClassModels, target: float = 0.95) -> str:
    """Say how surely the network calls the pictures by their classes, and what that does and does not mean."""
    table = found.table
    least = table.loc[table["probability"].idxmin()]
    text = (f"The network calls **{int(table['reached'].sum())} of {len(table)}** pictures by the class they were made for with a "
            f"probability of at least {target:g}; the least sure is *{least['title']}* ({least['probability']:.3f}). None of them "
            "looks like a painting: a picture that pleases a network is easily made, and says what it sums up, not that it has "
            "understood")  # fmt: skip
    if (missed := table[~table["reached"]]).shape[0]:
        text += f". Not reached: {', '.join(missed['title'])}"
    return text + "."


def units_figure(units: Units, pictures: np.ndarray, made: np.ndarray | None = None) -> Figure:
    """Return unit sheets: a row a unit, the pictures that excite it most with a line where it reaches half of its maximum.

    pictures: uint8 (n, side, side, 3), all that were shown to the network; made: (units, side, side, 3), of `unit_models`, or None.
    """
    if units.table.empty:
        return sentence("No unit tells one class from the others.")
    first = made is not None
    columns = units.rows.shape[1] + first
    figure = Figure(figsize=(1.12 * columns + 1.9, 1.22 * len(units.rows) + 0.35), dpi=110, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(units.rows), columns, squeeze=False)
    for place, (axes, (_, row)) in enumerate(zip(grid, units.table.iterrows(), strict=True)):
        if first:
            _picture(axes[0], _stretched(made[place]))
        for axis, which, heat in zip(axes[first:], units.rows[place], units.maps[place], strict=False):
            _picture(axis, pictures[which])
            large = cv2.resize(heat, pictures.shape[2:0:-1], interpolation=cv2.INTER_LINEAR)
            if large.max() > 0:
                axis.contour(large, [large.max() / 2], colors=CONTOUR, linewidths=1.3)
        axes[0].set_ylabel(f"{row['title']}\nunit {row['unit']}\n{row['purity']:.0%} of the class", color=INK, fontsize=8.5, rotation=0,
                           ha="right", va="center")
    for axis in grid[:, units.rows.shape[1] + first:].ravel():
        axis.set_axis_off()
    if first:
        grid[0, 0].set_title("made for it", color=INK, fontsize=9)
    grid[0, int(first)].set_title("excite it most →", color=INK, fontsize=9, loc="left")
    return figure


def units_sentence(units: Units) -> str:
    """Say how far units detect something of a class, and whether they look where the cue is known to lie."""
    if units.table.empty:
        return "No unit tells one class from the others."
    best = units.table.loc[units.table["selectivity"].idxmax()]
    text = (f"The most selective unit, {best['unit']}, speaks for *{best['title']}*: {best['purity']:.0%} of the pictures that excite it "
            f"most are called by this class, against {best['base']:.0%} of all")  # fmt: skip
    known = units.table.dropna(subset=["inside"])
    if len(known):
        ratio = known["inside"].mean() / known["area"].mean()
        text += (f". Of the units' activation {known['inside'].mean():.0%} lies on what the expression moved, which covers "
                 f"{known['area'].mean():.0%} of these pictures: {ratio:.1f} times what even light would give")  # fmt: skip
    return text + "."


def _stretched(picture: np.ndarray) -> np.ndarray:
    """Return a picture with its darkest and lightest hundredth at 0 and 255, so that faint forms are seen."""
    low, high = np.quantile(picture, [0.01, 0.99])
    return np.clip((picture - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)


def _picture(axis, picture: np.ndarray) -> None:
    axis.imshow(picture)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
