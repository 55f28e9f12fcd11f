"""Collections: what an atelier picture shows, as a JSON-able spec drawn from a tradition; nothing is modelled or rendered here."""

import zlib

import numpy as np

from lib.collections.atelier import damage, expression, form, materials, scenes, traditions
from lib.collections.atelier.expression import EXPRESSIONS
from lib.compendium.errors import ParameterError, did_you_mean

FURTHEST_TURN = 75.0  # degrees: the furthest a head turns
ALL = "sculpture"  # the fifteen together
AGAIN = 0.10  # share of pictures that show an earlier object from another side


def names() -> list[str]:
    """Return the collections there are."""
    return [ALL, *traditions.MANNERS]


def generator_of(*keys) -> np.random.Generator:
    """Return the generator that belongs to keys (numbers and texts): the same for the same keys, independent of any order."""
    return np.random.default_rng([key if isinstance(key, int) else zlib.crc32(str(key).encode()) for key in keys])


def check_name(name: str) -> str:
    if name not in names():
        raise ParameterError(f"Received tradition {name!r}; expected one of {', '.join(names())}.{did_you_mean(str(name), names())}")
    return name


def check_count(value, what: str, least: int, most: int = 10_000_000) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise ParameterError(f"Received {what} {value!r}; expected a whole number from {least} to {most}.")
    return int(value)


def collection(name: str, total: int, seed: int = 0) -> list[dict]:
    """Return `total` specs of a collection: cheap, JSON-able, the same for the same (name, total, seed).

    `name`: one of `names()`; "sculpture" is the fifteen traditions in Table I's proportions. `total`: 1 or more. `seed`: 0 or more.
    Except for `sculpture` (shares depend on the total) the first n specs are the same whatever the total.
    """
    check_name(name), check_count(total, "total", 1), check_count(seed, "seed", 0, 2**31 - 1)
    if name == ALL:
        return [spec for part, count in traditions.shares(total).items() if count for spec in collection(part, count, seed)]
    return [picture(name, seed, index) for index in range(total)]


def picture(name: str, seed: int, index: int) -> dict:
    """Return the spec of one picture of a tradition."""
    if name == "humans":
        return _human(seed, index)
    manner = traditions.manner(name)
    view = generator_of(seed, name, index, "view")
    shown = index
    if index and view.random() < AGAIN:
        shown = int(view.integers(index))
    piece = generator_of(seed, name, shown, "object")
    draw = piece.random(3)
    base = photograph(name, manner, seed, index, view)
    base["material"] = matter(manner, piece)
    if draw[0] < manner["none"]:
        return {**base, "figures": [], "object": str(piece.choice(["vase", "column", "stele", "torso", "ring"])),
                "units_high": float(view.uniform(5, 7.5))}
    several = int(2 + (draw[2] < 0.3)) if draw[1] < manner["several"] else 1
    figures = [figure(name, piece, f"{name}-{seed}-{shown:05d}{'abc'[k] if several > 1 else ''}") for k in range(several)]
    base["damage"] = damage.draw_damage(piece, manner["damage"])
    if name == "warriors":
        for one in figures:
            one["posture"] = scenes.POSTURES[shown % len(scenes.POSTURES)]
    pose(figures, manner, view)
    arrange(base, figures, manner, view)
    return base


def _human(seed: int, index: int) -> dict:
    """Subjects pose the seven expressions one after the other: picture 7 s + k shows subject s and expression k."""
    subject, turn = divmod(index, len(EXPRESSIONS))
    manner = traditions.manner("humans")
    person, view = generator_of(seed, "humans", subject, "object"), generator_of(seed, "humans", index, "view")
    base = photograph("humans", manner, seed, index, view)
    base["material"] = matter(manner, person)
    one = figure("humans", person, f"humans-{seed}-{subject:05d}")
    name = EXPRESSIONS[turn]
    strength = round(float(view.uniform(0.55, 1.0)), 3)
    one.update(expression={name: 1.0}, intensity=strength, units=_json_units(expression.prototype(name, strength, view)))
    pose([one], manner, view)
    arrange(base, [one], manner, view)
    return base


