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
