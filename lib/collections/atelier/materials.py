"""Collections: the atelier's materials: colour, grain, veins, patina, dust, tool marks and gloss of what the sculptor works in."""

import cv2
import numpy as np

from lib.collections.atelier.geometry import STUFFS, sample, step, tile
from lib.collections.atelier.rendering import Buffers
from lib.compendium.errors import ParameterError, did_you_mean

# colour: linear RGB; grain: mottling; speck: crystals; bump: roughness of the surface in units; dirt: darkening in grooves; wear: paler
# edges; gloss and sharpness: highlight; wrap: how far light creeps round (translucency); lines: how dark painted lines are.
_STONE = {"grain": 0.10, "speck": 0.0, "bump": 0.004, "dirt": 0.45, "wear": 0.10, "gloss": 0.05, "sharpness": 12, "wrap": 0.12,
          "lines": 0.42,
          "metal": 0.0, "veins": 0.0, "vein_colour": (0.25, 0.25, 0.27), "dirt_colour": (0.16, 0.12, 0.08), "patina": 0.0,
          "patina_colour": (0.15, 0.34, 0.27), "wood": 0.0, "pits": 0.0, "lip_tint": 0.0}  # fmt: skip
MATERIALS = {
    "marble": {**_STONE, "colour": (0.58, 0.555, 0.50), "grain": 0.05, "bump": 0.0015, "dirt": 0.40, "gloss": 0.11, "sharpness": 26,
               "wrap": 0.26,
               "veins": 0.45},
    "limestone": {**_STONE, "colour": (0.52, 0.45, 0.33), "grain": 0.12, "bump": 0.0045, "pits": 0.3, "lines": 0.58},
    "sandstone": {**_STONE, "colour": (0.44, 0.29, 0.19), "grain": 0.15, "bump": 0.006, "lines": 0.50},
    "granite": {**_STONE, "colour": (0.33, 0.31, 0.30), "grain": 0.05, "speck": 0.15, "bump": 0.0025, "gloss": 0.12, "sharpness": 22,
                "lines": 0.55},
    "schist": {**_STONE, "colour": (0.15, 0.155, 0.15), "grain": 0.14, "bump": 0.0035, "gloss": 0.10, "sharpness": 18,
               "dirt_colour": (0.22, 0.19, 0.15),
               "lines": 0.55, "dirt": 0.3},
    "bronze": {**_STONE, "colour": (0.19, 0.122, 0.064), "metal": 0.60, "patina": 0.45, "gloss": 0.20, "sharpness": 24, "bump": 0.002,
               "grain": 0.16,
               "dirt": 0.5, "dirt_colour": (0.03, 0.035, 0.03), "wear": 0.3, "lines": 0.62},
    "gold": {**_STONE, "colour": (0.42, 0.24, 0.065), "metal": 1.0, "gloss": 0.35, "sharpness": 30, "bump": 0.001, "grain": 0.07,
             "dirt": 0.6,
             "dirt_colour": (0.10, 0.03, 0.01), "lines": 0.5},
    "terracotta": {**_STONE, "colour": (0.47, 0.215, 0.115), "grain": 0.14, "bump": 0.004, "pits": 0.15, "gloss": 0.03, "lines": 0.5},
    "wood": {**_STONE, "colour": (0.30, 0.165, 0.075), "wood": 0.55, "grain": 0.08, "bump": 0.002, "gloss": 0.10, "sharpness": 16,
             "lines": 0.58,
             "dirt_colour": (0.04, 0.025, 0.015)},
    "dark wood": {**_STONE, "colour": (0.105, 0.062, 0.038), "wood": 0.5, "grain": 0.1, "bump": 0.0025, "gloss": 0.16, "sharpness": 18,
                  "lines": 0.6,
                  "dirt_colour": (0.02, 0.015, 0.01)},
    "clay": {**_STONE, "colour": (0.40, 0.33, 0.26), "grain": 0.12, "bump": 0.004, "pits": 0.1, "gloss": 0.03, "lines": 0.5},
    "grey clay": {**_STONE, "colour": (0.27, 0.255, 0.235), "grain": 0.13, "bump": 0.005, "pits": 0.1, "gloss": 0.03, "lines": 0.5},
    "plaster": {**_STONE, "colour": (0.58, 0.54, 0.47), "grain": 0.08, "bump": 0.004, "gloss": 0.02, "lines": 0.5, "dirt": 0.5,
                "lip_tint": 0.8},
    "painted wood": {**_STONE, "colour": (0.55, 0.47, 0.37), "wood": 0.15, "grain": 0.08, "gloss": 0.12, "lines": 0.75, "lip_tint": 0.8},
    "skin": {**_STONE, "colour": (0.55, 0.33, 0.235), "grain": 0.045, "bump": 0.0016, "dirt": 0.30, "dirt_colour": (0.20, 0.06, 0.035),
             "wear": 0.0,
             "gloss": 0.075, "sharpness": 14, "wrap": 0.30, "lines": 0.88, "lip_tint": 1.0},
    "paint": {**_STONE, "colour": (0.56, 0.36, 0.25), "grain": 0.05, "bump": 0.0, "dirt": 0.30, "dirt_colour": (0.15, 0.06, 0.03),
              "gloss": 0.03,
              "sharpness": 10, "wrap": 0.30, "lines": 0.85, "lip_tint": 1.0},
}  # fmt: skip
TONES = ((0.62, 0.41, 0.315), (0.55, 0.335, 0.235), (0.44, 0.255, 0.165), (0.30, 0.165, 0.10), (0.175, 0.092, 0.057), (0.105, 0.056, 0.037))
HAIR = ((0.018, 0.014, 0.012), (0.045, 0.026, 0.015), (0.10, 0.055, 0.028), (0.24, 0.15, 0.07), (0.20, 0.07, 0.03), (0.30, 0.29, 0.28))
IRISES = ((0.05, 0.028, 0.016), (0.09, 0.05, 0.022), (0.07, 0.085, 0.06), (0.10, 0.15, 0.20))
CLOTHS = ((0.10, 0.12, 0.20), (0.35, 0.08, 0.07), (0.30, 0.30, 0.31), (0.08, 0.16, 0.12), (0.46, 0.40, 0.30), (0.05, 0.05, 0.055),
          (0.42, 0.28, 0.10))
