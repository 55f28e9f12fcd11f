"""Collections: the 15 sources of the sculpture study's Table I, as printed."""

from pathlib import Path

import pandas as pd

PRINTED_TOTAL = 1855  # Table I, last cell; the fifteen rows add up to 1797, which the census shows and does not mend
CITATION = "Khan, Janik and Gunes, Computational Recognition of Facial Expressions in Sculpture, Table I"


def table_one() -> pd.DataFrame:
    """Return the 15 sources, one row each, in the printed order.

    Columns: `number` (1 to 15), `name`, `published_count` (pictures, as printed), `count_in_text` (the number the paper's prose gives,
    missing where it gives none), `culture`, `place`, `kind` (of object), `period`, `medium_of_access`, `text` (what the prose says);
    "" where the paper does not say.
    """
    table = pd.read_csv(Path(__file__).with_name("sources.csv"), keep_default_na=False, dtype={"number": int, "published_count": int})
    table["count_in_text"] = pd.to_numeric(table["count_in_text"]).astype("Int64")
    return table


def counts_by_source(images: pd.DataFrame, collection: str) -> dict[int, int]:
    """Return how many readable pictures there are of each source of Table I, by its number; only sources that are here at all.

    A picture belongs to a source by a metadata column `source` or `museum`, else by its subfolder, else by the collection's name, where
    that is the source's name as printed, whatever its case, spaces and underscores.
    """
    numbers = {_plain(name): int(number) for number, name in zip(table_one()["number"], table_one()["name"], strict=True)}
    named = pd.Series(numbers.get(_plain(collection)), index=images.index, dtype=object)
    folders = images["file"].map(lambda file: numbers.get(_plain(file.split("/")[0])) if "/" in file else None)
    stated = [images[column].map(lambda name: numbers.get(_plain(name))) for column in ("museum", "source") if column in images]
    for better in [folders, *stated]:
        named = better.where(better.notna(), named)
    return {int(number): int(count) for number, count in named[images["status"] == "ok"].value_counts().sort_index().items()}


def _plain(name) -> str:
    return "".join(letter for letter in str(name).casefold() if letter.isalnum())
