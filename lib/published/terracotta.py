"""Published numbers: the terracotta study. Counts of GAN18K and TW58, percentages of postures, accuracies and their averages."""

import pandas as pd

from lib.compendium import claims
from lib.expressions import EXPRESSIONS
from lib.published import arithmetic
from lib.published.arithmetic import grim, interval, overlap, possible_sizes
from lib.published.tables import CHECK, Measured, as_published, mean_row, table

TOTAL, TRAIN, TEST, SETS = 18690, 15730, 2960, 2670  # GAN18K: sections 2.1.2 and 3.3
INTERNET, FILM = 26, 32  # TW58: section 3.1
ACCURACIES = ("table_one", "table_two", "table_three", "table_four", "table_five", "table_six", "table_seven")
COMMON = ("happy", "sad", "angry", "neutral")  # "mainly recognized as", section 2.2
BEST = ("surprise", "angry", "happy")  # "much higher than other expressions", section 2.1.2


# ---- counts


def _said(claim: str) -> int:
    return int(claims.load("terracotta")[claim].value)


def counts() -> pd.DataFrame:
    """Return the study's whole numbers beside what they should be by each other: what, where, printed, worked out, fits."""
    each, whole, parts, fifth = (_said(name) for name in ("gan18k_per_expression", "gan18k_total", "gan18k_parts", "gan18k_test_share"))
    film, warriors, share = _said("tw58_parts"), _said("postures_total"), 100 * arithmetic.split_shares([TRAIN, TEST])[1]
    by_posture = postures("nearest").groupby("posture", sort=False)["pictures"].first()
    rows = [
        ("GAN18K: sets of seven expressions", "3.3", whole, f"7 × {SETS:,} = {7 * SETS:,}", whole == 7 * SETS),
        ("GAN18K: pictures of each expression", "3.3", each, f"{TOTAL:,} / 7 = {TOTAL / 7:,.0f}", 7 * each == TOTAL),
        ("GAN18K: training and test part", "2.1.2", parts, f"{TRAIN:,} + {TEST:,} = {TRAIN + TEST:,}", parts == TRAIN + TEST),
        ("GAN18K: test part of “7:1:2”, %", "2.1.2", fifth, f"{TEST:,} / {TOTAL:,} = {share:.1f}", abs(share - fifth) < 2),
        ("TW58: Internet and film", "3.1", film, f"{INTERNET} + {FILM} = {INTERNET + FILM}", film == INTERNET + FILM),
        ("warriors in five postures", "3.1", warriors, f"{' + '.join(map(str, by_posture))} = {by_posture.sum()}",
         warriors == by_posture.sum()),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["what", "where", "printed", "worked out", "fits"])


def counts_sentence() -> str:
    """Say what is odd about GAN18K's counts."""
    unequal = [f"{part:,} / 7 = {part / 7:,.1f}" for part in (TRAIN, TEST) if not arithmetic.equal_parts(part, 7)]
    shares = ":".join(f"{100 * share:.0f}" for share in arithmetic.split_shares([TRAIN, TEST]))
    return (f"The total is right for {SETS:,} sets of seven; “{_said('gan18k_per_expression'):,.0f} of each” looks like a slip of the "
            f"pen for {SETS:,}. "
            f"The two parts stand {shares}, which is not 7:1:2 and, if validation is in the first part, not 8:2 either; and "
            f"neither part can hold seven expressions equally often ({'; '.join(unequal)}). The text also says that {TOTAL:,} pictures "
            "were made "
            f"of the warriors and that {SETS:,} sets of seven came from RAF-DB, {7 * SETS:,} again: the printed total has room for only "
            "one of them.")


# ---- postures


def postures(rounding: str) -> pd.DataFrame:
    """Return the percentages of expressions within a posture: posture, pictures, expression, printed, counts (the possible ones), fits."""
    rows = table("terracotta", "postures").astype({"pictures": int})
    counts = [grim(printed, n, rounding, percent=True) for printed, n in zip(rows["printed"], rows["pictures"], strict=True)]
    return rows.assign(counts=counts, fits=[bool(possible) for possible in counts])


def postures_table(shares: pd.DataFrame) -> pd.DataFrame:
    """Return the percentages for people, each with the counts it can stand for."""
    told = [" or ".join(f"{k} of {row.pictures}" for k in row.counts) or f"no count of {row.pictures}" for row in shares.itertuples()]
    return shares.assign(**{"stands for": told, "printed": shares["printed"] + " %"}).drop(columns=["counts", "fits", "pictures"])