EYES = ("blank", "incised", "drilled", "painted", "inlaid")


def check_material(name: str) -> dict:
    """Return a material by its name, or raise ParameterError naming them all."""
    if name not in MATERIALS:
        raise ParameterError(f"Received material {name!r}; expected one of {', '.join(MATERIALS)}.{did_you_mean(str(name), MATERIALS)}")
    return MATERIALS[name]


def draw_material(name: str, generator: np.random.Generator, **fixed) -> dict:
    """Return what varies between two pieces of one material: JSON-able, kept in the spec."""
    material = check_material(name)
    tone = int(generator.integers(len(TONES)))
    drawn = {
        "name": name, "offset": [int(value) for value in generator.integers(0, 512, 2)], "tile": int(generator.integers(0, 3)),
        "tint": [round(float(value), 4) for value in generator.normal(1, 0.035, 3)], "shade": round(float(generator.normal(1, 0.09)), 4),
        "veins": round(float(generator.uniform(0, 1)), 3), "patina": round(float(generator.uniform(0, 1)), 3),
        "dust": round(float(max(0, generator.normal(0.05, 0.18))), 3), "pigment": 0.0, "tone": tone,
        "hair": int(generator.integers(len(HAIR))) if tone < 3 else int(generator.integers(0, 2)),
        "iris": int(generator.integers(len(IRISES))) if tone < 3 else 0, "cloth": int(generator.integers(len(CLOTHS))),
        "tooled": round(float(max(0, generator.normal(-0.1, 0.4))), 3),
        "eyes": "painted" if material["lip_tint"] >= 0.8 else ("incised", "drilled", "blank")[int(generator.choice(3, p=[0.5, 0.3, 0.2]))],
    }  # fmt: skip
    return {**drawn, **fixed}


