"""Published numbers: the LIME study. Averages of Table 3, parameter counts of Table 1, counts in the prose."""

from fractions import Fraction
from math import prod

import pandas as pd

from lib.published import sizes
from lib.published.arithmetic import interval, overlap
from lib.published.tables import CHECK, Measured, as_published, marked, mean_row, table


def overlaps(rounding: str) -> pd.DataFrame:
    """Return the 19 averages of Table 3, networks first, then expressions, then all (`tables.mean_row`)."""
    whole = table("lime_ekman", "table_three").set_index("network")
    cells = whole.drop(index="average", columns="average")
    lines = [(name, whole.loc[name, "average"], cells.loc[name]) for name in cells.index]
    lines += [(name, whole.loc["average", name], cells[name]) for name in cells.columns]
    lines += [("all", whole.loc["average", "average"], cells.to_numpy().ravel())]
    return pd.DataFrame([mean_row(*line, rounding) for line in lines])


def _parts(means: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    networks = means["average of"].isin(table("lime_ekman", "table_one")["network"])
    return means[networks], means[~networks & (means["average of"] != "all")]


def overlaps_table(means: pd.DataFrame) -> pd.DataFrame:
    """Return the averages for people: average of, printed, what the cells allow, fits."""
    allowed = [f"{low:.5f} to {high:.5f}" for low, high in zip(means["low"], means["high"], strict=True)]
    return marked(means[["average of", "printed"]].assign(**{"the cells allow": allowed, "fits": means["fits"]}))


def overlaps_sentence(means: pd.DataFrame) -> str:
    """Say how Table 3's averages and the sentence built on them fare."""
    apart = (means["mean"] - means["printed"].astype(float)).abs().max()
    best = _parts(means)[1].sort_values("mean", ascending=False)
    lead = best["mean"].iloc[0] - best["mean"].iloc[1]
    return (f"**{int(means['fits'].sum())} of {len(means)}** averages follow from their cells; the largest difference is {apart:.5f}, "
            "and half a "
            f"unit of the last digit is 0.00005. The prose says that {best['average of'].iloc[0]} is “almost two tenths” above the rest; "
            "it is "
            f"{lead:.3f} above the next, so the prose claims {'too little' if lead > 0.2 else 'too much'}.")


def networks() -> pd.DataFrame:
    """Return the twelve networks of Table 1 with the size that follows from their layers: network, printed, sum of the layers, fits."""
    rows = []
    for row in table("lime_ekman", "table_one").to_dict("records"):
        unit, size = {"M": 10**6, "K": 10**3}[row["unit"]], sizes.lime_network(row["network"])
        fits = overlap(interval(row["parameters"]), (Fraction(size, unit),) * 2)
        rows.append({"network": row["network"], "printed": f"{row['parameters']} {row['unit']}", "sum of the layers": size, "fits": fits})
    return pd.DataFrame(rows)


def counts() -> pd.DataFrame:
    """Return the counts in the prose that follow from others: what, where, printed, worked out (with its arithmetic), fits."""
    printed = table("lime_ekman", "counts")
    results = [sum(prod(int(factor) for factor in term.split("*")) for term in text.split("+")) for text in printed["worked_out"]]
    shown = [f"{text.replace('*', '×')} = {result:,}" for text, result in zip(printed["worked_out"], results, strict=True)]
    rows = printed[["what", "where", "printed"]].astype({"printed": int})
    return rows.assign(**{"worked out": shown, "fits": rows["printed"] == results})


def measured(rounding: str) -> Measured:
    """Return this notebook's numbers for the study's claims; overlaps in percent."""
    means = overlaps(rounding)
    by_network, by_expression = _parts(means)
    return as_published({
        "table_three_network_averages": int(by_network["fits"].sum()),
        "table_three_expression_averages": int(by_expression["fits"].sum()),
        "overlap_overall": 100 * means["mean"].iloc[-1],
        "overlap_best": 100 * by_network["mean"].max(),
        "overlap_worst": 100 * by_network["mean"].min(),
        "table_one_parameters": int(networks()["fits"].sum()),
        "counts_in_prose": int(counts()["fits"].sum()),
    })  # fmt: skip


def checks(rounding: str) -> pd.DataFrame:
    """Return every single check: study, what, where, printed, worked out, fits."""
    listed = [(f"average overlap, {row['average of']}", "Table 3", row["printed"], f"{row['low']:.5f} to {row['high']:.5f}", row["fits"])
              for row in overlaps(rounding).to_dict("records")]
    listed += [(f"parameters of {row['network']}", "Table 1", row["printed"], f"{row['sum of the layers']:,}", row["fits"])
               for row in networks().to_dict("records")]
    listed += [(row["what"], f"Section {row['where']}", f"{row['printed']:,}", row["worked out"], row["fits"])
               for row in counts().to_dict("records")]
    return pd.DataFrame([("lime_ekman", *row) for row in listed], columns=CHECK)