def expression_bounds(shares: pd.DataFrame) -> pd.DataFrame:
    """Return how often each expression can occur among the postured warriors, the most certain first: expression, at least, at most.

    At least: the counts behind its printed percentages. At most: those and, in each posture where it is not printed, what the printed
    ones leave over, but no more than the rarest printed one there, because the paper prints the most common.
    """
    counts = shares[shares["fits"]].assign(count=lambda rows: rows["counts"].str[-1], fewest=lambda rows: rows["counts"].str[0])
    rows = []
    for expression in EXPRESSIONS:
        own, most = counts[counts["expression"] == expression], 0
        for _, posture in counts.groupby("posture"):
            if expression not in set(posture["expression"]):
                most += min(posture["pictures"].iloc[0] - posture["fewest"].sum(), posture["count"].min())
        rows.append({"expression": expression, "at least": int(own["fewest"].sum()), "at most": int(own["count"].sum() + most)})
    return pd.DataFrame(rows).sort_values("at least", ascending=False, ignore_index=True)


def common_possible(bounds: pd.DataFrame) -> int:
    """Return how many of the four expressions that the paper calls the most common can be among the first four."""
    named = bounds["expression"].isin(COMMON)
    return 4 - int((bounds.loc[~named, "at least"] > bounds.loc[named, "at most"].max()).sum())


def postures_sentence(shares: pd.DataFrame, bounds: pd.DataFrame) -> str:
    """Say whether the percentages are possible, and what they say of the conclusion drawn from them."""
    first, happy = bounds.iloc[0], bounds.set_index("expression").loc["happy"]
    total = int(shares.groupby("posture")["pictures"].first().sum())
    text = f"**{int(shares['fits'].sum())} of {len(shares)}** percentages are whole counts of their posture. "
    if common_possible(bounds) == 4:
        return text
    return text + (f"But they contradict the sentence drawn from them: that the warriors are mainly Happy, Sad, Anger and Neutral. "
                   f"{first['expression'].capitalize()} comes first, with at least {first['at least']} of {total}; Happy is printed for "
                   "no posture "
                   f"and can have {happy['at most']} at most.")


# ---- accuracies


def accuracies(rounding: str) -> pd.DataFrame:
    """Return the twelve rows of Tables 1 to 7 with their average: table, row, printed, low, high, mean, fits, moved, cells.

    `moved`: the least share of pictures that must change class before unequal classes explain the average (NaN where none can).
    """
    rows = []
    for number, name in enumerate(ACCURACIES, 1):
        for row in table("terracotta", name).to_dict("records"):
            cells = [row[expression] for expression in EXPRESSIONS]
            moved = arithmetic.least_imbalance([interval(text, rounding, 1) for text in cells], interval(row["average"], rounding, 1))
            about = {"table": number, "row": row["row"], "moved": moved, "cells": [float(text) for text in cells]}
            rows.append(about | mean_row(row["row"], row["average"], cells, rounding))
    return pd.DataFrame(rows).drop(columns="average of").astype({"moved": float})


def accuracies_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the averages for people."""
    moved = rows["moved"].map(lambda share: "" if share == 0 else f"classes unequal by {share:.1%} of the pictures", na_action="ignore")
    mean = [f"{row.mean:.3f} ({row.low:.3f} to {row.high:.3f})" for row in rows.itertuples(name="Row")]
    return pd.DataFrame({"table": rows["table"], "row": rows["row"], "average printed": rows["printed"], "mean of the seven classes": mean,
                         "fits": rows["fits"].map({True: "yes", False: "no"}), "what else could explain it": moved.fillna("nothing")})


def accuracies_sentence(rows: pd.DataFrame) -> str:
    """Say which averages are means of their classes."""
    wrong = rows[~rows["fits"]]
    listed = "; ".join(f"Table {number}: {', '.join(part['row'])}" for number, part in wrong.groupby("table"))
    return (f"**{int(rows['fits'].sum())} of {len(rows)}** averages are the mean of their seven classes; the others are not ({listed}). "
            "Averages over "
            "pictures, where classes are unequal, can explain most of them. So the column “Average” holds two kinds of numbers, and the "
            "paper "
            "does not say which is which.")


def raf_db(rounding: str) -> pd.DataFrame:
    """Return Table 2's accuracies as counts of RAF-DB's test set: expression, pictures, printed, right (possible counts), fits."""
    division, printed = table("terracotta", "raf_db").astype({"test": int}), table("terracotta", "table_two").iloc[0]
    sizes = dict(zip(division["expression"], division["test"], strict=True))
    rows = [(name, n, printed[name], grim(printed[name], n, rounding)) for name, n in sizes.items()]
    low, high = (sum(end(row[3], default=0) for row in rows) for end in (min, max))
    total = int(division["test"].sum())
    rows.append(("all", total, printed["average"], [k for k in grim(printed["average"], total, rounding) if low <= k <= high]))
    return pd.DataFrame(rows, columns=["expression", "pictures", "printed", "right"]).assign(fits=[bool(row[3]) for row in rows])


def raf_db_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Table 2 for people, each accuracy with the counts it can stand for."""
    told = ["none" if not right else str(right[0]) if len(right) == 1 else f"{right[0]:,} to {right[-1]:,}" for right in rows["right"]]
    return rows.assign(**{"rightly named": told}).drop(columns=["right", "fits"])