def surface(piece: dict, buffers: Buffers, ao: np.ndarray, cavity: np.ndarray) -> dict:
    """Return albedo (h, w, 3), bump (h, w), gloss, sharpness, wrap, rim and metal of every pixel for one drawn material."""
    material = MATERIALS[piece["name"]]
    u, v = buffers.texture[..., 0], buffers.texture[..., 1]
    shift = piece["offset"]
    cloud = sample(tile(piece["tile"], 1.7), u, v, 70, shift)
    fine = sample(tile(3 + piece["tile"], 0.9), u, v, 150, shift)
    colour = np.array(TONES[piece["tone"]] if piece["name"] in ("skin", "paint") else material["colour"], np.float32)
    colour = colour * np.array(piece["tint"], np.float32) * piece["shade"]
    albedo = colour * (1 + material["grain"] * (0.6 * cloud + 0.5 * fine))[..., None]
    bump = material["bump"] * (fine + 0.5 * cloud)
    albedo, bump = _veins_and_grain(material, piece, albedo, bump, u, v, shift)
    albedo = _weathered(material, piece, albedo, buffers, ao, cavity, cloud)
    tinted = material["lip_tint"] > 0 or piece["pigment"] > 0
    albedo = _coloured(material, piece, albedo, buffers, cloud, fine) if tinted else _carved(material, piece, albedo, buffers)
    bump = bump + _relief_of_eyes(piece, buffers)
    if piece["tooled"] > 0:
        strokes = np.maximum(0, np.cos(sample(tile(1, 1.7), u, v, 30, shift) * 2.2 + u * 62 + v * 18))
        bump = bump + 0.004 * piece["tooled"] * strokes * (buffers.paints["white"] < 0.1)
    bump = np.where(buffers.stuff == STUFFS.index("ground"), 0, bump)
    return _finish(material, piece, albedo, bump, buffers, cloud)


def _veins_and_grain(material, piece, albedo, bump, u, v, shift):
    if material["veins"] * piece["veins"] > 0.08:
        warp = sample(tile(1, 2.0), u, v, 40, shift)
        veins = np.exp(-11 * np.abs(sample(tile(6, 2.2), u + 0.1 * warp, 0.7 * v, 55, shift))) * step(-0.6, 1.0, warp)
        share = (material["veins"] * piece["veins"] * veins)[..., None]
        albedo = albedo * (1 - share) + np.array(material["vein_colour"], np.float32) * share
    if material["speck"]:
        grains = sample(tile(9, 0.35), u, v, 120, shift)
        albedo = albedo * (1 + material["speck"] * np.clip(grains, -1.6, 1.6))[..., None]
    if material["pits"]:
        holes = step(1.5, 2.3, sample(tile(4, 0.8), u, v, 110, shift))
        albedo = albedo * (1 - 0.35 * material["pits"] * holes)[..., None]
        bump = bump - 0.018 * material["pits"] * holes
    if material["wood"]:
        bend = sample(tile(2, 2.2), u, 0.25 * v, 60, shift)
        rings = 0.5 + 0.5 * np.cos((u * 3.2 + 0.10 * bend + 0.4 * v * v * 0.1) * 14)
        streaks = sample(tile(5, 0.8, 512, 12.0), u, v, 110, shift)
        dark = material["wood"] * (0.35 * rings**2 + 0.25 * streaks)
        albedo = albedo * np.clip(1 - dark, 0.35, 1.3)[..., None]
        bump = bump - 0.003 * rings**3 - 0.0015 * streaks
    return albedo, bump


