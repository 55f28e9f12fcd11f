"""Expressions: the vocabulary every room shares. Names, class orders, Action Unit tables and multi-hot labels.

Class orders differ between the studies, the labellers and the corpora, and a wrong order is a silent error. So every order is
written down here once, under the name of its source, and scores change order only through `reorder`.
"""

import numpy as np

from lib.compendium.errors import ParameterError, did_you_mean

# The seven expressions, in the order of Table II of the sculpture study.
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

# Only OpenFace 3 and some Action Unit tables know an eighth.
CONTEMPT = "contempt"

# Other spellings seen in papers, file names and column headings. "Joy" is left out on purpose: for the art emotion study joy is
# an emotion beside others (optimism, love), not a facial expression.
SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
    "contemptuous": "contempt",
}

_FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # file labels 0 to 6
_RAF_DB = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")  # file labels 1 to 7

# The order of the classes in each source's scores and tables.
ORDERS = {
    "sculpture": EXPRESSIONS,  # Khan et al., Table II
    "fer2013": _FER2013,  # the corpus
    "realtime": _FER2013,  # Arriaga et al., trained on FER2013
    "multitask": ("neutral", "angry", "disgust", "fear", "happy", "sad", "surprise"),  # Deng et al. 2020
    "raf_db": _RAF_DB,  # the corpus
    "arm": _RAF_DB,  # Shi and Zhu, trained on RAF-DB
    "lime_ekman": ("angry", "disgust", "fear", "happy", "sad", "surprise"),  # Gaya-Morey et al., without neutral
    "openface_3": ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", CONTEMPT),
}

# Which Action Units show an expression, by the publication that says so. Neutral has no units: it is their absence.
ACTION_UNIT_TABLES = {
    # Gaya-Morey et al., Table 2, after Perveen and Mohan (2020).
    "lime_ekman": {
        "angry": (4, 5, 7, 23),
        "disgust": (9, 15),
        "fear": (1, 2, 4, 5, 7, 20, 26),
        "happy": (6, 12),
        "sad": (1, 4, 15),
        "surprise": (1, 2, 5, 26),
    },
    # EMFACS as commonly tabulated. Unit 7 of fear is optional there, 16 of disgust may be 17, and contempt is one-sided.
    "emfacs": {
        "angry": (4, 5, 7, 23),
        "disgust": (9, 15, 16),
        "fear": (1, 2, 4, 5, 7, 20, 26),
        "happy": (6, 12),
        "sad": (1, 4, 15),
        "surprise": (1, 2, 5, 26),
        "contempt": (12, 14),
    },
    # OpenDBM's rules for OpenFace 2, which has no unit 16.
    "open_dbm": {
        "angry": (4, 5, 7, 23),
        "disgust": (9, 15),
        "fear": (1, 2, 4, 5, 7, 20, 26),
        "happy": (6, 12),
        "sad": (1, 4, 15),
        "surprise": (1, 2, 5, 26),
        "contempt": (12, 14),
    },
}

# OpenFace 2: units with an intensity from 0 to 5 (columns `_r`) and with a presence of 0 or 1 (columns `_c`).
# Unit 28 has no intensity because there was no training data for it (OpenFace issue 885).
OPENFACE_INTENSITY_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
OPENFACE_PRESENCE_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
OPENFACE_INTENSITY_COLUMNS = tuple(f"AU{unit:02d}_r" for unit in OPENFACE_INTENSITY_UNITS)
OPENFACE_PRESENCE_COLUMNS = tuple(f"AU{unit:02d}_c" for unit in OPENFACE_PRESENCE_UNITS)

# Deng et al. 2020: the eight units of the multi-task network, in the order of its outputs.
MULTITASK_UNITS = (1, 2, 4, 6, 12, 15, 20, 25)

