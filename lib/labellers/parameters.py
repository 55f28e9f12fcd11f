"""Labellers: the parameters of notebook 03. Light imports only: a wrong value is refused before anything heavy is loaded."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lib.compendium import places
from lib.compendium.errors import CollectionError, ParameterError, did_you_mean
from lib.compendium.parameters import NotebookParameters
from lib.labellers.settings import OpenFaceSettings, checked, program

ASKED = ("openface", "multitask", "realtime_xception", "realtime_sequential")  # the study's four
OPTIONAL = ("cnn_rnn",)


class LabellerParameters(NotebookParameters):
    """Parameters of the labellers, their training, the multi-label target and the measures of agreement.

    Which faces is the detection notebook's matter: notebook 03 labels what notebook 02 found.
    """

    labellers: tuple[str, ...] = Field(
        ASKED, min_length=1, description="who labels. The paper's four: OpenFace (our own Action Unit models take its place where it is "
        "not installed), the multi-task network and two real-time networks; `cnn_rnn`, the multi-task work's recurrent one, is a fifth vote"
    )
    openface_executable: str = Field(
        "", description="OpenFace 2's `FaceLandmarkImg`; empty: looked for on the path. The paper used OpenFace 2"
    )
    openface_output: str = Field("", description="a folder of CSV files that OpenFace 2 has already written, read instead of running it")
    openface: dict = Field({}, description="further settings of OpenFace and of the rules by name, such as {minimum_confidence: 0.8} "
                           "(`lib.labellers.settings.OpenFaceSettings` lists them)")
    rule: Literal["match", "hard", "soft", "threshold"] = Field(
        "match", description="how Action Units become an expression. The paper combined presence and intensity and does not state the rule"
    )
    preprocessing: Literal["aligned", "as_published"] = Field(
        "aligned", description="what the real-time networks see: our aligned crop, or as published the box of OpenCV's Haar "
        "detector, which often fails on sculpture"
    )
    gender: bool = Field(False, description="also ask the real-time work's gender network; it has no truth on sculpture")
    human_labels: str = Field("", description="a CSV of human labels (file, expression) or a VoTT export: one more labeller. An "
                              "address from this folder, or a file beside the pictures by its whole address")
    vote: Literal["argmax", "threshold"] = Field(
        "argmax", description="what counts as a labeller's vote: its best expression (as published), or every score above `vote_threshold`"
    )
    vote_threshold: float = Field(0.3, gt=0, le=1, description="score from which an expression is a vote. Not stated in the paper")
    target: Literal["union", "majority", "plurality", "soft_mean", "agreement_weighted", "threshold"] = Field(
        "union", description="how votes become the target that notebook 04 learns. The paper: the union"
    )
    training_faces: int = Field(
        20_000, ge=28, le=1_000_000, description="the atelier's faces that the Action Unit models and networks learn from. The multi-task "
        "paper: Aff-Wild2 and others, millions of frames that their licences keep from us; `demo` uses fewer"
    )
    training_material: str = Field(
        "skin", description="what those faces are made of: `skin`, as the published labellers learned from living people, `mixed`, or one "
        "of the atelier's materials"
    )
    training_corpus: str = Field(
        "", description="a folder of your own labelled faces (class folders or labels.csv) to learn from instead of the atelier"
    )
    training_seed: int = Field(100_000, ge=0, le=2**31 - 1, description="another seed, other people to learn from")
    multitask_trunk: Literal["resnet50", "small"] = Field(
        "resnet50", description="Deng et al.: ResNet-50; `small` suits two processor cores"
    )
    multitask_side: int = Field(
        112, ge=48, le=448, description="pixels the multi-task network sees. Deng et al.: 112 in their command line"
    )
    students: int = Field(5, ge=1, le=20, description="students of the teacher, united at the end. Deng et al.: 5")
    teacher_epochs: int = Field(8, ge=1, le=1000, description="times the teacher sees each face. Deng et al.: 8")
    student_epochs: int = Field(3, ge=1, le=1000, description="times a student sees each face. Deng et al.: 3")
    multitask_rate: float = Field(1e-4, gt=0, le=1, description="learning rate. Deng et al.: 1e-4, from a trunk that knew faces already")
    multitask_schedule: Literal["steps", "falling"] = Field(
        "steps", description="learning rate: a tenth after every third epoch, as in Deng et al., or along half a cosine"
    )
    complete_labels: bool = Field(
        False, description="learn from all labels of a face; as in Deng et al., a face has the labels of one task only"
    )
    sequence_length: int = Field(32, ge=1, le=512, description="frames of the recurrent network's sequences. Deng et al.: 32")
    sequences: int = Field(700, ge=7, le=100_000, description="sequences it learns from, each rising to full strength. Not from the paper")
    recurrent_epochs: int = Field(3, ge=1, le=1000, description="times the recurrent network sees each sequence. Deng et al.: 3")
    sequential_epochs: int = Field(50, ge=1, le=10_000, description="times the sequential network sees each face; so many, not until 50 "
                                   "epochs bring nothing better, as Arriaga et al. have it")
    sequential_rate: float = Field(1e-3, gt=0, le=1, description="its learning rate, falling along half a cosine. Arriaga et al.: 1e-3, a "
                                   "tenth of it whenever 12 epochs brought nothing")
    sequential_dropout: float = Field(0.5, ge=0, lt=1, description="Arriaga et al.: .5; a few thousand faces are not learned with it")
    exam_faces: int = Field(
        350, ge=0, le=100_000, description="full-strength faces of people never learned from, on which every labeller is examined; 0: none"
    )
    exam_seed: int = Field(70_000, ge=0, le=2**31 - 1, description="their seed, not that of those learned from. Nothing was tuned on the "
                           "people of the default")
    fer2013: str = Field("", description="your copy of FER2013 (the Kaggle CSV or folders), to measure mini_XCEPTION's published accuracy")
    shown: int = Field(12, ge=1, le=100, description="faces drawn with all their votes")
    bootstrap: int = Field(500, ge=50, le=100_000, description="draws of whole objects behind each 95 % interval. Not from the paper")
    smallest_group: int = Field(15, ge=2, description="faces a group needs before its agreement is shown. Not from the paper")
    seed: int = Field(0, ge=0, description="of the networks' first weights, the order of training, and the bootstrap")

    @field_validator("labellers")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = (*ASKED, *OPTIONAL, "action_units")
        for name in names:
            if name not in known:
                raise ValueError(f"unknown labeller {name!r}; expected some of {', '.join(known)}.{did_you_mean(name, known)}")
        if len(set(names)) != len(names):
            raise ValueError(f"a labeller comes twice in {', '.join(names)}")
        return names

    @field_validator("training_material")
    @classmethod
    def _known_material(cls, name: str) -> str:
        if name not in MATERIALS:
            raise ValueError(f"unknown material {name!r}; expected one of {', '.join(MATERIALS)}.{did_you_mean(name, MATERIALS)}")
        return name

    @field_validator("openface")
    @classmethod
    def _known_settings(cls, value: dict) -> dict:
        try:
            checked(value, OpenFaceSettings)
        except ParameterError as error:
            raise ValueError(str(error)) from None
        if elsewhere := [name for name in ("executable", "output_folder", "rule", "work") if name in value]:
            raise ValueError(f"{elsewhere[0]} has a parameter of its own: openface_executable, openface_output, rule")
        return value

    @model_validator(mode="after")
    def _other_people(self):
        if self.exam_faces and self.exam_seed == self.training_seed and not self.training_corpus:
            raise ValueError(f"exam_seed and training_seed are both {self.exam_seed}: nobody is examined on those they learned from")
        return self

    def input_files(self) -> list[Path]:
        """Return the files this notebook reads and the repository does not hold: the user's, OpenFace's program, fetched weights."""
        files = [*sorted((places.DATA / "weights").glob("*mini_XCEPTION*.hdf5")), *filter(None, [program(self.openface_executable)])]
        for given in (self.human_labels, self.openface_output, self.fer2013, self.training_corpus):
            path = Path(given).expanduser()
            if given:
                files += [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        return files

    def check_inputs(self) -> None:
        """Raise CollectionError for a file or folder that is named and not there."""
        for name in ("human_labels", "openface_output", "openface_executable", "fer2013", "training_corpus"):
            given = getattr(self, name)
            if given and not Path(given).expanduser().exists() and not (name == "openface_executable" and program(given)):
                raise CollectionError(f"Received {name}={given!r}, which does not exist; expected an address, from this folder or whole.")


MATERIALS = ("skin", "mixed", "marble", "limestone", "granite", "bronze", "gold", "terracotta", "wood", "clay", "sandstone")