def _weathered(material, piece, albedo, buffers, ao, cavity, cloud):
    groove = np.clip(0.9 * np.clip(cavity, 0, 1.2) + 0.6 * (1 - ao), 0, 1)
    if material["patina"]:
        amount = material["patina"] * piece["patina"] * np.clip(0.55 * step(-0.6, 1.2, cloud) + 1.1 * groove, 0, 1)
        albedo = albedo * (1 - amount[..., None]) + np.array(material["patina_colour"], np.float32) * 0.62 * amount[..., None]
    share = (material["dirt"] * groove * (0.75 + 0.25 * np.tanh(cloud)))[..., None]
    albedo = albedo * (1 - share) + albedo * np.array(material["dirt_colour"], np.float32) / np.maximum(material["colour"], 0.05) * share
    albedo = albedo * (1 + material["wear"] * np.clip(-cavity, 0, 1.5))[..., None]
    if piece["dust"] > 0.02:
        lying = (piece["dust"] * step(0.25, 0.95, buffers.normal[..., 1]) * step(-0.9, 0.9, cloud))[..., None]
        albedo = albedo * (1 - lying) + np.array((0.42, 0.39, 0.34), np.float32) * lying
    return albedo


def _carved(material, piece, albedo, buffers):
    """Stone, metal and wood without paint: lines are only darker grooves, eyes as the sculptor left them."""
    paints = buffers.paints
    dark = material["lines"] * paints["line"] + 0.88 * paints["hollow"] + 0.24 * paints["brow"] + 0.06 * paints["lip"]
    if piece["eyes"] == "inlaid":
        white = (0.9 * paints["white"])[..., None]
        albedo = albedo * (1 - white) + np.array((0.62, 0.58, 0.50), np.float32) * white
        black = np.clip(paints["iris"], 0, 1)[..., None]
        albedo = albedo * (1 - black) + np.array((0.02, 0.018, 0.016), np.float32) * black
    elif piece["eyes"] == "drilled":
        dark = dark + 0.62 * paints["pupil"] + 0.30 * np.clip(paints["iris"] - paints["pupil"], 0, 1)
    elif piece["eyes"] == "incised":
        ring = np.clip(4 * paints["iris"] * (1 - paints["iris"]), 0, 1)
        dark = dark + 0.40 * ring + 0.55 * paints["pupil"] + 0.14 * paints["iris"]
    return albedo * (1 - np.clip(dark, 0, 0.93))[..., None]


def _layer(albedo, colour, share):
    share = np.clip(share, 0, 1)[..., None]
    return albedo * (1 - share) + np.asarray(colour, np.float32) * share


def _coloured(material, piece, albedo, buffers, cloud, fine):
    """Skin and painted sculpture."""
    paints, own = buffers.paints, material["lip_tint"]
    keep = own if own > 0 else piece["pigment"]
    worn = keep * (1 if own >= 1 else np.clip(0.75 + 0.45 * cloud, 0, 1))
    skin = albedo
    living = piece["name"] in ("skin", "paint")
    if living:
        albedo = albedo * (1 + paints["blush"][..., None] * np.array((0.10, -0.10, -0.08), np.float32))
        albedo = _layer(albedo, albedo * (0.72, 0.74, 0.80), 0.6 * piece.get("stubble", 0) * paints["beard"] * (0.8 + 0.3 * fine))
    lip = skin * np.array((0.90, 0.48, 0.46), np.float32) if living else np.array((0.36, 0.10, 0.07), np.float32)
    albedo = albedo * (1 - (0.85 * worn * paints["lip"])[..., None]) + lip * (0.85 * worn * paints["lip"])[..., None]
    hair = np.array(HAIR[piece["hair"]], np.float32)
    albedo = _layer(albedo, hair, 0.80 * worn * paints["brow"])
    streak = (1 + 0.35 * np.tanh(cloud) + 0.30 * np.tanh(fine))[..., None]
    albedo = albedo * (1 - (worn * paints["hair"])[..., None]) + hair * streak * (worn * paints["hair"])[..., None]
    albedo = _layer(albedo, (0.46, 0.42, 0.39), 0.96 * keep * paints["white"])
    albedo = _layer(albedo, np.array(IRISES[piece["iris"]]), keep * paints["iris"])
    albedo = _layer(albedo, (0.008, 0.007, 0.007), keep * paints["pupil"])
    albedo = _layer(albedo, (0.70, 0.66, 0.56), 0.95 * paints["teeth"])
    albedo = _layer(albedo, (0.05, 0.012, 0.012), 0.92 * paints["hollow"])
    line = np.minimum(skin * 0.25, 0.06) if living else skin * 0.12
    share = np.clip(material["lines"] * paints["line"], 0, 0.92)[..., None]
    return albedo * (1 - share) + line * share