# Where an emotion lies on the plane of valence (unpleasant to pleasant) and arousal (calm to excited), both -1 to 1: mean ratings of the
# words happy, angry, fearful, sad, disgusted and surprised in Russell and Mehrabian (1977), Evidence for a three-factor theory of
# emotions, Journal of Research in Personality 11, 273-294. Neutral is the origin by definition. Russell's circumplex (1980) is this plane.
CIRCUMPLEX = {
    "angry": (-0.51, 0.59),
    "disgust": (-0.60, 0.35),
    "fear": (-0.64, 0.60),
    "happy": (0.81, 0.51),
    "neutral": (0.0, 0.0),
    "sad": (-0.63, -0.27),
    "surprise": (0.40, 0.67),
}

# Names from the Facial Action Coding System (Ekman, Friesen and Hager 2002).
ACTION_UNIT_NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    43: "eyes closed",
    45: "blink",
}


def canonical(name: str) -> str:
    """Return the compendium's name of an expression: "Happiness", "HAPPY" and " happy " are all "happy".

    Raises ParameterError for a name that is neither an expression, contempt, nor a known synonym.
    """
    word = str(name).strip().lower()
    word = SYNONYMS.get(word, word)
    if word in (*EXPRESSIONS, CONTEMPT):
        return word
    hint = did_you_mean(word, (*EXPRESSIONS, CONTEMPT, *SYNONYMS))
    raise ParameterError(f"Unknown expression {name!r}; expected one of {', '.join(EXPRESSIONS)} (or contempt).{hint}")


def order(source) -> tuple[str, ...]:
    """Return the class order of a source as canonical names.

    `source` is a key of `ORDERS`, or the names themselves in order (a list of column headings, say).
    Raises ParameterError for an unknown source, an unknown name or a name given twice.
    """
    if isinstance(source, str):
        if source not in ORDERS:
            raise ParameterError(f"Unknown class order {source!r}; expected one of {', '.join(ORDERS)}.{did_you_mean(source, ORDERS)}")
        return ORDERS[source]
    names = tuple(canonical(name) for name in source)
    if len(set(names)) != len(names):
        raise ParameterError(f"Received the class order {list(source)}, in which an expression comes twice; name each one once.")
    return names


def reorder(scores, from_source, to_source, *, fill=None, drop: bool = False) -> np.ndarray:
    """Return scores of shape (…, n) in the class order of another source, shape (…, m).

    `fill` is the score given to classes that `from_source` does not have, and `drop` allows leaving out classes that `to_source`
    does not have. Without them a missing class raises ParameterError, because both change what the scores mean.
    Nothing is rescaled: probabilities that lose a class no longer sum to one.
    """
    scores = np.asarray(scores)
    here, there = order(from_source), order(to_source)
    if scores.ndim == 0 or scores.shape[-1] != len(here):
        raise ParameterError(f"Received scores of shape {scores.shape}; expected (…, {len(here)}), one for each of {', '.join(here)}.")
    absent = [name for name in there if name not in here]
    surplus = [name for name in here if name not in there]
    if absent and fill is None:
        raise ParameterError(f"The order {from_source!r} has no {', '.join(absent)}, needed by {to_source!r}; give `fill` a score for it.")
    if surplus and not drop:
        raise ParameterError(f"The order {to_source!r} has no {', '.join(surplus)}; pass `drop=True` to leave those scores out.")
    kind = np.result_type(scores.dtype, fill) if absent else scores.dtype
    result = np.full((*scores.shape[:-1], len(there)), fill if absent else 0, dtype=kind)
    for place, name in enumerate(there):
        if name in here:
            result[..., place] = scores[..., here.index(name)]
    return result


def to_multi_hot(sets, source="sculpture") -> np.ndarray:
    """Return sets of expression names, one set a face, as a (n_faces, n_classes) array of uint8 zeros and ones.

    A face may have several names or none. Raises ParameterError for a name that the order does not have.
    """
    columns, sets = order(source), list(sets)
    result = np.zeros((len(sets), len(columns)), dtype=np.uint8)
    for row, names in enumerate(sets):
        if isinstance(names, str):
            raise ParameterError(f"Received the text {names!r} for face {row}; expected a set of names such as {{{names!r}}}.")
        for name in map(canonical, names):
            if name not in columns:
                raise ParameterError(f"Face {row} is {name!r}, which the order {source!r} does not have; expected {', '.join(columns)}.")
            result[row, columns.index(name)] = 1
    return result


