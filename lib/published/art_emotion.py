"""Published numbers: the art emotion study. Its classes, its portraits, and what its accuracies tell of the size of its test sets."""

from fractions import Fraction

import pandas as pd

from lib.compendium import claims
from lib.published.arithmetic import Interval, interval, middle, overlap, possible_sizes
from lib.published.tables import CHECK, Measured, as_published, table

# The classifiers that saw the same pictures: those before and those after the authors kept only portraits (section 4.1).
PAIRS = {"all artworks": ("ShallNet", "VGG16+TLv1"), "portraits only": ("VGG16+TLv2", "CV+FC")}
NEUTRAL = 39  # "nearly 39 %" of the data are labelled neutral or NA (section 3)


def emotions() -> pd.DataFrame:
    """Return the four classes with the emotions that Figure 1 lists for them: group, emotions, number."""
    groups = table("art_emotion", "groups")
    return groups.assign(number=groups["emotions"].str.split().str.len(), emotions=groups["emotions"].str.replace(" ", ", "))


def emotions_sentence(groups: pd.DataFrame) -> str:
    """Say how many emotions the four classes hold."""
    listed, said = int(groups["number"].sum()), int(claims.load("art_emotion")["emotions_grouped"].value)
    return (f"{said} emotions are said to be grouped into {len(groups)} classes; Figure 1 lists **{listed}**, so {said - listed} of them "
            "are in no "
            "class that is printed.")


def portrait_share() -> Interval:
    """Return the bounds of the share of portraits, in percent, that follow from 7k unlabelled, nearly 500 labelled, and 40k artworks.

    "7k" stands for 6,500 to 7,500, "40k" for 39,500 to 40,500, "nearly 500" for 450 to 500.
    """
    return Fraction(100 * (6500 + 450), 40500), Fraction(100 * (7500 + 500), 39500)


def sizes_of_test_sets(largest: int, rounding: str) -> pd.DataFrame:
    """Return which sizes of a test set explain both accuracies of a pair of classifiers: data, classifiers, accuracies, sizes."""
    test = table("art_emotion", "table_one").set_index("model")["test"]
    return pd.DataFrame([
        {"data": data, "classifiers": " and ".join(models), "accuracies": " and ".join(f"{test[model]} %" for model in models),
         "sizes": possible_sizes([test[model] for model in models], largest, rounding, percent=True)}
        for data, models in PAIRS.items()
    ])  # fmt: skip


def test_sets_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes for people: how many, and the smallest ones."""
    few = [", ".join(map(str, sizes[:12])) + (" …" if len(sizes) > 12 else "") for sizes in found["sizes"]]
    return found.assign(**{"possible sizes": found["sizes"].str.len(), "the smallest": few}).drop(columns="sizes")


def test_sets_sentence(found: pd.DataFrame, largest: int) -> str:
    """Say what the accuracies tell about the sizes of the test sets, and which classifiers beat a constant answer."""
    parts = [f"on {row['data']} {len(row['sizes'])} of the sizes up to {largest} can give both {row['accuracies']}"
             + (f", none below {row['sizes'][0]}" if row["sizes"] else "") + _round_ones(row["sizes"]) for row in found.to_dict("records")]
    test = table("art_emotion", "table_one").set_index("model")["test"].astype(float)
    idle = [f"{model} ({score} %)" for model, score in test.items() if score < NEUTRAL + 0.5]
    return (f"If the classifiers of a pair were examined on the same pictures, {'; '.join(parts)}. Chance has a say here too: nearly "
            f"{NEUTRAL} % of the "
            f"data are neutral or NA, and that is what always answering “neutral” earns on a test set mixed like the data. "
            f"{' and '.join(idle)} do not get beyond it.")


def _round_ones(sizes: list[int]) -> str:
    """Say which round sizes are among those possible, since people like to set such a number aside."""
    fifties = [str(size) for size in sizes if size % 50 == 0]
    return f" (of the multiples of 50: {', '.join(fifties) or 'none'})"


def measured(rounding: str) -> Measured:
    """Return this notebook's numbers for the study's claims; nothing here depends on how numbers were rounded."""
    return as_published({"emotions_grouped": int(emotions()["number"].sum()), "portrait_share": middle(portrait_share())})


def checks(rounding: str) -> pd.DataFrame:
    """Return every single check: study, what, where, printed, worked out, fits."""
    numbers, (low, high) = emotions()["number"], portrait_share()
    said = int(claims.load("art_emotion")["emotions_grouped"].value)
    worked = f"{' + '.join(map(str, numbers))} = {numbers.sum()}"
    listed = [
        ("emotions in four classes", "Section 3, Figure 1", str(said), worked, numbers.sum() == said),
        ("artworks with a person or portrait, %", "Section 3, Figure 4", "20", f"{float(low):.1f} to {float(high):.1f}",
         overlap((low, high), interval("20", rounding))),
    ]  # fmt: skip
    return pd.DataFrame([("art_emotion", *row) for row in listed], columns=CHECK)
