"""Collections: the record of an atelier picture: what was planted, where it can be seen, as plain values."""

import numpy as np

from lib.collections.atelier.expression import UNITS, soft_label
from lib.collections.metadata import view_of_yaw

HAIRLINE_SHARE = 1.22  # height from hairline to chin over the height from brows to chin


def face_box(marks: np.ndarray, height: int, width: int) -> list[float]:
    """Return x, y, width, height in pixels from hairline to chin and from outline to outline, inside the picture."""
    (x0, y0), (x1, y1) = marks.min(axis=0), marks.max(axis=0)
    y0 = y1 - HAIRLINE_SHARE * (y1 - y0)
    x0, x1 = np.clip((x0, x1), 0, width)
    y0, y1 = np.clip((y0, y1), 0, height)
    return [round(float(value), 1) for value in (x0, y0, x1 - x0, y1 - y0)]


def face_truth(figure: dict, marks: np.ndarray, visible: np.ndarray, height: int, width: int) -> dict:
    """Return the truth of one face; see `sculptor.sculpt` for the keys."""
    label = soft_label(figure["expression"])
    yaw, pitch, roll = figure["pose"]
    return {
        "identity": figure["identity"], "expression": max(label, key=label.get), "soft_label": label, "intensity": figure["intensity"],
        "action_units": {unit: float(figure["units"][str(unit)]) for unit in UNITS}, "landmarks": marks.astype(np.float32),
        "visible": visible,
        "box": face_box(marks, height, width), "yaw": yaw, "pitch": pitch, "roll": roll, "view": view_of_yaw(yaw),
        "style": figure["shape"].get("face", "human"), "presentation": figure["presentation"], "posture": figure.get("posture", ""),
        "hair": figure["hair"], "headgear": figure["headgear"], "beard": figure["beard"], "moustache": figure["moustache"],
    }  # fmt: skip


def picture_truth(spec: dict, title: str, culture: str, date: str, faces: list[dict]) -> dict:
    """Return the truth of a picture; `faces` from `face_truth`, largest face first."""
    order = sorted(range(len(faces)), key=lambda k: -faces[k]["box"][2] * faces[k]["box"][3])
    return {
        "synthetic": True, "collection": spec["collection"], "tradition": spec["collection"], "title": title, "culture": culture,
        "date": date,
        "index": spec["index"], "seed": spec["seed"], "material": spec["material"]["name"], "eyes": spec["material"]["eyes"],
        "light": dict(spec["light"]),
        "background": spec["background"], "damage": dict(spec["damage"]), "object": spec.get("object", ""),
        "faces": [faces[k] for k in order],
    }  # fmt: skip


METADATA_COLUMNS = (
    "file", "title", "object", "culture", "material", "licence", "date", "face_boxes", "face_views", "expression", "intensity",
    "soft_label", "identity",
    *(f"AU{unit:02d}" for unit in UNITS), "yaw", "pitch", "roll", "tradition", "presentation", "posture", "style", "light", "damage",
    "background", "faces", "synthetic",
)  # fmt: skip
LICENCE = "CC0 1.0 (synthetic, made by the atelier)"


def metadata_row(file: str, truth: dict) -> dict[str, str]:
    """Return the row of metadata.csv for one picture; expression, units and pose are those of the largest face."""
    faces = truth["faces"]
    first = faces[0] if faces else None
    row = dict.fromkeys(METADATA_COLUMNS, "")
    light = truth["light"]
    row.update(
        file=file, title=truth["title"], object=first["identity"] if first else f"{truth['collection']}-{truth['object']}",
        culture=truth["culture"],
        material=truth["material"], licence=LICENCE, date=truth["date"], tradition=truth["tradition"], background=truth["background"],
        face_boxes=";".join(",".join(f"{value:g}" for value in face["box"]) for face in faces),
        face_views=";".join(face["view"] for face in faces),
        light=f"azimuth {light['azimuth']:.0f}, elevation {light['elevation']:.0f}",
        damage="; ".join(f"{k} {v:.2f}" for k, v in truth["damage"].items()),
        faces=str(len(faces)), synthetic="yes",
    )  # fmt: skip
    if first:
        row.update(
            expression=first["expression"], intensity=f"{first['intensity']:g}", identity=first["identity"],
            presentation=first["presentation"],
            posture=first["posture"], style=first["style"], soft_label=";".join(f"{k}={v:.3f}" for k,
                                                                                v in first["soft_label"].items() if v > 0),
            yaw=f"{first['yaw']:g}", pitch=f"{first['pitch']:g}", roll=f"{first['roll']:g}", **{f"AU{u:02d}": f"{v:g}" for u,
                                                                                                v in first["action_units"].items()},
        )  # fmt: skip
    return row
