"""Published numbers: the sculpture study. Table I's sum, Table II's F1-scores and averages, the parameter counts."""

from fractions import Fraction

import pandas as pd

from lib.collections import sources
from lib.compendium import claims
from lib.expressions import EXPRESSIONS
from lib.published import arithmetic, sizes
from lib.published.arithmetic import AVERAGES, METRICS, interval, overlap
from lib.published.tables import CHECK, Measured, as_published, table

# The identities of `arithmetic.readings` as a table shows them, with a word of the reason it gives where one is broken.
IDENTITIES = {
    "macro is the mean": "mean of the classes", "recalls are equal": "weighted recall", "micro F1 is harmonic": "harmonic",
    "class sizes exist": "class sizes",
}  # fmt: skip
HEAD_WIDTH = {"MobileNet-v1": 1024, "VGG16": 512}  # not stated in the paper: as wide as what it stands on

# ---- Table I


def table_one() -> tuple[pd.DataFrame, int, int]:
    """Return the fifteen rows of Table I, their sum, and the printed total."""
    rows = sources.table_one()
    return rows, int(rows["published_count"].sum()), sources.PRINTED_TOTAL


def _told(rows: pd.DataFrame) -> pd.Series:
    """Return, for the rows whose count the prose repeats, whether the two agree."""
    rows = rows.dropna(subset="count_in_text")
    return rows["count_in_text"] == rows["published_count"]


def table_one_sentence() -> str:
    """Say whether Table I adds up, and whether the prose repeats its counts rightly."""
    rows, total, printed = table_one()
    told, warriors = _told(rows), int(claims.load("terracotta")["tw58_parts"].value)
    text = (f"The {len(rows)} rows add up to **{total:,}**; the table prints **{printed:,}**. The prose repeats {len(told)} of the "
            "counts, and "
            f"{int(told.sum())} of them agree with their row. ")
    if printed != total:
        text += f"So **{abs(printed - total)} pictures** are in the total and in no row. "
    if printed - total == warriors:
        text += (f"(The terracotta study's own collection happens to have {warriors} pictures as well. The sculpture study cites that "
                 "work but "
                 "names no such source, so this may be chance.)")
    return text


# ---- Table II


def table_two() -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return network -> (seven class rows, three summary rows) of Table II as printed text, columns precision, recall, f1."""
    whole = table("sculpture", "table_two").set_index("row")
    parts = {name: rows[list(METRICS)] for name, rows in whole.groupby("network", sort=False)}
    return {name: (rows.loc[list(EXPRESSIONS)], rows.loc[list(AVERAGES)]) for name, rows in parts.items()}


def f1_scores(rounding: str) -> pd.DataFrame:
    """Return all class F1-scores of Table II beside what their precision and recall allow (`arithmetic.f1_table`), with `network`."""
    parts = [arithmetic.f1_table(classes, rounding).assign(network=name) for name, (classes, _) in table_two().items()]
    return pd.concat(parts, ignore_index=True)


def f1_sentence(scores: pd.DataFrame) -> str:
    """Say how many F1-scores contradict their own precision and recall, and on which side."""
    wrong = scores[~scores["fits"]]
    if wrong.empty:
        return f"All {len(scores)} F1-scores follow from their precision and recall."
    listed = "; ".join(f"{name}: {', '.join(rows['class'])}" for name, rows in wrong.groupby("network", sort=False))
    text = f"**{len(wrong)} of {len(scores)}** F1-scores cannot come from the precision and recall printed beside them ({listed}). "
    if set(wrong["deviation"]) == {"below"}:
        text += ("All of them are too *low*, and that has one innocent explanation. If every cell is a mean over several runs, the mean "
                 "of the "
                 "F1-scores lies below the harmonic mean of mean precision and mean recall, and never above. The paper speaks of one "
                 "split and "
                 "of no repetition, so this remains an explanation the paper does not give.")
    return text


def readings(rounding: str) -> pd.DataFrame:
    """Return the six ways of reading each network's three summary rows (`arithmetic.readings`), with `network`."""
    parts = [arithmetic.readings(*rows, rounding).assign(network=name) for name, rows in table_two().items()]
    return pd.concat(parts, ignore_index=True)


def readings_table(tried: pd.DataFrame) -> pd.DataFrame:
    """Return the readings for people: which printed row would be which average, and what speaks against it."""
    shown = tried[["network", *AVERAGES]].rename(columns={name: f"{name} is the row printed" for name in AVERAGES})
    for test, sign in IDENTITIES.items():
        shown[test] = tried["against"].map(lambda reasons, sign=sign: "no" if any(sign in reason for reason in reasons) else "yes")
    untried = tried["against"].map(lambda reasons: bool(reasons) and not any("class sizes" in reason for reason in reasons))
    shown.loc[untried, "class sizes exist"] = ""  # looked for only where nothing else speaks against a reading
    return shown.assign(possible=tried["possible"].map({True: "yes", False: ""}))


