"""Networks: the three pairs by which the art-emotion study generates portraits: fully connected, customised deconvolutions, DCGAN.

Charkhabi and Garrido, section 4.2. DCGAN (Radford et al. 2015) is that of the code the study names, carpedm20/DCGAN-tensorflow. A
generator turns a code, uniform in -1 to 1, into a picture, RGB 0 to 255; a discriminator says how real a picture looks, one unbounded
number: the logit of the probability D(x) of the losses. Pictures are brought to -1 to 1 inside.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import truncnorm

from lib.compendium.errors import ParameterError, did_you_mean
from lib.faces.detectors import silent
from lib.networks.ganimation import GREY

with silent():
    import keras
    from keras import layers

KINDS = ("baseline", "complex", "dcgan")
TITLES = {"baseline": "Baseline, fully connected", "complex": "Complex customised model", "dcgan": "DCGAN"}
CODE = 100  # numbers of a random code; section 4.2, and the code's
DEVIATION = 0.02  # of DCGAN's fresh kernels, normal; the discriminator's convolutions truncated at two deviations
EPSILON, MOMENTUM = 1e-5, 0.9  # of DCGAN's batch normalisation
SLOPE = 0.2  # of the leaky ReLU; for the first two pairs not stated in the paper
HALVINGS = {"baseline": 0, "complex": 3, "dcgan": 4}  # how often the side must be divisible by two


class Pair(NamedTuple):
    """A generator, codes (n, code) to pictures (n, S, S, 3) 0..255, and a discriminator, pictures to logits (n, 1)."""

    generator: keras.Model
    discriminator: keras.Model


def pair(kind: str, side: int = 64, width: int = 64, discriminator_width: int | None = None, kernel: int = 5, code: int = CODE,
         deviation: float | None = None, seed: int = 0) -> Pair:  # fmt: skip
    """Return a generator and a discriminator with fresh weights.

    kind: one of KINDS. side: pixels, a multiple of 16 for "dcgan" and of 8 for "complex". width: filters of the layers next to the
    picture, doubled with every layer away from it; the fully connected pair has 4 and 8 · width neurons. 64 gives DCGAN's published size,
    5,135,363 and 4,316,545 trained parameters at side 64; for the other two not stated in the paper. discriminator_width: None takes
    width. kernel: side of the convolutions; 5 in DCGAN, not stated for "complex". code: numbers of a code. deviation: of fresh
    kernels; None takes DCGAN's .02 there, and Glorot's uniform (2010) elsewhere. seed: of fresh weights, the same on every backend.
    """
    if kind not in KINDS:
        raise ParameterError(f"Received the pair {kind!r}; expected one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    other = width if discriminator_width is None else discriminator_width
    step = 2 ** HALVINGS[kind]
    if side < max(step, 8) or side % step or min(width, other, code, kernel) < 1:
        raise ParameterError(f"Received side {side}, widths {width} and {other}, kernel {kernel} and code {code} for {TITLES[kind]}; "
                             f"expected a side of at least {max(step, 8)} that is a multiple of {step}, and at least 1 else.")  # fmt: skip
    makers = {"baseline": (_full_generator, _full_discriminator), "complex": (_complex_generator, _complex_discriminator),
              "dcgan": (_dcgan_generator, _dcgan_discriminator)}[kind]  # fmt: skip
    made = Pair(_made("generator", (code,), makers[0], side, width, kernel),
                _made("discriminator", (side, side, 3), makers[1], other, kernel))  # fmt: skip
    deviation = DEVIATION if deviation is None and kind == "dcgan" else deviation
    for number, network in enumerate(made):
        draw(network, deviation, [seed, number], truncated=number == 1)
    return made


def _made(name: str, shape: tuple, body, *sizes) -> keras.Model:
    given = layers.Input(shape, name="code" if name == "generator" else "picture")
    x = given if name == "generator" else layers.Rescaling(1 / GREY, -1.0, name="ready")(given)
    x = body(x, *sizes)
    return keras.Model(given, layers.Rescaling(GREY, GREY, name="picture")(x) if name == "generator" else x, name=name)


# ---- fully connected: three layers each (section 4.2, "baseline model")


def _full_generator(x, side: int, width: int, kernel: int):
    for number in (1, 2):
        x = layers.LeakyReLU(SLOPE)(layers.Dense(4 * width * number, name=f"full_{number}")(x))
    return layers.Reshape((side, side, 3))(layers.Dense(side * side * 3, activation="tanh", name="full_3")(x))


def _full_discriminator(x, width: int, kernel: int):
    x = layers.Flatten()(x)
    for number in (1, 2):
        x = layers.LeakyReLU(SLOPE)(layers.Dense(8 * width // number, name=f"full_{number}")(x))
    return layers.Dense(1, name="logit")(x)


# ---- customised: a fully connected layer and three deconvolutions; two convolutions with max-pooling and a fully connected layer


def _complex_generator(x, side: int, width: int, kernel: int):
    x = layers.Dense((side // 8) ** 2 * 4 * width, name="full")(x)
    x = layers.LeakyReLU(SLOPE)(layers.Reshape((side // 8, side // 8, 4 * width))(x))
    for number, filters in enumerate((2 * width, width), 1):
        x = layers.LeakyReLU(SLOPE)(_up(filters, kernel, f"up_{number}")(x))
    return layers.Activation("tanh")(_up(3, kernel, "up_3")(x))


def _complex_discriminator(x, width: int, kernel: int):
    for number in (1, 2):
        x = layers.Conv2D(width * number, kernel, padding="same", name=f"convolution_{number}")(x)
        x = layers.MaxPooling2D()(layers.LeakyReLU(SLOPE)(x))
    return layers.Dense(1, name="logit")(layers.Flatten()(x))


def _up(filters: int, kernel: int, name: str):
    return layers.Conv2DTranspose(filters, kernel, strides=2, padding="same", name=name)


# ---- DCGAN, layer by layer as coded: four deconvolutions against four convolutions


def _dcgan_generator(x, side: int, width: int, kernel: int):
    x = layers.Dense((side // 16) ** 2 * 8 * width, name="full")(x)
    x = layers.ReLU()(_normal("full")(layers.Reshape((side // 16, side // 16, 8 * width))(x)))
    for number, filters in enumerate((4 * width, 2 * width, width), 1):
        x = layers.ReLU()(_normal(f"up_{number}")(_up(filters, kernel, f"up_{number}")(x)))
    return layers.Activation("tanh")(_up(3, kernel, "up_4")(x))


def _dcgan_discriminator(x, width: int, kernel: int):
    for number, filters in enumerate((width, 2 * width, 4 * width, 8 * width), 1):
        x = layers.Conv2D(filters, kernel, strides=2, padding="same", name=f"convolution_{number}")(x)
        x = _normal(f"convolution_{number}")(x) if number > 1 else x  # as coded none after the first
        x = layers.LeakyReLU(SLOPE)(x)
    return layers.Dense(1, name="logit")(layers.Flatten()(x))


def _normal(name: str):
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"{name}_norm")


def draw(model: keras.Model, deviation: float | None, seed: list[int], truncated: bool = False) -> None:
    """Draw every kernel of a model anew by numpy: normal with a deviation (convolutions `truncated` at twice it), or None: Glorot's."""
    for number, layer in enumerate(model.layers):
        if hasattr(layer, "kernel"):
            generator, shape = np.random.default_rng([*seed, number]), tuple(layer.kernel.shape)
            if deviation is None:
                limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))
                values = generator.uniform(-limit, limit, shape)
            elif truncated and len(shape) == 4:
                values = truncnorm.rvs(-2, 2, scale=deviation, size=shape, random_state=generator)
            else:
                values = generator.normal(0, deviation, shape)
            layer.kernel.assign(values.astype("float32"))
