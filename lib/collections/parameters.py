"""Collections: the parameters of notebook 01. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path

from pydantic import Field

from lib.collections.folder import list_folder, list_pictures
from lib.compendium.parameters import NotebookParameters

EMBEDDED = ("samples",)  # collections the library makes itself; all others are folders


def is_embedded(collection: str) -> bool:
    """Return whether a collection is one the library makes itself; a folder of the same name comes before it."""
    return collection in EMBEDDED and not Path(collection).expanduser().is_dir()


class CollectionParameters(NotebookParameters):
    """What every notebook that looks at pictures has in common: which collection."""

    collection: str = Field(
        "samples",
        min_length=1,
        description="a folder of photographs, or the name of an embedded collection. The paper: fifteen museum and web collections "
        "(Table I), which its authors could not pass on. `samples`: photographs that installed packages ship",
    )


class CensusParameters(CollectionParameters):
    """Parameters of the census."""

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
