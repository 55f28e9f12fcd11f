"""Collections: which cue agrees with the label in the atelier's paintings, in exact proportion, and what a perfect reader reaches.

Four groups of emotions (Charkhabi and Garrido, Figure 1): 0 sadness, fear, disgust, anger; 1 neutral; 2 lust, envy, surprise;
3 optimism, joy, love. The local cue is the expression of a portrait's face, the global cue is the whole painting's palette, brightness
and canvas. Everything here is planted: synthetic.
"""

import numpy as np

from lib.compendium.errors import ParameterError, did_you_mean

GROUPS = 4
REGIMES = ("global", "local", "both")
MISLED = ("partner", "any")
# Whom a cue takes a group for where it misleads ("partner"). A palette tells dark from bright and errs between the two dark groups and
# between the two bright ones; a face tells calm from aroused (fear's and surprise's open mouth and eyes; a smile near neutral).
GLOBAL_PARTNER = (1, 0, 3, 2)
LOCAL_PARTNER = (2, 3, 0, 1)
EXPRESSIONS_OF = (("sad", "fear", "disgust", "angry"), ("neutral",), ("surprise",), ("happy",))
EMOTION_OF = {"sad": "Sadness", "fear": "Fear", "disgust": "Disgust", "angry": "Anger", "neutral": "Neutral", "surprise": "Surprise",
              "happy": "Joy"}  # fmt: skip
EMOTIONS_OF = (("Sadness", "Fear", "Disgust", "Anger"), ("Neutral", "NA"), ("Lust", "Envy", "Surprise"), ("Optimism", "Joy", "Love"))


def check(regime: str, reliability: float, misled: str) -> None:
    """Raise ParameterError unless the regime, the reliability (from chance, .25, to 1) and the way of misleading are known."""
    for what, value, known in (("regime", regime, REGIMES), ("misled", misled, MISLED)):
        if value not in known:
            raise ParameterError(f"Received {what} {value!r}; expected one of {', '.join(known)}.{did_you_mean(str(value), known)}")
    if isinstance(reliability, bool) or not isinstance(reliability, int | float) or not 1 / GROUPS <= reliability <= 1:
        raise ParameterError(f"Received reliability {reliability!r}; expected a share from {1 / GROUPS:g} (chance) to 1.")


def evenly(total: int, shares, generator: np.random.Generator) -> np.ndarray:
    """Return `total` category numbers in random order, each category as often as its share says (largest remainders), int (total,)."""
    exact = np.asarray(shares, float) / np.sum(shares) * total
    counts = np.floor(exact).astype(int)
    # Ties between remainders are broken at random, so that no category profits in every stratum.
    rest = np.argsort(counts - exact + 1e-9 * generator.random(len(counts)), kind="stable")
    counts[rest[: total - counts.sum()]] += 1
    return generator.permutation(np.repeat(np.arange(len(counts)), counts))


def global_only(local: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (label, global group): the label is the palette's group, which is even within each local group (-1: none) and so tells nothing
    of it."""
    palette = np.empty(len(local), int)
    for group in np.unique(local):
        rows = local == group
        palette[rows] = evenly(int(rows.sum()), [1] * GROUPS, generator)
    return palette.copy(), palette


def local_only(local: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (label, global group): the label is the expression's group (without a face drawn evenly), the palette tells nothing."""
    label = local.copy()
    label[local < 0] = evenly(int((local < 0).sum()), [1] * GROUPS, generator)
    return label, global_only(np.where(local >= 0, local, label + GROUPS), generator)[1]


def both(local: np.ndarray, reliability: float, misled: str, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (label, global group): each cue agrees with the label in the share `reliability`, independently of the other.

    Within each local group the four cases (both agree, one, the other, none) have their exact shares. Where there is no face, the
    palette alone agrees in that share.
    """
    label, palette = np.empty(len(local), int), np.empty(len(local), int)
    right, wrong = reliability, 1 - reliability
    for group in np.unique(local):
        rows = np.flatnonzero(local == group)
        if group < 0:
            label[rows] = evenly(len(rows), [1] * GROUPS, generator)
            case = evenly(len(rows), [right, wrong], generator)
            palette[rows] = np.where(case == 0, label[rows], mistaken(label[rows], GLOBAL_PARTNER, misled, generator))
            continue
        case = evenly(len(rows), [right * right, right * wrong, wrong * right, wrong * wrong], generator)
        mine = np.full(len(rows), group)
        label[rows] = np.where(case < 2, mine, mistaken(mine, LOCAL_PARTNER, misled, generator))
        palette[rows] = np.where(case % 2 == 0, label[rows], mistaken(label[rows], GLOBAL_PARTNER, misled, generator))
    return label, palette


def mistaken(groups: np.ndarray, partner: tuple, misled: str, generator: np.random.Generator) -> np.ndarray:
    """Return for each group another one: its partner, or (`any`) one of the three others at random."""
    if misled == "partner":
        return np.asarray(partner)[groups]
    return (groups + generator.integers(1, GROUPS, len(groups))) % GROUPS


def best_accuracy(reliability: float, misled: str = "partner") -> dict[str, float]:
    """Return the accuracy of a perfect reader in the regime `both`: {"global": …, "local": …, "both": …}, 0 to 1.

    Enumerates labels and cues and takes the likeliest label of each. Two cues that err `any` way and equally often know no more
    together than one: where they differ there is nothing to tell who is right. Those that err between partners do: two wrong guesses
    leave one label.
    """
    check("both", reliability, misled)
    joint = np.zeros((GROUPS, GROUPS, GROUPS))  # label, palette, expression
    for label in range(GROUPS):
        palette, face = (_seen(label, reliability, partner, misled) for partner in (GLOBAL_PARTNER, LOCAL_PARTNER))
        joint[label] = np.outer(palette, face) / GROUPS
    return {"global": float(joint.sum(axis=2).max(axis=0).sum()), "local": float(joint.sum(axis=1).max(axis=0).sum()),
            "both": float(joint.max(axis=0).sum())}  # fmt: skip


def _seen(label: int, reliability: float, partner: tuple, misled: str) -> np.ndarray:
    """Return how probable each group of a cue is, given the label (4,)."""
    seen = np.full(GROUPS, (1 - reliability) / (GROUPS - 1)) if misled == "any" else np.zeros(GROUPS)
    seen[partner[label]] = (1 - reliability) if misled == "partner" else seen[partner[label]]
    seen[label] = reliability
    return seen