def from_multi_hot(labels, source="sculpture") -> list[frozenset[str]]:
    """Return the set of expression names of each row of a (n_faces, n_classes) array of zeros and ones."""
    labels, columns = np.asarray(labels), order(source)
    if labels.ndim != 2 or labels.shape[1] != len(columns):
        raise ParameterError(f"Received labels of shape {labels.shape}; expected (n_faces, {len(columns)}).")
    _check_binary(labels)
    return [frozenset(name for name, present in zip(columns, row, strict=True) if present) for row in labels]


def union(*labellers) -> np.ndarray:
    """Return the union of several labellers' multi-hot labels, all of one shape (n_faces, n_classes) and order, as uint8.

    An expression is kept when at least one labeller gave it: the multi-label target of the sculpture study.
    """
    labels = [np.asarray(labeller) for labeller in labellers]
    shapes = [labeller.shape for labeller in labels]
    if not labels or len(set(shapes)) != 1:
        raise ParameterError(f"Received labels of shapes {shapes}; expected one or more labellers, all of the same shape.")
    for labeller in labels:
        _check_binary(labeller)
    return np.logical_or.reduce(labels).astype(np.uint8)


def _check_binary(labels: np.ndarray) -> None:
    wrong = labels[(labels != 0) & (labels != 1)]
    if wrong.size:
        raise ParameterError(f"Received the label {wrong.flat[0]}; expected zeros and ones only. Compare scores with a threshold first.")


def circumplex(expression, intensity: float = 1.0) -> tuple[float, float]:
    """Return valence and arousal (-1 to 1) of an expression, or of {expression: weight}, shown at an intensity from 0 to 1.

    The point moves from the origin to the place in CIRCUMPLEX as the intensity rises; a mixture lies at its weighted mean.
    """
    weights = {expression: 1.0} if isinstance(expression, str) else dict(expression)
    total = sum(weights.values())
    if not 0 <= intensity <= 1 or total <= 0 or min(weights.values()) < 0:
        raise ParameterError(f"Received {expression!r} at intensity {intensity!r}; expected weights above 0 and an intensity from 0 to 1.")
    points = [(weight, CIRCUMPLEX[_on_circumplex(name)]) for name, weight in weights.items()]
    return tuple(float(intensity * sum(weight * point[axis] for weight, point in points) / total) for axis in (0, 1))


def _on_circumplex(name: str) -> str:
    if (word := canonical(name)) not in CIRCUMPLEX:
        raise ParameterError(f"Received {name!r}, which has no place on the circumplex; expected one of {', '.join(CIRCUMPLEX)}.")
    return word


def action_units(table: str = "lime_ekman", available=None) -> dict[str, tuple[int, ...]]:
    """Return the Action Units of each expression in a published table (a key of `ACTION_UNIT_TABLES`).

    `available` are the units an instrument measures, such as `OPENFACE_INTENSITY_UNITS`; the others are left out of the rules
    (OpenFace has no unit 16, so disgust keeps 9 and 15). Raises ParameterError for an unknown table, or where a rule would be empty.
    """
    if table not in ACTION_UNIT_TABLES:
        hint = did_you_mean(str(table), ACTION_UNIT_TABLES)
        raise ParameterError(f"Unknown Action Unit table {table!r}; expected one of {', '.join(ACTION_UNIT_TABLES)}.{hint}")
    if available is None:
        return dict(ACTION_UNIT_TABLES[table])
    rules = {name: tuple(unit for unit in units if unit in available) for name, units in ACTION_UNIT_TABLES[table].items()}
    empty = [name for name, units in rules.items() if not units]
    if empty:
        raise ParameterError(f"The units {sorted(available)} leave no unit of {', '.join(empty)} in {table!r}; give the units it needs.")
    return rules
