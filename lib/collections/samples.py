"""Collections: the samples, a dozen photographs that the installed packages already ship, with faces boxed by hand."""

import csv
import importlib.util
import shutil
import tempfile
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from lib.compendium.errors import CollectionError
from lib.compendium.places import DATA, write_atomically

SAMPLES = DATA / "collections" / "samples"
FEWEST = 3  # fewer than this and the packages have changed too much to be of use


class Sample(NamedTuple):
    """One photograph: where it lies, what it shows, its faces ("?": there are some, too small and worn to box)."""

    package: str
    path: str
    title: str
    licence: str
    credit: str
    face_boxes: str = ""
    face_views: str = ""
    material: str = ""
    culture: str = ""
    date: str = ""
    remark: str = ""


COLUMNS = ("file", "title", "licence", "credit", "source_package", "culture", "material", "date", "face_boxes", "face_views", "remark")
CC0 = "CC0 1.0"
BY2 = "CC BY 2.0"
PUBLIC = "public domain"
PHOTOGRAPHS = (
    Sample("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "Grace Hopper", PUBLIC, "James S. Davis, United States Navy",
           "154,132,222,200", "frontal", date="1984"),
    Sample("skimage", "data/astronaut.png", "Eileen Collins", PUBLIC, "NASA", "171,74,109,105", "frontal", date="1992"),
    Sample("skimage", "data/camera.png", "A photographer at his camera", CC0, "Lav Varshney", "180,122,75,78", "profile"),
    Sample("skimage", "data/coins.png", "Greek coins from Pompeii", "no known copyright restrictions", "Brooklyn Museum", "?", "?", "metal",
           "Greek", remark="heads in relief about 25 pixels high, most too worn to box"),
    Sample("skimage", "data/chelsea.png", "Chelsea the cat", CC0, "Stefan van der Walt", remark="an animal's face is not boxed"),
    Sample("skimage", "data/coffee.png", "A cup of coffee", CC0, "Rachel Michetti"),
    Sample("skimage", "data/rocket.jpg", "A rocket on its launch pad", PUBLIC, "SpaceX"),
    Sample("skimage", "data/hubble_deep_field.jpg", "Hubble eXtreme Deep Field", PUBLIC, "NASA"),
    Sample("skimage", "data/brick.png", "A brick wall", CC0, "CC0Textures", material="brick"),
    Sample("skimage", "data/gravel.png", "Gravel", CC0, "CC0Textures", material="stone"),
    Sample("sklearn", "datasets/images/china.jpg", "A pavilion above a lake", BY2, "Daniel Buechele", culture="Chinese"),
    Sample("sklearn", "datasets/images/flower.jpg", "A dahlia", BY2, "vultilion"),
)  # fmt: skip


def samples_folder(folder: Path = SAMPLES) -> Path:
    """Return the folder of the samples, building it first if it is missing or not complete.

    The photographs are copied, not downloaded, into a temporary folder that takes its name when it is whole, so two processes may
    ask at once. Raises CollectionError if the installed packages no longer ship them.
    """
    found = [(sample, source) for sample in PHOTOGRAPHS if (source := _source(sample)) is not None]
    if len(found) < FEWEST:
        raise CollectionError(
            f"Only {len(found)} of {len(PHOTOGRAPHS)} sample photographs are in the installed packages. "
            "Expected those of matplotlib, scikit-image and scikit-learn. Install the pinned versions again (`make setup`)."
        )
    if not _is_complete(folder, found):
        _build(folder, found)
    return folder


def _source(sample: Sample) -> Path | None:
    spec = importlib.util.find_spec(sample.package)  # finds the package without importing it
    path = Path(spec.origin).parent / sample.path if spec and spec.origin else None
    return path if path and path.is_file() else None


def _metadata(found: list) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample, source in found:
        writer.writerow([source.name, sample.title, sample.licence, sample.credit, sample.package, sample.culture, sample.material,
                         sample.date, sample.face_boxes, sample.face_views, sample.remark])  # fmt: skip
    return text.getvalue()


def _is_complete(folder: Path, found: list) -> bool:
    """Tell whether the folder holds these very photographs and this very metadata (sizes are enough: they are never changed)."""
    metadata = folder / "metadata.csv"
    with suppress(OSError):
        if metadata.read_text(encoding="utf-8") == _metadata(found):
            return all((folder / source.name).stat().st_size == source.stat().st_size for _, source in found)
    return False


def _build(folder: Path, found: list) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():  # incomplete or of an older version: repair in place, each file whole or not at all
        _repair(folder, found)
        return
    building = Path(tempfile.mkdtemp(prefix=".samples.", dir=folder.parent))
    try:
        _repair(building, found)
        building.chmod(0o755)
        building.rename(folder)
    except OSError:
        if not _is_complete(folder, found):  # else another process was quicker
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _repair(folder: Path, found: list) -> None:
    for _, source in found:
        write_atomically(folder / source.name, source.read_bytes())
    write_atomically(folder / "metadata.csv", _metadata(found))  # last: it says that the rest is there