def _choose(table: dict, generator) -> str:
    keys = list(table)
    weights = np.array([table[key] for key in keys], float)
    return str(keys[int(generator.choice(len(keys), p=weights / weights.sum()))])


def photograph(name, manner, seed, index, view) -> dict:
    """Return what belongs to the photograph rather than to the piece."""
    light = {"azimuth": float(view.uniform(-55, 55)), "elevation": float(view.uniform(18, 60)), "key": float(view.uniform(0.85, 1.12)),
             "fill": float(view.uniform(0.12, 0.30)),
             "ambient": float(view.uniform(0.16, 0.30)), "warmth": float(view.uniform(-0.6, 1.0)),
             "softness": float(view.uniform(0.10, 0.26))}  # fmt: skip
    return {"collection": name, "index": index, "seed": seed, "noise": int(view.integers(2**31)),
            "light": {key: round(value, 3) for key, value in light.items()},
            "background": _choose(manner["backgrounds"], view), "damage": {}, "exposure": round(float(view.normal(1.0, 0.07)),
                                                                                                3)}  # fmt: skip


def matter(manner: dict, piece) -> dict:
    """Return the material of one piece, drawn from a tradition's choices."""
    name = _choose(manner["materials"], piece)
    drawn = materials.draw_material(name, piece)
    low, high = manner["pigment"]
    drawn["pigment"] = round(float(piece.uniform(low, high)) if high > 0 and piece.random() < 0.7 else 0.0, 3)
    drawn["tooled"] = round(float(manner["tooled"] * piece.uniform(0.2, 1.0)), 3) if manner["tooled"] else 0.3 * drawn["tooled"]
    if manner["eyes"] and not (name in ("painted wood",) and manner["eyes"] == "blank"):
        drawn["eyes"] = manner["eyes"]
    if manner["ornament"] is not None:
        drawn["ornament"] = list(manner["ornament"])
    if name in ("skin", "paint"):
        drawn["stubble"] = round(float(max(0, piece.normal(0.1, 0.35))), 3)
        drawn["dust"], drawn["tooled"] = 0.0, 0.0
        drawn["ornament"] = drawn.get("ornament", [0.5, 0.36, 0.14])
    return drawn


def mood(manner: dict, generator) -> tuple[dict, float]:
    """Return an expression mixture and its intensity 0 to 1: neutral leads, some faces are compound or ambiguous."""
    if generator.random() < manner["neutral"]:
        return {"neutral": 1.0}, 0.0
    low, high = manner["strength"]
    strength = round(float(low + (high - low) * generator.beta(1.6, 1.2)), 3)
    first = _choose(manner["moods"], generator)
    mixture = {first: 1.0}
    chance = generator.random()
    if chance < 0.22:
        mixture[_choose({**manner["moods"], "neutral": 0.5}, generator)] = round(float(generator.uniform(0.35, 0.9)), 3)
    if chance < 0.05:
        mixture[_choose(manner["moods"], generator)] = round(float(generator.uniform(0.3, 0.7)), 3)
    mixture[first] = 1.0
    if strength < 0.4:  # a hinted expression is half neutral
        mixture["neutral"] = max(mixture.get("neutral", 0.0), round(1.5 * (0.4 - strength) / 0.4, 3))
    return mixture, strength


def _json_units(units: dict) -> dict[str, float]:
    return {str(unit): round(float(value), 3) for unit, value in units.items()}


