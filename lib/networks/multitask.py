"""Networks: one trunk, three heads: expression, Action Units and affect at once (Deng, Chen and Shi, FG 2020), and their CNN-RNN.

Outputs are raw (logits), by name and in this order: `expression` (n, 7) in the class order "multitask" of lib.expressions,
`action_units` (n, 8) in the order of MULTITASK_UNITS, `affect` (n, 40): 20 bins of valence, then 20 of arousal, from -1 to 1.
Pictures are RGB, 0 to 255; each trunk brings them to its own range itself. All graphs are flat.
"""

from lib.compendium.errors import ParameterError, did_you_mean
from lib.faces.detectors import silent

with silent():
    import keras
    from keras import layers

HEADS = {"expression": 7, "action_units": 8, "affect": 40}  # the published order EXPR, AU, VA
BINS = 20  # of valence, and as many of arousal
HIDDEN = 128  # width of a head
RECURRENT = 64  # units of the GRU in each direction
TRUNKS = ("small", "resnet50")
MEAN = (131.0912, 103.8827, 91.4953)  # red, green, blue of VGGFace2, as the authors subtract them
FEATURES = tuple(f"{task}_features" for task in HEADS)  # names of the heads' 128 numbers, which the CNN-RNN reads


def multitask(trunk: str = "resnet50", side: int = 112, width: int = 16, hidden: int = HIDDEN,
              name: str = "multitask") -> keras.Model:  # fmt: skip
    """Return the network with fresh weights: pictures (n, side, side, 3), uint8 or float 0..255, to a dictionary of HEADS' logits.

    `trunk`: "resnet50" is the published structure (2,048 features; the authors' weights from VGGFace2 and FER+ are not to be had, a
    user's own go in by `load_weights`), "small" a residual trunk for training from nothing on a processor. `side`: the paper's code
    uses 112; 224 is its option's default. `width`: of the small trunk's first stage, doubled every stage. `hidden`: of a head. `name`: two
    networks of one graph (a student and its teacher) need two names.
    """
    if trunk not in TRUNKS:
        raise ParameterError(f"Unknown trunk {trunk!r}; expected one of {', '.join(TRUNKS)}.{did_you_mean(str(trunk), TRUNKS)}")
    if side < 32 or width < 1 or hidden < 1:
        raise ParameterError(f"Received side {side}, width {width}, hidden {hidden}; expected at least 32, 1 and 1.")
    picture = layers.Input((side, side, 3), name="picture")
    features = _resnet50(picture) if trunk == "resnet50" else _small(picture, width)
    outputs = {task: head(features, task, count, hidden) for task, count in HEADS.items()}
    return keras.Model(picture, outputs, name=name)


def head(features, task: str, count: int, hidden: int = HIDDEN):
    """Return a head's logits (n, count): batch norm, dense, ReLU (its output is `<task>_features`), batch norm, dense."""
    x = layers.BatchNormalization(name=f"{task}_norm_1")(features)
    x = layers.Dense(hidden, name=f"{task}_dense")(x)
    x = layers.Activation("relu", name=f"{task}_features")(x)
    x = layers.BatchNormalization(name=f"{task}_norm_2")(x)
    return layers.Dense(count, name=task)(x)


def _resnet50(picture):
    x = layers.Rescaling(1.0, offset=[-value for value in MEAN], name="centred")(picture)
    # differs from the paper: Keras' ResNet-50 (convolutions with bias, stride in a block's first 1 x 1) for their `resnet50_ferplus_dag`.
    return keras.applications.ResNet50(include_top=False, weights=None, input_tensor=x, pooling="avg").output


def _small(picture, width: int):
    """Return features (n, 8 · width) of a small residual trunk: not of the paper. 16 million multiplications at 112 pixels and width 16."""
    x = layers.Rescaling(1 / 58.0, offset=-2.2, name="standardised")(picture)  # about mean 0, deviation 1 for faces
    x = _convolution(x, width, 5, 2, "stem")
    x = layers.Activation("relu", name="stem_relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for number in range(4):
        x = _block(x, width * 2**number, 1 if number == 0 else 2, f"stage_{number + 1}")
    return layers.GlobalAveragePooling2D(name="average")(x)


def _block(x, filters: int, stride: int, name: str):
    """Return a residual block of two 3 x 3 convolutions (He et al. 2016), the shortcut a 1 x 1 convolution where the shape changes."""
    short = x if stride == 1 and x.shape[-1] == filters else _convolution(x, filters, 1, stride, f"{name}_short")
    x = layers.Activation("relu", name=f"{name}_relu_1")(_convolution(x, filters, 3, stride, f"{name}_first"))
    x = _convolution(x, filters, 3, 1, f"{name}_second")
    return layers.Activation("relu", name=f"{name}_relu_2")(layers.Add(name=f"{name}_sum")([x, short]))


def _convolution(x, filters: int, kernel: int, stride: int, name: str):
    x = layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)


def features_of(model: keras.Model) -> keras.Model:
    """Return the network from the same pictures to its heads' hidden numbers, a dictionary of FEATURES to (n, hidden), weights shared."""
    return keras.Model(model.input, {name: model.get_layer(name).output for name in FEATURES}, name="features")


def cnn_rnn(length: int | None = None, hidden: int = HIDDEN, recurrent: int = RECURRENT) -> keras.Model:
    """Return the recurrent half: from a dictionary of FEATURES to (n, length, hidden) to one of HEADS to logits (n, length, count).

    For each task a bidirectional GRU over its 128 features, ReLU, and a dense layer for every frame. The convolutional half is frozen,
    so its features are computed once, by `features_of`. `length`: frames (the released model: 32); None takes any number.
    """
    inputs = {name: layers.Input((length, hidden), name=name) for name in FEATURES}
    outputs = {}
    for task, count in HEADS.items():
        gru = layers.GRU(recurrent, return_sequences=True, name=f"{task}_gru")
        x = layers.Bidirectional(gru, name=f"{task}_both_ways")(inputs[f"{task}_features"])
        x = layers.Activation("relu", name=f"{task}_relu")(x)
        outputs[task] = layers.Dense(count, name=task)(x)
    return keras.Model(inputs, outputs, name="cnn_rnn")
