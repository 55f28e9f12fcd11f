"""Collections: the traditions of the atelier: the fifteen sources of the sculpture study, in their manner and synthetic, and three more.

A tradition is a table of choices. `manner(name)` gives it; `specs` draws what a picture shows from it, without drawing anything.
"""

from lib.collections.atelier.form import SHAPE

_PLAIN = {
    "materials": {"marble": 1}, "presentations": {"bust": 1}, "hair": {"cropped": 1}, "headgear": {"none": 1}, "beard": {"none": 1},
    "moustache": {"none": 1}, "pendants": {"none": 1}, "garment": {"bare": 1}, "backgrounds": {"wall": 2, "dark": 2, "gallery": 3,
                                                                                               "paper": 1},
    "shape": {}, "face": "human", "markings": {"none": 1}, "eyes": None, "pigment": (0.0, 0.0), "damage": 0.3, "turn": 22.0,
    "neutral": 0.55,
    "moods": {"happy": 1, "sad": 1, "angry": 1, "surprise": 0.6, "fear": 0.6, "disgust": 0.5}, "strength": (0.25, 1.0), "several": 0.05,
    "none": 0.03,
    "ornament": None, "tooled": 0.0, "close": (3.9, 5.4), "culture": "", "date": "",
}  # fmt: skip
_BUDDHA = {
    "hair": {"snails": 5, "waves": 1}, "headgear": {"ushnisha": 6, "none": 1}, "garment": {"robe": 3, "toga": 1},
    "shape": {"ear_lobe": 1.15, "lowered": 0.55, "brow_arch": 0.03, "brow_thick": 0.6, "fullness": 0.9, "mouth_width": 0.90, "age": 0.0,
              "lip_lower": 1.15,
              "nose_width": 1.0, "brow_ridge": -0.6, "mouth_curve": 0.012}, "neutral": 0.62,
    "moods": {"happy": 4, "sad": 1.2, "angry": 0.4, "surprise": 0.2, "fear": 0.2, "disgust": 0.2},
    "strength": (0.2, 0.7), "markings": {"urna": 2, "none": 1}, "eyes": "blank",
}  # fmt: skip
_WRATH = {"shape": {"eye_size": 1.2, "brow_ridge": 1.5, "brow_thick": 1.35, "nose_width": 1.25, "jaw": 1.0, "age": 0.6, "lip_lower": 1.2,
                    "brow_carved": 1.8},
          "neutral": 0.08, "moods": {"angry": 7, "disgust": 2, "surprise": 1, "fear": 0.5}, "strength": (0.6, 1.0)}  # fmt: skip