def figure(name: str, piece, identity: str) -> dict:
    """Return one figure of a tradition: who it is, what it wears, what its face does."""
    manner = traditions.manner(name)
    shape = form.draw_shape(piece, **manner["shape"])
    if manner["face"] != "human":
        shape["face"] = manner["face"]
    if piece.random() < manner.get("idols", 0.0):
        shape["face"] = "idol"
    marking = _choose(manner["markings"], piece)
    if marking != "none" and shape.get("face", "human") == "human":
        shape["markings"] = marking
    mixture, strength = mood(manner, piece)
    if shape.get("face") == "idol":
        mixture, strength = {"neutral": 1.0}, 0.0
    beard = _choose(manner["beard"], piece)
    one = {
        "identity": identity, "shape": shape, "expression": mixture, "intensity": strength,
        "units": _json_units(_with_traces(expression.mixed(mixture, strength, piece), piece)),
        "presentation": _choose(manner["presentations"], piece),
        "hair": _choose(manner["hair"], piece), "hair_amount": round(float(piece.uniform(0.75, 1.15)), 3),
        "recede": round(float(max(0, piece.normal(-0.03, 0.06))), 3),
        "beard": beard, "moustache": _choose(manner["moustache"], piece) if beard == "none" or piece.random() < 0.4 else "full",
        "headgear": _choose(manner["headgear"], piece), "pendants": _choose(manner["pendants"], piece),
        "garment": _choose(manner["garment"], piece),
        "strands": [int(value) for value in piece.integers(0, 512, 2)], "scale": 1.0, "place": [0.0, 0.0, 0.0], "pose": [0.0, 0.0, 0.0],
    }  # fmt: skip
    if shape.get("face") == "idol":
        one.update(hair="bald", beard="none", moustache="none", headgear="none", presentation="head")
    if one["headgear"] == "headcloth":  # Egypt shaved, or wore the narrow beard of kings
        beard = "goatee" if beard != "none" else "none"
        one.update(beard=beard, moustache="none")
    elif beard != "none" and one["moustache"] == "none":
        one["moustache"] = "thin" if beard == "goatee" else "full"
    return one


def _with_traces(units: dict, piece) -> dict:
    """A hand is never exact: now and then a unit no expression asks for shows faintly."""
    for unit in units:
        if piece.random() < 0.06:
            units[unit] = max(units[unit], float(piece.uniform(0.2, 1.2)))
    return units


def pose(figures: list[dict], manner: dict, view) -> None:
    """Turn the figures' heads: mostly toward the viewer, some far aside."""
    for one in figures:
        spread = manner["turn"]
        if view.random() < 0.72:
            yaw = view.normal(0, spread * 0.55)
        else:
            yaw = view.choice([-1, 1]) * view.uniform(spread, min(FURTHEST_TURN, spread * 2.6))
        if one["presentation"] in ("relief", "mask"):
            yaw *= 0.6
        pitch = view.normal(2.0, 5.0) + (12 if one["shape"].get("face") == "idol" else 0)
        one["pose"] = [round(float(np.clip(value, -FURTHEST_TURN, FURTHEST_TURN)), 2) for value in (yaw, pitch, view.normal(0, 3.5))]


def arrange(base: dict, figures: list[dict], manner: dict, view) -> None:
    """Place the figures and choose how much of them the picture shows."""
    kinds = {one["presentation"] for one in figures}
    low, high = manner["close"]
    high_units = float(view.uniform(low, high))
    centre = -0.35
    if kinds & {"seated"}:
        high_units = float(view.uniform(8.0, 12.0))
        centre = 2.75 - high_units / 2
    elif kinds & {"standing"}:
        high_units = float(view.uniform(8.0, 17.0))
        centre = 2.75 - high_units / 2
    elif kinds & {"tube"}:
        high_units, centre = float(view.uniform(4.6, 9.0)), -0.6
        centre = min(-0.2, 2.5 - high_units / 2)
    if len(figures) > 1:
        apart = 4.4 if not kinds & {"seated", "standing"} else 6.2
        for k, one in enumerate(figures):
            one["place"] = [round((k - (len(figures) - 1) / 2) * apart, 3), round(float(view.normal(0, 0.12)), 3),
                            round(float(view.normal(0, 0.3)), 3)]
            one["presentation"] = figures[0]["presentation"]
        high_units = max(high_units, apart * len(figures) + 0.6)
        centre -= 0.6
    base["figures"] = figures
    base["units_high"] = round(high_units, 3)
    base["centre"] = [round(float(view.normal(0, 0.02 * high_units)), 3), round(centre + float(view.normal(0, 0.02 * high_units)), 3)]
    base["distance"] = round(float(view.uniform(7.5, 12)) * max(1.0, high_units / 5.0), 3)
    base["object"] = ""
