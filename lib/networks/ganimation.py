"""Networks: GANimation's generator and critic (Pumarola et al., ECCV 2018), by which the terracotta study moves the warriors' faces.

The generator paints a colour picture and an attention mask of what to keep, and answers attention · picture + (1 - attention) · colour;
the critic says of patches how real they are and of the whole which Action Units it shows. Pictures go in and come out as RGB 0 to 255,
Action Units as intensities 0 to 5: both are brought to the networks' own ranges (-1 to 1, 0 to 1) inside.
"""

import numpy as np

from lib.compendium.errors import ParameterError
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers, ops

STRONGEST = 5.0  # intensity of an Action Unit on OpenFace's scale
GREY = 127.5  # half the range of a picture: 0..255 is -1..1 inside
DEVIATION = 0.02  # of the normal distribution from which all kernels are drawn, as coded by the authors
EPSILON = 1e-5  # of the instance normalisation, PyTorch's
SLOPE = 0.01  # of the critic's leaky ReLU
ANSWERS = ("picture", "attention", "colour")  # of the generator, in this order


def generator(side: int = 128, width: int = 64, blocks: int = 6, units: int = 17, kernel: int = 7, deviation: float | None = DEVIATION,
              seed: int = 0, resized: bool = False) -> keras.Model:  # fmt: skip
    """Return the generator with fresh weights: {"picture" (n, side, side, 3) 0..255, "units" (n, units) 0..5} to a dictionary.

    It gives "picture" (n, side, side, 3) 0..255, what came of it; "attention" (n, side, side, 1) 0..1, 1 where the picture is kept as it
    was; "colour" (n, side, side, 3) 0..255, what is put where it is not. side: pixels, a multiple of 4. width: filters of the first layer,
    twice and four times as many in the next; blocks: residual blocks; units: Action Units. With the default values 8,471,296 parameters, as
    published. kernel: side of the first and last convolutions, for small computers: the paper's is 7. deviation: of the fresh kernels'
    normal distribution; None draws as He et al. (2015) do, for narrow networks, in which .02 fades. seed: of the fresh weights.
    resized: grow by interpolation and a convolution of 3 x 3 (Odena et al. 2016) instead of by transposed convolutions, as published,
    which leave a pattern of their strides in what a briefly trained generator paints.
    """
    if side < 16 or side % 4 or min(width, units) < 1 or blocks < 0 or kernel < 1 or not kernel % 2:
        raise ParameterError(f"Received side {side}, width {width}, blocks {blocks}, units {units} and kernel {kernel} for GANimation's "
                             "generator; expected a side of at least 16 that is a multiple of 4, at least 1, 0 and 1, and an odd "
                             "kernel.")  # fmt: skip
    picture, wanted = layers.Input((side, side, 3), name="picture"), layers.Input((units,), name="units")
    features = _body(_told(picture, wanted, side, units), width, blocks, kernel, resized)
    last = {"padding": "same", "use_bias": False}
    colour = layers.Conv2D(3, kernel, activation="tanh", name="colour_signed", **last)(features)
    colour = layers.Rescaling(GREY, GREY, name="colour")(colour)
    attention = layers.Conv2D(1, kernel, activation="sigmoid", name="attention", **last)(features)
    composed = attention * picture + (1.0 - attention) * colour
    model = keras.Model({"picture": picture, "units": wanted}, dict(zip(ANSWERS, (composed, attention, colour), strict=True)),
                        name="generator")  # fmt: skip
    return drawn(model, seed, deviation)


def _told(picture, wanted, side: int, units: int):
    """Return the picture in -1 to 1 with a plane for each Action Unit, 0 to 1, that says the same everywhere."""
    planes = layers.RepeatVector(side * side, name="repeated")(layers.Rescaling(1 / STRONGEST, name="units_ready")(wanted))
    planes = layers.Reshape((side, side, units), name="planes")(planes)
    return layers.Concatenate(name="told")([layers.Rescaling(1 / GREY, -1.0, name="ready")(picture), planes])