def _relief_of_eyes(piece, buffers):
    paints = buffers.paints
    if piece["eyes"] == "drilled":
        return -0.05 * paints["pupil"] - 0.022 * np.clip(paints["iris"] - paints["pupil"], 0, 1)
    if piece["eyes"] == "incised":
        return -0.020 * np.clip(4 * paints["iris"] * (1 - paints["iris"]), 0, 1) - 0.02 * paints["pupil"]
    return np.float32(0)


def _finish(material, piece, albedo, bump, buffers, cloud):
    stuff, paints = buffers.stuff, buffers.paints
    gloss = np.full(stuff.shape, material["gloss"], np.float32)
    wrap = np.full((*stuff.shape, 3), material["wrap"], np.float32)
    living = piece["name"] in ("skin", "paint")
    if living:
        wrap = wrap * np.array((1.35, 0.8, 0.65), np.float32)
        gloss = gloss * (1 - 0.8 * paints["hair"]) + 0.22 * paints["white"] + 0.10 * paints["lip"]
    metal = None
    if material["metal"]:
        dull = piece["patina"] * material["patina"] * step(-0.6, 1.2, cloud)
        metal = material["metal"] * (albedo + 0.02) * (1 - 0.75 * dull[..., None])
        gloss = gloss * (1 - 0.7 * dull)
    cloth = np.clip((stuff == STUFFS.index("cloth")) + paints["cloth"], 0, 1)
    if piece["pigment"] > 0 or material["lip_tint"] > 0:
        dyed = np.array(CLOTHS[piece["cloth"]], np.float32) * (1 + 0.10 * cloud)[..., None]
        albedo = _layer(albedo, dyed, cloth * (1.0 if living else 0.8 * max(piece["pigment"], 0.6)))
        shade = np.array(HAIR[piece["hair"]], np.float32) * (1 + 0.3 * np.tanh(cloud))[..., None]
        albedo = _layer(albedo, shade, (stuff == STUFFS.index("hair")) * (1.0 if living else 0.85))
        gloss = gloss * (1 - 0.8 * cloth)
        wrap = wrap * (1 - 0.6 * cloth[..., None])
    ornament = stuff == STUFFS.index("ornament")
    if ornament.any():
        gilt = np.array(piece.get("ornament", albedo[ornament].mean(axis=0) * 0.8), np.float32)
        albedo = np.where(ornament[..., None], gilt * (1 + 0.12 * cloud)[..., None], albedo)
        gloss = np.where(ornament, np.maximum(gloss, 0.2 if "ornament" in piece else 0), gloss)
    ground = stuff == STUFFS.index("ground")
    if ground.any():
        base = np.array(piece.get("ground", (0.18, 0.17, 0.165)), np.float32)
        albedo = np.where(ground[..., None], base * (1 + 0.08 * cloud)[..., None], albedo)
        gloss = np.where(ground, 0.05, gloss)
        if metal is not None:
            metal = np.where(ground[..., None], 0, metal)
    return {"albedo": np.maximum(albedo, 0.004).astype(np.float32), "bump": cv2.GaussianBlur(bump.astype(np.float32), (0, 0), 0.6),
            "gloss": gloss,
            "sharpness": material["sharpness"], "wrap": wrap, "rim": 1.0 if living else 0.35, "metal": metal}  # fmt: skip
