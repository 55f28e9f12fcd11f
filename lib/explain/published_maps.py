"""Explanations: the heat maps and Ekman masks that Gaya-Morey et al. published, and Table 3 worked out from them again.

444 PNG files of 224 by 275 pixels, grey, in the authors' repository (MIT licence), pinned to one commit: `params/ekman_maps.csv` holds the
size and the SHA-256 of each. `load` reads a folder given, or fetches the repository's archive once into data/ekman_maps/.
`params/ekman_fold_means.csv` is the table of the repository's README: means over the five folds, which the paper does not have.
"""

import hashlib
import http.client
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.compendium.places import PARAMETERS, relative, write_atomically
from lib.explain.ekman import EMOTIONS, MEASURES, SHAPE, overlap, threshold
from lib.explain.lime_parameters import MAPS_FOLDER
from lib.published.tables import table

COMMIT = "060a08bdbabe53326a39e5ac98d7cc45baaf51b4"
ARCHIVE = f"https://github.com/Xavi3398/ekman_expressions/archive/{COMMIT}.tar.gz"
PINNED = PARAMETERS / "ekman_maps.csv"
README_TABLE = PARAMETERS / "ekman_fold_means.csv"
FOLDER = MAPS_FOLDER
TRIES, PAUSE, TIMEOUT = 3, 1.0, 30  # the archive is a stream: each try begins at its beginning, but what is here stays here
FOLDS = (1, 2, 3, 4, 5)
DECIMALS = 4  # as printed
NAMED = 5  # files named in a message
AVERAGE = "average"

