"""How the images of a dataset are fitted, and what goes with them: the options."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.colors import WHITE
from animetools.images.containers import MAX_PIXELS
from animetools.options import Opt
from animetools.shared_options import Background, MaxPixels
from animetools.tags import names_in

if TYPE_CHECKING:
    from animetools.dataset.labelling import Labelling

FOLDER = "folder"  # for --class-by
ALL = "tags"  # for --labels
LEAST_SIZE, LARGEST_SIZE = 4, 4096  # pixels


@dataclass(frozen=True)
class FitOptions:
    """How each image becomes one of the dataset, which are all squares of one size."""

    size: Annotated[
        int | None,
        Opt(
            "Width and height of every image, which is a square; by default 512, or what a dataset has"
            " that is converted or grows.",
            unit="PIXELS",
            min=LEAST_SIZE,
            max=LARGEST_SIZE,
        ),
    ] = None
    fit: Annotated[
        Literal["pad", "cover", "top", "stretch"],
        Opt("Make it a square: pad with bars, crop both ends, crop the bottom, or stretch."),
    ] = "pad"
    enlarge: Annotated[
        bool, Opt("Pad images that are too small with bars, instead of enlarging them.")
    ] = True
    quality: Annotated[
        int | None, Opt("Write JPEG of this quality instead of PNG.", min=1, max=100)
    ] = None
    background: Background = WHITE
    max_pixels: MaxPixels = MAX_PIXELS


@dataclass(frozen=True)
class LabelOptions(FitOptions):
    """The labels and captions of images, and where they come from."""

    labels: Annotated[
        str | None,
        Opt(
            "Label each image with a vector: 1 for each of these tags that it has, 0 for the others;"
            " tags stands for all tags of the images, the most frequent first.",
            unit="TAG,TAG...|tags",
        ),
    ] = None
    class_by: Annotated[
        str,
        Opt(
            "Label each image with a class: the first of these tags that it has (an image without"
            " them is left out), or the folder that it is in.",
            unit="TAG,TAG...|folder",
        ),
    ] = ""
    min_count: Annotated[
        int,
        Opt(
            "Leave tags of fewer images out of --labels.",
            min=1,
            affects=lambda options: options.labels is not None,
        ),
    ] = 1
    captions: Annotated[
        bool,
        Opt("Make a folder for trainers that read captions: x.txt beside x.png, and files of all."),
    ] = False
    metadata: Annotated[
        str,
        Opt(
            "Captions or tags of images that have neither in their record nor beside them: records,"
            " or JSON as Hugging Face, sd-scripts or musubi-tuner have it. An image is found by the"
            " end of its path.",
            unit="FILE",
            affects=False,
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        if self.labels and self.class_by:
            raise ValueError("--labels and --class-by exclude each other")
        if self.labels is not None and not names_in(self.labels):
            raise ValueError(f"--labels takes names of tags, or the word {ALL} for all")
        if self.min_count > 1 and self.labels != ALL:
            raise ValueError("--min-count is for --labels tags")
        if self.class_by and self.class_by != FOLDER and len(names_in(self.class_by)) < 2:
            raise ValueError(f"--class-by takes two tags or more, or {FOLDER}")
        if self.metadata and not (self.captions or self.labels or self.class_by):
            raise ValueError("--metadata is for --captions, --labels or --class-by")

    @property
    def labelling(self) -> "Labelling | None":
        """How images get labels, if they do."""
        from animetools.dataset.labelling import Labelling

        if self.class_by == FOLDER:
            return Labelling(by_folder=True)
        if self.class_by:
            return Labelling(classes=tuple(names_in(self.class_by)))
        if self.labels and self.labels != ALL:
            return Labelling(tags=tuple(names_in(self.labels)))
        return Labelling(least=self.min_count) if self.labels else None


@dataclass(frozen=True)
class PackOptions(LabelOptions):
    """The options of animepack."""

    format: Annotated[
        Literal["tfrecords", "webdataset"] | None,
        Opt(
            "Make a folder of StyleGAN's TFRecords, or of WebDataset's tars, instead of a folder of"
            " images."
        ),
    ] = None
    shard_size: Annotated[
        int | None,
        Opt(
            "Begin another tar of WebDataset at this size (1G).", unit="BYTES", min=1, affects=False
        ),
    ] = None
    shard_images: Annotated[
        int | None,
        Opt("Begin another tar of WebDataset after so many images.", min=1, affects=False),
    ] = None
    append: Annotated[
        bool,
        Opt("Add the images to a finished dataset, except those that it has.", affects=False),
    ] = False

    sidecars: Annotated[
        bool,
        Opt(
            "Pack the captions and other sidecars of each image beside it: x.txt and x.jpg.json of"
            " x.jpg become img00000000.txt and img00000000.png.json."
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense together."""
        super().__post_init__()
        if self.captions and self.sidecars:
            raise ValueError("--captions and --sidecars exclude each other: both would write x.txt")
        if self.format and self.sidecars:
            raise ValueError("--sidecars is for zips and folders of images, without --format")
        if self.format == "tfrecords" and (self.captions or self.quality):
            raise ValueError("--format tfrecords has neither --captions nor --quality")
        if self.format != "webdataset" and (self.shard_size or self.shard_images):
            raise ValueError("--shard-size and --shard-images are for --format webdataset")