MANNERS = {
    "haniwa": {**_PLAIN, "number": 1, "culture": "Kofun Japan", "date": "3rd to 6th century", "face": "haniwa",
               "materials": {"terracotta": 4, "clay": 1},
               "presentations": {"tube": 4, "bust": 1}, "hair": {"bald": 3, "rows": 1},
               "headgear": {"loops": 4, "helmet": 1, "cap": 2, "band": 1, "none": 1, "flat cap": 1},
               "pendants": {"ring": 1, "none": 2}, "garment": {"tunic": 1}, "shape": {"face_width": 0.93, "eye_size": 0.9,
                                                                                      "mouth_width": 0.66, "brow_y": 0.03, "fullness": 0.4},
               "pigment": (0.0, 0.7), "tooled": 0.6, "damage": 0.45, "neutral": 0.6, "close": (4.2, 9.0),
               "backgrounds": {"paper": 2, "wall": 2, "dark": 2}},
    "baidu": {**_PLAIN, **_BUDDHA, "number": 2, "culture": "Asian Buddhist", "date": "5th to 19th century",
              "materials": {"gold": 3, "bronze": 2, "sandstone": 2, "limestone": 2, "wood": 1, "painted wood": 1, "granite": 1},
              "presentations": {"bust": 4, "seated": 1, "head": 1}, "backgrounds": {"outdoors": 2, "dark": 2, "niche": 2, "wall": 1},
              "several": 0.06},
    "british_museum": {**_PLAIN, "number": 3, "culture": "Greek, Roman and Egyptian", "date": "1500 BC to AD 300",
                       "materials": {"marble": 5, "granite": 2, "limestone": 1, "bronze": 1, "schist": 1},
                       "hair": {"curls": 4, "cropped": 2, "waves": 3, "locks": 2}, "headgear": {"none": 5, "headcloth": 3, "diadem": 1,
                                                                                                "wreath": 2, "helmet": 1},
                       "beard": {"none": 5, "curly": 1.5, "short": 1},
                       "garment": {"bare": 2, "toga": 3, "armour": 1, "collar": 1}, "moustache": {"none": 3, "full": 1}, "damage": 0.5},
    "buddha_dataset": {**_PLAIN, **_BUDDHA, "number": 4, "culture": "Japanese", "date": "7th to 14th century",
                       "materials": {"gold": 4, "wood": 4, "bronze": 2, "dark wood": 1},
                       "presentations": {"bust": 5, "seated": 2}, "headgear": {"ushnisha": 5, "halo": 2, "mukuta": 1},
                       "backgrounds": {"dark": 4, "niche": 2, "paper": 1}},
    "fitzwilliam": {**_PLAIN, "number": 5, "culture": "Western European", "date": "antiquity to 1920",
                    "materials": {"marble": 5, "bronze": 3, "terracotta": 2, "plaster": 1, "wood": 0.5},
                    "hair": {"locks": 3, "waves": 3, "curls": 2, "long": 1, "bun": 1, "cropped": 2},
                    "headgear": {"none": 6, "wreath": 1, "diadem": 1, "hood": 1}, "beard": {"none": 4, "short": 1, "long": 1, "goatee": 1},
                    "moustache": {"none": 3, "full": 1, "thin": 1}, "garment": {"bare": 2, "toga": 2, "tunic": 2, "shawl": 2},
                    "neutral": 0.42},
    "maa": {**_PLAIN, "number": 6, "culture": "Oceanic and African", "date": "19th to 20th century",
            "materials": {"dark wood": 5, "wood": 4, "painted wood": 1.5}, "presentations": {"mask": 5, "head": 2, "bust": 1},
            "hair": {"bald": 3, "rows": 3, "cropped": 1}, "headgear": {"crest": 3, "none": 3, "horns": 1, "polos": 1},
            "pendants": {"ring": 1, "plug": 1, "none": 2}, "markings": {"scars": 3, "tattoo": 3, "bands": 1, "none": 2}, "eyes": "inlaid",
            "shape": {"nose_length": 1.08, "nose_width": 1.3, "lip_upper": 1.45, "lip_lower": 1.4, "brow_ridge": 1.5, "cheekbone": 1.2,
                      "orbit": 1.0, "chin": 0.6, "lowered": 0.12}, "tooled": 0.9, "neutral": 0.4,
            "backgrounds": {"paper": 3, "wall": 1, "dark": 2}, "ornament": (0.60, 0.56, 0.46)},
    "asian_art": {**_PLAIN, **_WRATH, "number": 7, "culture": "Chinese, Korean and Southeast Asian", "date": "6th to 18th century",
                  "materials": {"bronze": 5, "sandstone": 2, "wood": 2, "granite": 1, "gold": 1},
                  "hair": {"rows": 2, "locks": 2, "strands": 1}, "headgear": {"topknot": 3, "helmet": 3, "crown": 2, "mukuta": 1,
                                                                              "halo": 1}, "beard": {"none": 3, "goatee": 1, "curly": 1},
                  "moustache": {"none": 2, "drooping": 2, "full": 1},
                  "garment": {"armour": 4, "shawl": 1, "collar": 1}, "pendants": {"drop": 1, "none": 1, "plug": 1}, "neutral": 0.3,
                  "strength": (0.45, 1.0), "backgrounds": {"dark": 4, "niche": 1, "wall": 1}},
    "met": {**_PLAIN, "number": 8, "culture": "Egyptian, Greek, Roman and American", "date": "2000 BC to 1930",
            "materials": {"marble": 4, "limestone": 2, "granite": 2, "bronze": 3, "schist": 1, "wood": 0.5},
            "presentations": {"bust": 5, "head": 2, "relief": 1, "mask": 0.3}, "hair": {"waves": 3, "curls": 3, "locks": 1, "bob": 2,
                                                                                        "cropped": 2, "bun": 1},
            "headgear": {"none": 6, "headcloth": 2, "wreath": 1, "diadem": 1, "band": 1},
            "beard": {"none": 4, "curly": 1, "short": 1, "long": 0.5}, "moustache": {"none": 4, "full": 1},
            "garment": {"bare": 2, "toga": 2, "tunic": 1, "collar": 2}, "several": 0.07, "damage": 0.4},
    "palace_museum": {**_PLAIN, "number": 9, "culture": "Chinese, Ming and Qing", "date": "1368 to 1911",
                      "materials": {"painted wood": 3, "plaster": 2, "bronze": 2, "gold": 1, "wood": 1}, "hair": {"strands": 3, "bun": 1},
                      "headgear": {"flat cap": 3, "topknot": 2, "cap": 2, "crown": 1}, "beard": {"none": 2, "goatee": 3, "long": 1},
                      "moustache": {"drooping": 3, "thin": 1, "none": 1}, "garment": {"robe": 3, "tunic": 1}, "damage": 0.12,
                      "shape": {"eye_cant": 0.02, "brow_thick": 0.8, "fullness": 0.5}, "pigment": (0.7, 0.95),
                      "ornament": (0.45, 0.28, 0.07)},
    "rubin": {**_PLAIN, **_WRATH, "number": 10, "culture": "Himalayan", "date": "12th to 18th century",
              "materials": {"gold": 5, "bronze": 3, "painted wood": 1}, "hair": {"snails": 1, "strands": 2},
              "headgear": {"mukuta": 4, "crown": 4, "halo": 1},
              "pendants": {"plug": 3, "drop": 2}, "garment": {"collar": 3, "shawl": 1}, "markings": {"third eye": 3, "urna": 1, "none": 1},
              "neutral": 0.3, "strength": (0.3, 1.0), "moods": {"angry": 4, "happy": 3, "disgust": 1, "surprise": 0.5},
              "pigment": (0.0, 0.5), "backgrounds": {"dark": 4, "wall": 1}, "damage": 0.1, "ornament": (0.48, 0.30, 0.08)},
    "sainsbury": {**_PLAIN, **_BUDDHA, "number": 11, "culture": "Buddhist and Cycladic", "date": "2500 BC to AD 1500",
                  "materials": {"limestone": 3, "sandstone": 3, "marble": 2, "schist": 1.5},
                  "presentations": {"head": 5, "mask": 1, "relief": 0.6},
                  "backgrounds": {"paper": 3, "wall": 2, "dark": 1}, "damage": 0.5, "idols": 0.22},
    "tokyo_museum": {**_PLAIN, "number": 12, "culture": "Japanese", "date": "13th to 19th century",
                     "materials": {"plaster": 4, "painted wood": 3, "wood": 2}, "presentations": {"mask": 4, "bust": 1},
                     "hair": {"strands": 2, "bald": 3}, "shape":
                     {"brow_y": 0.05, "brow_thick": 0.8, "fullness": 0.6, "eye_cant": 0.02, "parted": 0.7, "lowered": 0.25},
                     "pigment": (0.8, 1.0), "neutral": 0.35, "backgrounds": {"dark": 3, "paper": 2}, "damage": 0.1,
                     "strength": (0.35, 1.0)},
    "xiangtangshan": {**_PLAIN, **_BUDDHA, "number": 13, "culture": "Chinese, Northern Qi", "date": "550 to 577",
                      "materials": {"limestone": 5, "grey stone": 0, "schist": 1}, "presentations": {"relief": 5, "head": 2},
                      "headgear": {"ushnisha": 4, "crown": 2, "halo": 3},
                      "backgrounds": {"cave": 4, "dark": 1}, "damage": 0.7, "several": 0.12, "tooled": 0.4},
    "jomon": {**_PLAIN, "number": 14, "culture": "Jomon Japan", "date": "10,500 to 300 BC", "face": "jomon",
              "materials": {"grey clay": 3, "clay": 2, "terracotta": 2}, "presentations": {"bust": 3, "tube": 2, "head": 1},
              "hair": {"bald": 3, "rows": 1}, "headgear": {"crest": 2, "crown": 2, "horns": 1, "band": 1, "none": 1},
              "pendants": {"plug": 2, "none": 1}, "garment": {"collar": 3, "tunic": 1},
              "shape": {"eye_size": 1.35, "face_width": 1.06, "skull": 0.95, "brow_y": 0.03}, "tooled": 0.8, "damage": 0.5,
              "backgrounds": {"paper": 3, "dark": 2, "wall": 1}, "neutral": 0.8, "close": (4.4, 7.5)},
    "yenisei": {**_PLAIN, "number": 15, "culture": "Tashtyk", "date": "1st to 7th century", "materials": {"plaster": 1},
                "presentations": {"mask": 4, "bust": 1}, "hair": {"bald": 1}, "markings": {"spirals": 4, "bands": 2},
                "shape": {"lowered": 0.97, "cheekbone": 1.0, "age": 0.3, "brow_carved": 0.1, "brow_thick": 0.5}, "eyes": "blank",
                "pigment": (0.55, 0.95), "damage": 0.6, "neutral": 0.75, "strength": (0.2, 0.6),
                "moods": {"sad": 3, "happy": 1, "disgust": 0.5},
                "backgrounds": {"dark": 3, "paper": 2}, "garment": {"tunic": 1}},
    "humans": {**_PLAIN, "number": None, "culture": "people of today", "date": "", "materials": {"skin": 1},
               "hair": {"cropped": 3, "waves": 2, "strands": 2, "bob": 2, "long": 2, "curls": 1.5, "locks": 1, "bald": 0.6},
               "headgear": {"none": 14, "band": 1, "hood": 0.6, "cap": 0.5}, "beard": {"none": 5, "short": 1.2, "goatee": 0.2},
               "moustache": {"none": 7, "full": 0.6, "thin": 0.4}, "pendants": {"none": 4, "drop": 1, "ring": 1},
               "garment": {"tunic": 3, "shawl": 1, "robe": 1}, "damage": 0.0, "turn": 14.0, "several": 0.0, "none": 0.0, "eyes": "painted",
               "close": (3.7, 4.8), "backgrounds": {"paper": 2, "wall": 3, "gallery": 2, "outdoors": 1}},
    "warriors": {**_PLAIN, "number": None, "culture": "Chinese, Qin", "date": "3rd century BC",
                 "materials": {"terracotta": 3, "clay": 2, "grey clay": 2}, "presentations": {"bust": 6, "standing": 1},
                 "hair": {"strands": 4, "rows": 1},
                 "headgear": {"tilted knot": 4, "topknot": 1, "cap": 2, "flat cap": 2}, "beard": {"none": 3, "goatee": 1},
                 "moustache": {"drooping": 3, "thin": 2, "full": 1, "none": 1}, "garment": {"armour": 3, "tunic": 2}, "neutral": 0.62,
                 "strength": (0.15, 0.6), "damage": 0.3, "several": 0.08, "turn": 18.0, "shape": {"cheekbone": 0.9, "jaw": 0.5,
                                                                                                  "eye_cant": 0.015, "brow_carved": 1.2},
                 "backgrounds": {"cave": 2, "dark": 2, "gallery": 1}, "pigment": (0.0, 0.12)},
    "portraits": {**_PLAIN, "number": None, "culture": "European and Asian painting", "date": "1450 to 1920", "materials": {"paint": 1},
                  "hair": {"waves": 2, "strands": 2, "long": 3, "bob": 1, "locks": 2, "cropped": 1},
                  "headgear": {"none": 5, "flat cap": 1, "turban": 1, "hood": 1.5, "crown": 0.5, "wreath": 0.4, "halo": 0.5},
                  "beard": {"none": 4, "short": 1, "long": 1, "goatee": 1}, "moustache": {"none": 4, "full": 1, "thin": 1},
                  "pendants": {"none": 3, "drop": 1}, "garment": {"robe": 2, "tunic": 2, "shawl": 2}, "damage": 0.0, "eyes": "painted",
                  "neutral": 0.35, "several": 0.06, "backgrounds": {"dark": 4, "wall": 2, "outdoors": 1.5}, "ornament": (0.50, 0.33, 0.10)},
}  # fmt: skip
for _manner in MANNERS.values():
    _manner["materials"] = {name: share for name, share in _manner["materials"].items() if share > 0}
    assert set(_manner["shape"]) <= set(SHAPE)