# The networks by key, as the files spell them; the order is Table 3's. The key is the name in the tables in small letters.
NETWORKS = {
    "silnet": "SilNet", "weinet": "WeiNet", "alexnet": "AlexNet", "songnet": "SongNet", "inceptionv3": "InceptionV3", "vgg19": "VGG19",
    "vgg16": "VGG16", "resnet50": "ResNet50", "resnet101v2": "ResNet101V2", "xception": "Xception", "mobilenetv3": "MobileNetV3Large",
    "efficientnetv2": "EfficientNetV2B0",
}  # fmt: skip
PRETRAINED = tuple(list(NETWORKS)[4:])  # on ImageNet (Table 1)
WORDS = dict(zip(EMOTIONS, ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise"), strict=True))


class Published(NamedTuple):
    """What the authors published, on the standard face; maps uint8 (275, 224), each with its own range stretched to 0 to 255.

    maps: {(network, fold 1 to 5 or None for all folds, expression)}; masks: {expression: bool (275, 224)}; totals: {expression}, of all
    networks; folder: where they were read.
    """

    maps: dict[tuple[str, int | None, str], np.ndarray]
    masks: dict[str, np.ndarray]
    totals: dict[str, np.ndarray]
    folder: Path

    def of_networks(self) -> dict[tuple[str, str], np.ndarray]:
        """Return the maps of all folds, {(network, expression): map}, as `ekman.alignment` takes them."""
        return {(network, name): heat for (network, fold, name), heat in self.maps.items() if fold is None}

    def of_folds(self) -> dict[tuple[str, int, str], np.ndarray]:
        """Return the maps of single folds, {(network, fold, expression): map}."""
        return {key: heat for key, heat in self.maps.items() if key[1] is not None}

    def stack(self, expression: str) -> np.ndarray:
        """Return an expression's maps of all networks, uint8 (12, 275, 224), networks in the order of NETWORKS."""
        return np.stack([self.maps[network, None, expression] for network in NETWORKS])

    def folds(self, expression: str) -> np.ndarray:
        """Return an expression's maps of all networks and folds on one scale, float32 (12, 5, 275, 224): means over folds are `stack`'s."""
        return np.stack([on_one_scale(whole, np.stack([self.maps[network, fold, expression] for fold in FOLDS]))
                         for network, whole in zip(NETWORKS, self.stack(expression), strict=True)])  # fmt: skip


def on_one_scale(whole: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return maps of folds (k, h, w), each stretched on its own, in the proportions they had in the map of all folds (h, w); float32.

    Stretched, a fold with a faint map counts as much as one with a strong map, and their mean is not the map of all folds, whose tree is
    drawn. That map tells the proportions: it is the sum of the folds' maps, each times a weight, found by least squares. In the published
    maps this holds to about one grey level of 255 (R² above .9999), with weights that differ by up to 45 times.
    """
    columns = np.column_stack([*folds.reshape(len(folds), -1), np.ones(whole.size)]).astype(np.float64)
    weights = np.linalg.lstsq(columns, whole.ravel().astype(np.float64), rcond=None)[0][:-1]  # the last takes up what stretching moved
    return (len(folds) * weights[:, None, None] * folds).astype(np.float32)


# ---- files


@lru_cache(maxsize=1)
def pinned() -> pd.DataFrame:
    """Return the published files, one row each: file (below the repository's root), bytes, sha256."""
    return pd.read_csv(PINNED)


def load(folder: str | Path | None = None, check: bool = True) -> Published:
    """Return the published maps and masks from a folder, or from data/ekman_maps/, fetched there if need be.

    folder: one that holds `GRAY/` and `GROUND_TRUTH/`, itself or in `heatmaps/` (a clone of the repository). check: compare every file's
    SHA-256 with the published one; switch it off for maps of your own in the same layout.
    Raises CollectionError naming what is missing, corrupt, of another size or another content, or why fetching failed.
    """
    root = _root(folder) if folder is not None else _root(fetched())
    files, wrong = {}, []
    for row in pinned().itertuples():
        place = root / row.file.removeprefix("heatmaps/")
        heat, reason = _read(place, row.sha256 if check else None)
        files[row.file] = heat
        if reason:
            wrong.append(f"{place.relative_to(root).as_posix()} ({reason})")
    if wrong:
        raise CollectionError(_of_files(wrong, root, folder is not None))
    maps = {(network, fold, name): files[_file(network, fold, name)] for network in NETWORKS for fold in (None, *FOLDS)
            for name in EMOTIONS}  # fmt: skip
    masks = {name: files[f"heatmaps/GROUND_TRUTH/{word}_gt.png"] > 127 for name, word in WORDS.items()}
    totals = {name: files[f"heatmaps/GRAY/heatmaps_total/{word}_heatmap.png"] for name, word in WORDS.items()}
    return Published(maps, masks, totals, root)


def _file(network: str, fold: int | None, name: str) -> str:
    kind, middle = ("by_net", "") if fold is None else ("by_cv", f"CV{fold}_")
    return f"heatmaps/GRAY/heatmaps_{kind}/{NETWORKS[network]}_{middle}{WORDS[name]}_heatmap.png"


def _root(folder: str | Path) -> Path:
    folder = Path(folder)
    for root in (folder, folder / "heatmaps"):
        if (root / "GRAY").is_dir():
            return root
    raise CollectionError(
        f"The folder {folder.name!r} does not hold the published heat maps; expected `GRAY/` and `GROUND_TRUTH/` in it or in its "
        f"`heatmaps/`, as in the authors' repository at commit {COMMIT[:7]}. Give that folder, or none to have them fetched."
    )


def _read(place: Path, sha256: str | None) -> tuple[np.ndarray | None, str]:
    """Return a grey picture of the canvas's size, or None and what is wrong with it."""
    try:
        content = place.read_bytes()
    except OSError:
        return None, "missing"
    heat = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
    if heat is None:
        return None, "corrupt: no picture"
    if heat.shape != SHAPE:
        return None, f"{heat.shape[1]} x {heat.shape[0]} pixels, expected {SHAPE[1]} x {SHAPE[0]}"
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        return None, "another content than published"
    return heat, ""


def _of_files(wrong: list[str], root: Path, given: bool) -> str:
    more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
    source = f"the authors' repository at commit {COMMIT[:7]}"
    do = f"Copy them again from {source}, or give no folder to have them fetched." if given else f"Delete {relative(root)} and run again."
    named = ", ".join(wrong[:NAMED])
    return f"{len(wrong)} of {len(pinned())} published files cannot be used: {named}{more}; expected those of {source}. {do}"


def fetched(progress: Callable[[int], None] | None = None) -> Path:
    """Return data/ekman_maps/, filled from the repository's archive where a file is missing or damaged. progress: called with files here.

    Every file is in place whole and with the published content, or not at all; a broken download goes on with the files still missing.
    Raises CollectionError where the archive cannot be reached, or lacks files or holds others.
    """
    wanted = {row.file: row for row in pinned().itertuples() if not _same(FOLDER / row.file, row)}
    for attempt in range(TRIES if wanted else 0):
        try:
            _download(wanted, progress or (lambda _: None))
            break
        except (OSError, http.client.HTTPException, tarfile.TarError, EOFError, zlib.error) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code not in (408, 429)
            if refused or attempt == TRIES - 1:
                raise CollectionError(_how_to_get(len(wanted), f"{type(error).__name__}: {error}")) from None
            time.sleep(PAUSE * 2**attempt)
    if wanted:
        raise CollectionError(_how_to_get(len(wanted), f"the archive does not hold {sorted(wanted)[0]} as published"))
    return FOLDER


def _same(place: Path, row) -> bool:
    return place.is_file() and place.stat().st_size == row.bytes and hashlib.sha256(place.read_bytes()).hexdigest() == row.sha256


def _download(wanted: dict, progress: Callable[[int], None]) -> None:
    """Stream the archive, keep the wanted files that are as published, and take them off the list."""
    request = urllib.request.Request(ARCHIVE, headers={"User-Agent": "faces-in-stone"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, tarfile.open(fileobj=answer, mode="r|gz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]  # below the folder repository-commit
            if name not in wanted or not member.isfile() or member.size != wanted[name].bytes:
                continue
            content = archive.extractfile(member).read()
            if hashlib.sha256(content).hexdigest() == wanted[name].sha256:
                write_atomically(FOLDER / name, content)
                del wanted[name]
                progress(len(pinned()) - len(wanted))
            if not wanted:
                return


def _how_to_get(count: int, reason: str) -> str:
    return (
        f"{count} of {len(pinned())} published heat maps could not be fetched from {ARCHIVE}: {reason}. Expected the files listed in "
        f"{relative(PINNED)}. With a network, the next run tries again; or unpack that archive and give its folder."
    )


# ---- the tables


def table_three(maps: Mapping[tuple, np.ndarray], masks: Mapping[str, np.ndarray], measure: str = "iou") -> pd.DataFrame:
    """Return the agreement of each network's map (all folds) with the mask, and the averages: Table 3, not rounded.

    maps, masks: of `Published`. measure: iou as in the paper, f1, precision or recall. Index: networks in Table 3's order and "average";
    columns: the six expressions and "average".
    """
    cells = _measured({(key[0], key[-1]): heat for key, heat in maps.items() if len(key) < 3 or key[1] is None}, masks, measure)
    return _with_averages(cells)


def fold_means(maps: Mapping[tuple, np.ndarray], masks: Mapping[str, np.ndarray], measure: str = "iou") -> pd.DataFrame:
    """Return the mean over the folds of each fold's own agreement with the mask, in the form of `table_three`.

    This is the table of the repository's README. It is lower than Table 3, as the maps of single folds agree less than their mean does.
    """
    return _with_averages(_measured({key: heat for key, heat in maps.items() if len(key) == 3 and key[1] is not None}, masks, measure))


def _measured(maps: Mapping[tuple, np.ndarray], masks: Mapping[str, np.ndarray], measure: str) -> pd.DataFrame:
    if measure not in MEASURES:
        hint = did_you_mean(str(measure), MEASURES)
        raise ParameterError(f"Received the measure {measure!r}, expected one of {', '.join(MEASURES)}.{hint}")
    if not maps or (without := sorted({key[-1] for key in maps} - set(masks))):
        lacking = f", no mask for {', '.join(map(repr, without))}" if maps else ""
        raise ParameterError(f"Received {len(maps)} maps{lacking}; expected maps, and a mask for each expression.")
    rows = [(key[0], key[-1], overlap(masks[key[-1]], threshold(heat))[measure]) for key, heat in maps.items()]
    return pd.DataFrame(rows, columns=["network", "expression", "value"])


def _with_averages(rows: pd.DataFrame) -> pd.DataFrame:
    cells = rows.pivot_table("value", "network", "expression", aggfunc="mean", sort=False)
    cells = cells.rename_axis(index="network", columns=None)
    cells[AVERAGE] = cells.mean(axis=1)
    cells.loc[AVERAGE] = cells.mean(axis=0)
    return cells


def printed_table_three() -> pd.DataFrame:
    """Return Table 3 as printed, in the form of `table_three`."""
    whole = table("lime_ekman", "table_three")
    whole = whole.assign(network=whole["network"].str.lower()).set_index("network")
    return whole.astype(float)


def printed_fold_means(measure: str = "iou") -> pd.DataFrame:
    """Return the table of the repository's README for a measure (iou, f1, precision or recall), in the form of `table_three`."""
    whole = pd.read_csv(README_TABLE)
    return whole[whole["measure"] == measure].drop(columns="measure").set_index("network")


def beside(found: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Return two tables of one form cell by cell: network, expression, printed, found (four decimals), same.

    A printed number counts as the same when what was found rounds to it.
    """
    if missing := sorted({*printed.index} - {*found.index}):
        raise ParameterError(f"Received a table without {', '.join(missing)}; expected a row for each row printed.")
    rows = [(network, name, float(printed.at[network, name]), float(found.at[network, name])) for network in printed.index
            for name in printed.columns]  # fmt: skip
    cells = pd.DataFrame(rows, columns=["network", "expression", "printed", "found"])
    # Half a unit of the last digit: whichever way the authors rounded halves, either is the same.
    same = np.abs(cells["found"] - cells["printed"]) <= 0.5 * 10**-DECIMALS + 1e-9
    return cells.assign(found=cells["found"].round(DECIMALS), same=same)


def claims_measured(found: pd.DataFrame, name: str = "table_three") -> dict[str, float]:
    """Return a table found as {claim id: number to four decimals} for `claims.compare`. name: "table_three" or "fold_mean"."""
    return {f"{name}_{network}_{column}": round(float(found.at[network, column]), DECIMALS)
            for network in found.index for column in found.columns}  # fmt: skip