def raf_db_sentence(rows: pd.DataFrame, averages: pd.DataFrame) -> str:
    """Say how well Table 2 fits the corpus's test set."""
    whole = table("terracotta", "raf_db").astype({"whole": int, "test": int})
    own = averages.loc[averages["table"] == 2, "mean"].iloc[0]
    seventh = averages[(averages["table"] == 7) & (averages["row"] == "RAFDB")].iloc[0]
    sizes = whole.set_index("expression").loc[list(EXPRESSIONS), "test"]
    weighted = sum(score * n for score, n in zip(seventh["cells"], sizes, strict=True))
    return (f"**{int(rows['fits'].sum())} of {len(rows)}** numbers of Table 2 are whole counts of RAF-DB's test set, down to the "
            f"{rows['pictures'].min()} "
            f"pictures of Fear. Its average is the share of all {rows['pictures'].max():,} pictures (the mean of the classes is "
            f"{own:.3f}). Table 7 has "
            f"the same corpus under the same heading, and there it is the other way round: {seventh['printed']} is the mean of the classes "
            f"({seventh['mean']:.4f}), and the share of that test set's pictures would be {weighted / whole['test'].sum():.3f}.")


def impossible_shares(rounding: str) -> pd.DataFrame:
    """Return the two accuracies to be tried as counts: what, printed, pictures (at most), nearest (the share next to it), fits.

    The corpus's own training part has fewer pictures of Fear than the paper's count of all of them, which is therefore the larger bound.
    """
    fear = int(table("terracotta", "raf_db").set_index("expression").loc["fear", "whole"])
    first, third = table("terracotta", "table_one").iloc[0]["fear"], table("terracotta", "table_three").iloc[0]["average"]
    whole = INTERNET + FILM
    rows = [("Fear, training set of RAF-DB (Table 1)", first, fear, bool(possible_sizes([first], fear, rounding))),
            ("average over TW58 (Table 3)", third, whole, bool(grim(third, whole, rounding)))]
    table_ = pd.DataFrame(rows, columns=["what", "printed", "pictures", "fits"])
    return table_.assign(nearest=[round(float(printed) * n) / n for _, printed, n, _ in rows])


def impossible_sentence(rows: pd.DataFrame, averages: pd.DataFrame) -> str:
    """Say why the two accuracies are impossible, if they are."""
    fear, whole = rows.to_dict("records")
    n, right = whole["pictures"], int(float(whole["printed"]) * whole["pictures"])
    mean = averages.loc[averages["table"] == 3, "mean"].iloc[0]
    text = ""
    if not fear["fits"]:
        text += (f"RAF-DB has {fear['pictures']} pictures of Fear, by the paper's own count. One mistake among so many leaves "
                 f"{1 - 1 / fear['pictures']:.3f}, none leaves 1: **{fear['printed']} lies between**. ")
    if not whole["fits"]:
        text += (f"Of {n} pictures, {right} are {right / n:.3f} and {right + 1} are {(right + 1) / n:.3f}: **{whole['printed']} lies "
                 "between**, and the "
                 f"mean of Table 3's classes is {mean:.3f}. So this average was taken neither over the {n} pictures the text speaks of "
                 "nor over "
                 "the classes.")
    return text or "Both accuracies are possible."


def in_prose(rounding: str) -> pd.DataFrame:
    """Return the accuracies that the prose repeats beside their table: table, row, expression, in the table, in the prose, fits."""
    rows = []
    for said in table("terracotta", "prose").to_dict("records"):
        cell = table("terracotta", said["table"]).set_index("row").loc[said["row"], said["expression"]]
        low, high = interval(said["printed"], rounding, 100)
        fits = overlap((low / 100, high / 100), interval(cell, rounding, 1))
        rows.append((ACCURACIES.index(said["table"]) + 1, said["row"], said["expression"], cell, f"{said['printed']} %", fits))
    return pd.DataFrame(rows, columns=["table", "row", "expression", "in the table", "in the prose", "fits"])


