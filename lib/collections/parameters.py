"""Collections: the parameters of notebook 01. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path

from pydantic import Field

from lib.collections.folder import list_folder, list_pictures
from lib.compendium.parameters import NotebookParameters

# Collections the library makes itself; all others are folders. `atelier`: the fifteen traditions in Table I's proportions.
EMBEDDED = ("atelier", "humans", "portraits", "samples", "warriors")


def is_embedded(collection: str) -> bool:
    """Return whether a collection is one the library makes itself; a folder of the same name comes before it."""
    return collection in EMBEDDED and not Path(collection).expanduser().is_dir()


class CensusParameters(NotebookParameters):
    """Parameters of the census: which pictures, and how they are counted."""

    collection: str = Field(
        "atelier",
        min_length=1,
        description="a folder of photographs, or the name of an embedded collection. The paper: fifteen museum and web collections "
        "(Table I), which its authors could not pass on. `atelier`: made-up sculpture in the manner of the fifteen, with known truth; "
        "`humans`, `warriors`, `portraits`: the atelier's others; `samples`: photographs that installed packages ship",
    )
    atelier_pictures: int = Field(
        1797, ge=1, le=100_000, description="how many pictures the atelier makes: the sum of Table I's rows; `demo` makes fewer"
    )
    atelier_side: int = Field(224, ge=32, le=2048, description="side of the atelier's pictures in pixels. Not from the paper")
    atelier_seed: int = Field(0, ge=0, le=2**31 - 1, description="another seed, other sculptures. Not from the paper")
    maximum_megapixels: float = Field(
        200, gt=0, le=2000, description="larger pictures become a row with a reason instead of filling the memory. Not stated in the paper"
    )
    near_duplicate_distance: int = Field(
        4, ge=0, le=16, description="bits, of 64, in which two pictures' perceptual hashes may differ and still be called near-duplicates. "
        "Not stated in the paper, which does not mention duplicates",
    )
    contact_sheet_pictures: int = Field(
        40, ge=1, le=400, description="most pictures on the contact sheet; a larger collection is sampled evenly. Not from the paper"
    )

    def input_files(self) -> list[Path]:
        """Return the collection's pictures and metadata files. Raises CollectionError where there are none."""
        if is_embedded(self.collection):
            return []
        folder = Path(self.collection).expanduser()
        return [folder / name for name in sorted([*list_pictures(folder), *list_folder(folder).metadata])]

    def check_inputs(self) -> None:
        """Raise CollectionError where a metadata file is there and matches no picture."""
        from lib.collections.metadata import join_metadata  # pandas: only when something is about to run

        if not is_embedded(self.collection):
            folder = Path(self.collection).expanduser()
            join_metadata(folder, list_pictures(folder))