def _body(x, width: int, blocks: int, kernel: int, resized: bool):
    x = _normal(layers.Conv2D(width, kernel, padding="same", use_bias=False, name="first")(x), "first")
    for number in (1, 2):
        x = layers.Conv2D(width * 2**number, 4, strides=2, padding="same", use_bias=False, name=f"down_{number}")(x)
        x = _normal(x, f"down_{number}")
    for number in range(1, blocks + 1):
        x = _block(x, 4 * width, f"block_{number}")
    for number in (1, 2):
        x = _normal(_grown(x, 4 * width // 2**number, f"up_{number}", resized), f"up_{number}")
    return x


def _grown(x, filters: int, name: str, resized: bool):
    if not resized:
        return layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False, name=name)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_resized")(x)
    return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)


def _normal(x, name: str, active: bool = True):
    """Return x normalised picture by picture and channel by channel (Ulyanov et al. 2016), with a learned scale and shift, then ReLU."""
    x = layers.GroupNormalization(groups=-1, epsilon=EPSILON, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x) if active else x


def _block(x, filters: int, name: str):
    """Return a residual block; nothing after the sum (the authors' block ends there)."""
    y = _normal(layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_first")(x), f"{name}_first")
    y = _normal(layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_second")(y), f"{name}_second", active=False)
    return layers.Add(name=f"{name}_sum")([x, y])


def critic(side: int = 128, width: int = 64, layers: int = 6, units: int = 17, deviation: float | None = DEVIATION,
           seed: int = 1) -> keras.Model:  # fmt: skip
    """Return the critic with fresh weights: pictures (n, side, side, 3) 0..255 to {"realness" (n, h, h, 1), "units" (n, units)}.

    "realness" is unbounded, one number for each of the h · h patches, h = side / 2^layers; "units" are intensities on the scale 0 to 5,
    unbounded as well. layers: convolutions that halve the side, each with twice the filters of the last. With the default values
    44,860,352 parameters, as published. No normalisation: the gradient penalty is for each picture by itself. side: a multiple of
    2^layers. width, deviation, seed: as for `generator`.
    """
    if min(layers, width, units) < 1 or side < 2**layers or side % 2**layers:
        raise ParameterError(f"Received side {side}, width {width}, layers {layers} and units {units} for GANimation's critic; expected "
                             f"at least 1 each and a side that is a multiple of 2^layers ({2 ** max(layers, 1)}).")  # fmt: skip
    return drawn(_judge(side, width, layers, units), seed, deviation)


def _judge(side: int, width: int, halvings: int, units: int) -> keras.Model:
    picture = layers.Input((side, side, 3), name="picture")
    x = layers.Rescaling(1 / GREY, -1.0, name="ready")(picture)
    for number in range(halvings):
        x = layers.Conv2D(width * 2**number, 4, strides=2, padding="same", name=f"half_{number + 1}")(x)
        x = layers.LeakyReLU(SLOPE, name=f"half_{number + 1}_relu")(x)
    realness = layers.Conv2D(1, 3, padding="same", use_bias=False, name="realness")(x)
    seen = layers.Conv2D(units, side // 2**halvings, use_bias=False, name="units_map")(x)
    seen = layers.Rescaling(STRONGEST, name="units")(layers.Flatten(name="units_flat")(seen))
    return keras.Model(picture, {"realness": realness, "units": seen}, name="critic")


def drawn(model: keras.Model, seed: int, deviation: float | None = DEVIATION) -> keras.Model:
    """Return the model with every convolution's kernel drawn anew by numpy, the same on every backend; all else stays as it is.

    deviation: of the normal distribution; None takes sqrt(2 / inputs of a number) as He et al. (2015) do.
    """
    for number, layer in enumerate(model.layers):
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            shape = tuple(layer.kernel.shape)
            inputs = shape[0] * shape[1] * shape[3 if isinstance(layer, layers.Conv2DTranspose) else 2]
            if isinstance(layer, layers.Conv2DTranspose):  # each of its results is a sum over a quarter of the kernel (stride 2)
                inputs = inputs / np.prod(layer.strides)
            spread = np.sqrt(2 / inputs) if deviation is None else deviation
            layer.kernel.assign(np.random.default_rng([seed, number]).normal(0, spread, shape).astype("float32"))
    return model


def saturated(attention):
    """Return attention masks (…) 0..1 pushed to their ends, clip(.55 · tanh(3 · (mask - .5)) + .5, 0, 1): an option of the code."""
    return ops.clip(0.55 * ops.tanh(3.0 * (attention - 0.5)) + 0.5, 0.0, 1.0)