def best_three(row: str) -> list[str]:
    """Return the three expressions with the highest accuracy in a row of Table 6, the best first."""
    cells = table("terracotta", "table_six").set_index("row").loc[row, list(EXPRESSIONS)].astype(float)
    return list(cells.sort_values(ascending=False, kind="stable").index[:3])


def best_sentence(repeated: pd.DataFrame) -> str:
    """Say whether the prose repeats the tables rightly, and whether Surprise, Anger and Happy are the three best."""
    parts = []
    for row in ("ARM-1", "ARM-2"):
        three = best_three(row)
        common = len(set(three) & set(BEST))
        judged = "which are those three" if common == 3 else f"**which are only {common} of those three**"
        parts.append(f"{row} knows {three[0]}, {three[1]} and {three[2]} best, {judged}")
    return (f"**{int(repeated['fits'].sum())} of {len(repeated)}** accuracies that the prose repeats agree with their table. The prose "
            "names Surprise, "
            f"Anger and Happy as those known “much” better than others: {'; '.join(parts)}.")


# ---- the whole study


def measured(rounding: str) -> Measured:
    """Return this notebook's numbers for the study's claims."""
    shares, odd = postures(rounding), impossible_shares(rounding)
    odd = [float(row["printed"]) if row["fits"] else row["nearest"] for row in odd.to_dict("records")]
    return as_published({
        "gan18k_total": 7 * SETS,
        "gan18k_per_expression": TOTAL / 7,
        "gan18k_parts": TRAIN + TEST,
        "gan18k_test_share": 100 * arithmetic.split_shares([TRAIN, TEST])[1],
        "tw58_parts": INTERNET + FILM,
        "postures_total": int(shares.groupby("posture")["pictures"].first().sum()),
        "posture_percentages": int(shares["fits"].sum()),
        "common_expressions": common_possible(expression_bounds(shares)),
        "table_one_fear": odd[0],
        "table_two_counts": int(raf_db(rounding)["fits"].sum()),
        "table_three_overall": odd[1],
        "averages_of_classes": int(accuracies(rounding)["fits"].sum()),
        "tables_in_prose": int(in_prose(rounding)["fits"].sum()),
        "best_three_arm_1": len(set(best_three("ARM-1")) & set(BEST)),
        "best_three_arm_2": len(set(best_three("ARM-2")) & set(BEST)),
    })  # fmt: skip


def checks(rounding: str) -> pd.DataFrame:
    """Return every single check: study, what, where, printed, worked out, fits."""
    listed = [(row["what"], f"Section {row['where']}", f"{row['printed']:,}", row["worked out"], row["fits"])
              for row in counts().to_dict("records")]
    shares = postures(rounding)
    for row, told in zip(shares.to_dict("records"), postures_table(shares)["stands for"], strict=True):
        listed.append((f"{row['posture']}, {row['expression']}", "Section 2.2", f"{row['printed']} %", told, row["fits"]))
    for row in accuracies(rounding).to_dict("records"):
        worked = f"mean of the classes, {row['low']:.4f} to {row['high']:.4f}"
        listed.append((f"average of {row['row']}", f"Table {row['table']}", row["printed"], worked, row["fits"]))
    whole = raf_db(rounding)
    for row, told in zip(whole.to_dict("records"), raf_db_table(whole)["rightly named"], strict=True):
        listed.append((f"RAF-DB's test set, {row['expression']}", "Table 2", row["printed"], f"{told} of {row['pictures']:,}", row["fits"]))
    for row in impossible_shares(rounding).to_dict("records"):
        worked = f"the nearest share of {row['pictures']} pictures is {row['nearest']:.4f}"
        listed.append((row["what"], "Tables 1 and 3", row["printed"], worked, row["fits"]))
    for row in in_prose(rounding).to_dict("records"):
        what = f"{row['row']}, {row['expression']}, in the prose"
        listed.append((what, f"Table {row['table']}", row["in the prose"], f"{row['in the table']} in the table", row["fits"]))
    for row in ("ARM-1", "ARM-2"):
        three = best_three(row)
        listed.append((f"the three best of {row}", "Table 6", ", ".join(BEST), ", ".join(three), set(three) == set(BEST)))
    return pd.DataFrame([("terracotta", *row) for row in listed], columns=CHECK)