def rightly_named(tried: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return network -> average -> the name it is printed under, for the networks that leave exactly one possible reading."""
    possible = tried[tried["possible"]].groupby("network", sort=False).filter(lambda rows: len(rows) == 1)
    return {row["network"]: {name: row[name] for name in AVERAGES} for _, row in possible.iterrows()}


def readings_sentence(tried: pd.DataFrame) -> str:
    """Say, a network at a time, which printed summary row is which average."""
    lines, named = [], rightly_named(tried)
    for network, ways in tried.groupby("network", sort=False):
        if network not in named:
            count = int(ways["possible"].sum())
            lines.append(f"* **{network}**: {count or 'none'} of the {len(ways)} readings {'are' if count > 1 else 'is'} possible.")
            continue
        moved = [f"“{printed}” is the {name} average" for name, printed in named[network].items() if printed != name]
        told = "every row is what it is called." if not moved else f"**{len(moved)} of 3 rows have a wrong name**: {', '.join(moved)}."
        lines.append(f"* **{network}**: of {len(ways)} readings one is left, and {told}")
    return "\n".join(lines)


def named_tables(tried: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return network -> (class rows, summary rows under their right names) for the networks with one possible reading."""
    named, whole = rightly_named(tried), table_two()
    return {name: (whole[name][0], whole[name][1].loc[list(names.values())].set_axis(list(names))) for name, names in named.items()}


def class_shares(tried: pd.DataFrame, rounding: str) -> pd.DataFrame:
    """Return the bounds of each class's share of the test set's labels that all networks allow together; empty where none do."""
    tables = list(named_tables(tried).values())
    shares = arithmetic.class_shares(tables, rounding) if tables else None
    return pd.DataFrame(columns=["class", "low", "high"]) if shares is None else shares


def class_shares_sentence(shares: pd.DataFrame) -> str:
    """Say what Table II tells about the sizes of the classes."""
    if shares.empty:
        return "No class sizes explain the averages of all networks together, so nothing can be said of them."
    sure = shares[shares["low"] > 0.005].sort_values("low", ascending=False)
    told = ", ".join(f"{row['class']} makes up {row['low']:.0%} to {row['high']:.0%} of the labels" for _, row in sure.iterrows())
    rare = shares.loc[shares["high"].idxmin()]
    return (f"With the rows under their right names, one test set explains all networks at once: {told}; {rare['class']} makes up at most "
            f"{rare['high']:.0%}. The averages give away something of what the paper shows only as a pie chart (Fig. 5).")


def leads(tried: pd.DataFrame) -> pd.DataFrame:
    """Return MobileNet-v1's lead in F1 over the better of the other two networks: average, as printed, rows put right."""
    printed = {name: rows["f1"].astype(float) for name, (_, rows) in table_two().items()}
    right = printed | {name: rows["f1"].astype(float) for name, (_, rows) in named_tables(tried).items()}
    first, *others = printed
    lead = {title: [scores[first][name] - max(scores[other][name] for other in others) for name in AVERAGES]
            for title, scores in (("as printed", printed), ("rows put right", right))}
    return pd.DataFrame({"average of F1": AVERAGES, **lead})


def leads_sentence(lead: pd.DataFrame) -> str:
    """Say whether the study's main result survives its table."""
    behind = " and ".join(lead.loc[lead["as printed"] <= 0, "average of F1"])
    text = f"As printed, MobileNet-v1 is behind in the {behind} average, against what the text says. " if behind else ""
    if (lead["rows put right"] <= 0).any():
        return text + "With the rows put right it does not lead in all three averages either."
    return text + (f"With the rows put right it leads in all three, by {lead['rows put right'].min():.2f} at least: what the text "
                   "concludes is "
                   "right, only the table was set wrongly. Whether so small a lead is more than chance cannot be told without the size of "
                   "the test set.")


# ---- parameters


def counted() -> pd.DataFrame:
    """Return ways of counting the parameters of MobileNet-v1 and VGG16 beside the printed numbers (in millions)."""
    mobile, moving, body = sizes.mobilenet(), sizes.mobilenet_moving(), sizes.mobilenet(0)
    normalised = sizes.normalisation(sum(width * times for width, times in zip(sizes.VGG_WIDTHS, sizes.VGG[16], strict=True)))
    heads = {name: sizes.perceptron(into, HEAD_WIDTH[name]) for name, into in (("MobileNet-v1", 1024), ("VGG16", 512))}
    rows = [
        ("MobileNet-v1", "4.2", "ImageNet's 1,000 classes, everything", mobile),
        ("MobileNet-v1", "4.2", "ImageNet's 1,000 classes, without moving means and variances", mobile - moving),
        ("MobileNet-v1", "4.2", "without classifier", body),
        ("MobileNet-v1", "4.2", f"with the study's head ({HEAD_WIDTH['MobileNet-v1']:,} wide: our choice)", body + heads["MobileNet-v1"]),
        ("VGG16", "138", "ImageNet's 1,000 classes", sizes.vgg(16)),
        ("VGG16", "138", "the same with batch normalisation, as section III-A describes it", sizes.vgg(16) + normalised),
        ("VGG16", "138", f"with the study's head ({HEAD_WIDTH['VGG16']} wide: our choice)", sizes.vgg_body(16) + heads["VGG16"]),
    ]
    rows = pd.DataFrame(rows, columns=["network", "printed, millions", "what is counted", "parameters"])
    return rows.assign(fits=[overlap(interval(printed), (Fraction(size, 10**6),) * 2)
                             for printed, size in zip(rows["printed, millions"], rows["parameters"], strict=True)])


def counted_sentence(rows: pd.DataFrame) -> str:
    """Say which count the printed parameters are."""
    parts = []
    for network, ways in rows.groupby("network", sort=False):
        fitting = " or ".join(f"“{what}”" for what in ways.loc[ways["fits"], "what is counted"]) or "no way of counting"
        parts.append(f"{ways['printed, millions'].iloc[0]} million for {network} fits {fitting}")
    headed = rows[rows["what is counted"].str.contains("head")].set_index("network")["parameters"] / 1e6
    return (f"{'; '.join(parts)}. Both are sizes of the networks as published for ImageNet. The networks that the study trains end in "
            "its own "
            f"small head instead (its width is not stated; with ours they have {' and '.join(f'{size:.1f}' for size in headed)} "
            "million), so that "
            f"VGG16 is {headed['VGG16'] / headed['MobileNet-v1']:.1f} times as large as MobileNet-v1, not {138 / 4.2:.0f} times.")


# ---- the whole study


def measured(rounding: str) -> Measured:
    """Return this notebook's numbers for the study's claims."""
    rows, total, _ = table_one()
    tried = readings(rounding)
    numbers = {"table_one_total": total, "table_one_in_prose": int(_told(rows).sum())}
    for network, ways in tried.groupby("network", sort=False):
        right = [sum(row[name] == name for name in AVERAGES) for _, row in ways[ways["possible"]].iterrows()]
        numbers[f"table_two_{_slug(network)}_summary_rows"] = max(right, default=0)  # in doubt for the paper
    for network, part in f1_scores(rounding).groupby("network", sort=False):
        numbers[f"table_two_{_slug(network)}_f1_scores"] = int(part["fits"].sum())
    numbers["mobilenet_is_best"] = float(leads(tried)["rows put right"].min())
    numbers["mobilenet_parameters"] = (sizes.mobilenet() - sizes.mobilenet_moving()) / 1e6
    numbers["vgg16_parameters"] = sizes.vgg(16) / 1e6
    return as_published(numbers)


def checks(rounding: str) -> pd.DataFrame:
    """Return every single check: study, what, where, printed, worked out, fits."""
    rows, total, printed = table_one()
    listed = [("total", "Table I", f"{printed:,}", f"{' + '.join(map(str, rows['published_count']))} = {total:,}", total == printed)]
    for row in f1_scores(rounding).to_dict("records"):
        p, r = row["precision"], row["recall"]
        worked = f"2 × {p} × {r} / ({p} + {r}), from {row['low']:.4f} to {row['high']:.4f}"
        listed.append((f"F1-score of {row['network']}, {row['class']}", "Table II", row["f1"], worked, row["fits"]))
    for row in readings(rounding).to_dict("records"):
        if all(row[name] == name for name in AVERAGES):
            worked = "; ".join(row["against"]) or "all identities hold"
            listed.append((f"names of the summary rows of {row['network']}", "Table II", ", ".join(AVERAGES), worked, row["possible"]))
    for network, ways in counted().groupby("network", sort=False):
        worked = " or ".join(f"{size:,} ({what})" for what, size in zip(ways["what is counted"], ways["parameters"], strict=True))
        printed = f"{ways['printed, millions'].iloc[0]} million"
        listed.append((f"parameters of {network}", "Section VIII", printed, worked, ways["fits"].any()))
    return pd.DataFrame([("sculpture", *row) for row in listed], columns=CHECK)


def _slug(network: str) -> str:
    return network.lower().replace("-", "_")
