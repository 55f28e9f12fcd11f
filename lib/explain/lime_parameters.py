"""Explanations: the parameters of notebook 08. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lib.compendium.errors import CollectionError, did_you_mean
from lib.compendium.parameters import NotebookParameters
from lib.compendium.places import DATA

NETWORKS = ("silnet", "weinet", "alexnet", "songnet", "inceptionv3", "vgg19", "vgg16", "resnet50", "resnet101v2", "xception", "mobilenetv3",
            "efficientnetv2")  # fmt: skip
FROM_NOTHING = ("silnet", "weinet", "alexnet", "songnet")  # there are no ImageNet weights for these (Table 1)
CORPORA = ("ck_plus", "bu_4dfe", "jaffe", "wsefep", "fega")
SMALLEST = 32  # pixels of a side; InceptionV3 and Xception get the 75 and 71 they need
MAPS_FOLDER = DATA / "ekman_maps"  # where fetched maps lie; their content is an input, whenever they came


class LimeEkmanParameters(NotebookParameters):
    """Parameters of the LIME study: networks and what they learn from, explanations, the standard face, and the authors' own maps.

    The defaults are the study's. With smaller ones everything runs on a laptop.
    """

    networks: tuple[str, ...] = Field(NETWORKS, description="which of the paper's twelve (Table 1)")
    folds: int = Field(5, ge=2, le=20, description="parts of the people, each tested once by networks that never saw them. The paper: 5")
    ck_plus: str = Field("", description="folder of CK+. Without any of the five corpora the atelier's people stand in for them")
    bu_4dfe: str = Field("", description="folder of stills from BU-4DFE")
    jaffe: str = Field("", description="folder of JAFFE, as it comes")
    wsefep: str = Field("", description="folder of WSEFEP, as it comes")
    fega: str = Field("", description="folder of FEGA, as it comes")
    frames: int = Field(3, ge=1, le=1000, description="pictures of each sequence of CK+ and BU-4DFE. Not stated in the paper; with one "
                        "there are some 50 to test of an expression in a fold, and the paper explains 100")  # fmt: skip
    people: int = Field(200, ge=8, le=100_000, description="people of the atelier, where no corpus is given; six pictures each")
    people_seed: int = Field(400_000, ge=0, le=2**31 - 1, description="another seed, other people of the atelier")
    side: int = Field(0, ge=0, le=1024, description="pixels of a picture's side; 0: each network's own, as published (Table 1)")
    width: float = Field(1.0, gt=0, le=1, description="share of each layer's published filters, for small computers. The paper: 1")
    epochs: int = Field(0, ge=0, le=100_000, description="0: as published, 2 to 25 by network (section 3.4)")
    rate: float = Field(0.0, ge=0, le=1, description="learning rate; 0: as published, 1e-4 or 1e-6 by network")
    batch: int = Field(128, ge=1, le=65_536, description="pictures a step. The authors' program: 128")
    schedule: Literal["constant", "falling"] = Field("constant", description="of the learning rate. The paper: constant")
    momentum: float = Field(0.0, ge=0, lt=1, description="of the normalisations' statistics; 0: the family's own, made for long trainings")
    copies: int = Field(7, ge=0, le=100, description="varied copies of each training picture. Their number is not stated in the paper")
    input_mode: Literal["as_coded", "corrected"] = Field(
        "as_coded", description="what networks are fed: 0 to 1 for all, as the authors' program has it, or what each family was made for"
    )
    weights: Literal["published", "none", "imagenet"] = Field(
        "published", description="where training starts; `published`: from ImageNet where Table 1 says so, which needs a network connection"
    )
    per_expression: int = Field(100, ge=1, le=100_000, description="pictures explained of each network, fold and predicted expression")
    samples: int = Field(1000, ge=10, le=1_000_000, description="perturbed pictures behind each explanation. The paper: 1000")
    stream: Literal["coin", "antithetic", "sobol", "factorial"] = Field(
        "coin", description="how they are drawn: `coin` as published; of the others `factorial` needs the fewest for the same error, best "
        "a power of two"
    )
    segments: int = Field(30, ge=2, le=1000, description="superpixels asked of SLIC. The paper: 30")
    compactness: float = Field(20.0, gt=0, le=10_000, description="of SLIC. Not stated in the paper; from its program")
    occlusion: Literal["black", "mean"] = Field(
        "black", description="what hides a segment: black, as published, or its own mean colour; open mouths, too, are black"
    )
    settled: float = Field(0.0, ge=0, lt=1, description="stop once the ranking of segments is this certain (Kendall's tau); 0: never")
    again: int = Field(24, ge=0, le=100_000, description="pictures of each network explained twice, from other samples. Not in the paper")
    triangulation: Literal["as_published", "as_coded"] = Field(
        "as_published", description="triangles of the standard face, as the paper says, or of each picture, as its program does"
    )
    correlation: Literal["as_coded", "as_published"] = Field(
        "as_coded", description="between two maps: Pearson's, as the program does and the paper's numbers show, or the cosine of Eq. 4"
    )
    controls: bool = Field(True, description="one more network, taught shuffled labels: what maps look like where nothing is known")
    twins: int = Field(1, ge=0, le=12, description="how many of the networks are trained once more from another seed, on the first fold")
    maps: str = Field(
        "fetch", min_length=1, description="the authors' published heat maps: `fetch` (1 MB, once; without a network the run goes on "
        "without them), `none`, or a folder that holds them"
    )
    heads: int = Field(12, ge=1, le=10_000, description="heads of each expression behind what is known to have moved. Atelier only")
    draws: int = Field(200, ge=20, le=100_000, description="random maps behind each chance level. Not in the paper")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of folds, trainings, choices and samples")

    @field_validator("networks")
    @classmethod
    def _known_networks(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in NETWORKS:
                raise ValueError(f"unknown network {name!r}; expected some of {', '.join(NETWORKS)}.{did_you_mean(name, NETWORKS)}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"received the networks {', '.join(names) or 'none'}; expected one or more, each once")
        return names

    @field_validator("side")
    @classmethod
    def _side_of_a_network(cls, side: int) -> int:
        if 0 < side < SMALLEST:
            raise ValueError(f"received a side of {side} pixels; expected at least {SMALLEST}, or 0 for each network's own")
        return side

    @model_validator(mode="after")
    def _fits_together(self):
        if self.weights == "imagenet" and (lacking := [name for name in self.networks if name in FROM_NOTHING]):
            raise ValueError(f"there are no ImageNet weights for {', '.join(lacking)}; expected weights `published`, which takes them "
                             "where Table 1 says so, or other networks")  # fmt: skip
        if self.weights != "none" and self.width != 1 and set(self.networks) - set(FROM_NOTHING):
            raise ValueError(f"received width {self.width:g} with weights `{self.weights}`; ImageNet's exist for width 1 only: give "
                             "weights `none` with it")  # fmt: skip
        if self.samples < self.segments + 2:
            raise ValueError(f"received {self.samples} samples for {self.segments} segments; expected at least 2 more than segments")
        return self

    def folders(self) -> dict[str, str]:
        """Return the folders of the corpora that were given, by name."""
        return {name: getattr(self, name) for name in CORPORA if getattr(self, name)}

    def input_files(self) -> list[Path]:
        """Return the user's files this notebook reads: the published maps in a folder. Corpora are known by their own digest."""
        root = MAPS_FOLDER if self.maps == "fetch" else Path(self.maps).expanduser()
        return sorted(root.rglob("*.png")) if self.maps != "none" and root.is_dir() else []

    def check_inputs(self) -> None:
        """Raise CollectionError for a folder that is not there."""
        folders = self.folders() | ({} if self.maps in ("fetch", "none") else {"maps": self.maps})
        for name, folder in folders.items():
            if not Path(folder).expanduser().is_dir():
                raise CollectionError(f"Received {name}={folder!r}, which is no folder; expected one that exists.")