TITLES = {
    1: "Archaeological Haniwa faces", 2: "Baidu Search Engine", 3: "British Museum", 4: "Buddha Dataset", 5: "Fitzwilliam Museum",
    6: "Maa Museum",
    7: "National Museum of Asian Art", 8: "Metropolitan Museum of Art", 9: "Palace Museum", 10: "Rubin Museum", 11: "Sainsbury Centre",
    12: "Tokyo National Museum", 13: "Xiangtangshan Caves", 14: "Jomon Figurines", 15: "Ancient Yenisei Masks",
}  # fmt: skip
PUBLISHED = {1: 51, 2: 346, 3: 100, 4: 151, 5: 184, 6: 99, 7: 155, 8: 306, 9: 61, 10: 74, 11: 67, 12: 14, 13: 35, 14: 125,
             15: 29}  # Table I
STYLISED = ("haniwa", "jomon")  # failing to find these faces is realistic: reported apart


def manner(name: str) -> dict:
    """Return the choices of a tradition by its name (a key of MANNERS)."""
    return MANNERS[name]


def title(name: str) -> str:
    """Return the tradition's title, which says that it is synthetic."""
    number = MANNERS[name]["number"]
    plain = {"humans": "Human faces", "warriors": "Warriors of fired clay", "portraits": "Painted portraits"}
    return f"In the manner of: {TITLES[number]} (synthetic)" if number else f"{plain[name]} (synthetic)"


def fifteen() -> list[str]:
    """Return the names of the fifteen traditions of Table I in its order."""
    return sorted((name for name, row in MANNERS.items() if row["number"]), key=lambda name: MANNERS[name]["number"])


def shares(total: int) -> dict[str, int]:
    """Return how many of `total` pictures each of the fifteen gets, in Table I's proportions (largest remainders), {name: count}."""
    names, whole = fifteen(), sum(PUBLISHED.values())
    exact = {name: total * PUBLISHED[MANNERS[name]["number"]] / whole for name in names}
    counts = {name: int(value) for name, value in exact.items()}
    order = sorted(names, key=lambda name: counts[name] - exact[name])
    for name in order[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
