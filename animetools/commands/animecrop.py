"""animecrop: cut anime faces out of images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from animetools.cli import (
    Background,
    Item,
    MaxPixels,
    Opt,
    Output,
    Quality,
    Rejected,
    Result,
    Sha256,
    Stream,
    command,
)
from animetools.colors import WHITE
from animetools.errors import ItemError
from animetools.images.containers import MAX_PIXELS
from animetools.tags import Subject, of_subject, tags_of

if TYPE_CHECKING:
    from animetools.images.crop import Crop, Fill
    from animetools.images.faces import Detector
    from animetools.images.files import Pixels
    from animetools.images.yolo import YoloDetector


@dataclass(frozen=True)
class CropOptions:
    """The options of animecrop."""

    detector: Annotated[
        Literal["auto", "points", "lbp", "nvxs", "onnx"],
        Opt(
            "Face detector; auto compares what points and lbp find, and asks nvxs where they leave a"
            " doubt; onnx is a model of your own, see --weights."
        ),
    ] = "auto"
    weights: Annotated[
        str,
        Opt(
            "Detector for --detector onnx: an ONNX file with the outputs of YOLOv8, or its URL.",
            unit="FILE",
            affects=False,
        ),
    ] = ""
    sha256: Sha256 = ""
    figure: Annotated[
        bool, Opt("Cut whole characters instead of faces, with a model that finds them.")
    ] = False
    hand: Annotated[bool, Opt("Cut hands instead of faces, with a model that finds them.")] = False
    cascade: Annotated[
        str,
        Opt(
            "Cascade file of lbp, in OpenCV's new or old format; downloaded once by default.",
            unit="FILE",
            affects=False,
        ),
    ] = ""
    equalize: Annotated[
        bool, Opt("Equalize the histogram before lbp searches, as in the article.")
    ] = False
    min_size: Annotated[int, Opt("Smallest width and height of a face.", unit="PIXELS", min=0)] = (
        128
    )
    margin: Annotated[
        float,
        Opt(
            "Margin on each side of a face, in face widths; --portrait ignores it.",
            "m",
            "RATIO",
            min=0,
            max=10,
            affects=lambda options: not options.portrait,
        ),
    ] = 0.25
    portrait: Annotated[bool, Opt("Include hair, ears, hats and neckline instead of a margin.")] = (
        False
    )
    free: Annotated[bool, Opt("Keep the proportions of the face instead of cutting a square.")] = (
        False
    )
    border: Annotated[
        Literal["shift", "pad", "reflect", "blur", "clip"],
        Opt(
            "What to do with a crop that reaches beyond the image. shift moves it inside, and"
            " shrinks it if it does not fit; pad fills with the background, reflect with the"
            " mirrored image, blur with the mirrored image blurred; clip cuts it off. If shift"
            " would cut the face, it fills as blur does."
        ),
    ] = "shift"
    align: Annotated[
        bool,
        Opt(
            "Rotate and scale crops so that the eyes, if found, are level and always in the same"
            " place, as far as --border allows."
        ),
    ] = False
    largest: Annotated[bool, Opt("Cut only the largest face of an image.")] = False
    max_faces: Annotated[
        int, Opt("Most faces of an image, the most certain first; 0: all.", min=0)
    ] = 0
    one_face: Annotated[bool, Opt("Skip crops that show a second face.")] = False
    format: Annotated[Literal["png", "jpg"], Opt("Format of the image files.")] = "png"
    quality: Quality = 95
    sidecars: Annotated[
        bool,
        Opt(
            "Copy captions and other sidecars of an image next to each of its crops: x.txt and"
            " x.jpg.json of x.jpg become x.jpg.0.txt and x.jpg.0.png.json."
        ),
    ] = False
    background: Background = WHITE
    max_pixels: MaxPixels = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        if (self.detector == "onnx") != bool(self.weights):
            raise ValueError("--detector onnx and --weights FILE need each other")
        if self.sha256 and not self.weights:
            raise ValueError("--sha256 belongs to --weights")
        if self.figure and self.hand:
            raise ValueError("--figure and --hand exclude each other")
        if self.subject != "face" and not self.weights:
            raise ValueError(f"--{self.subject} needs --detector onnx --weights FILE")
        if self.subject != "face" and (self.portrait or self.align):
            raise ValueError(f"--portrait and --align are for faces, not for --{self.subject}")

    @property
    def subject(self) -> Subject:
        """What is cut out."""
        return "figure" if self.figure else "hand" if self.hand else "face"


@command(
    out="faces",
    cluster=True,
    examples=[
        "find raw/ | animecrop",
        "find raw/ -name '*.png' | animecrop --portrait --one-face -o portraits",
        "animecrop -n --json --min-size 64 raw/",
        "animecrop --detector onnx --weights person.onnx --figure --margin 0.05 -o figures raw/",
    ],
)
def animecrop(options: CropOptions, stream: Stream) -> int:
    """Cut anime faces out of images.

    Reads image paths and prints the path of each crop, in input order; the faces of an image are
    numbered from 0, the most certain first. Crops are never enlarged. An image without a face
    gives no crop. With --json, a crop has its source, the face's box [x, y, width, height] in it,
    score (the probability that this is a face, 0 to 1, comparable between detectors), detector
    and, if known, landmarks; of its source's tags it keeps those that speak of a face. With -n,
    faces are detected but nothing is written.

    --detector onnx runs a model in the layout of YOLOv8 (one output [1, 4 + classes, anchors]) with
    onnxruntime, from animetools[detect]. Of its classes, by the names in the file, it cuts those
    that are faces or heads, with --figure persons, and with --hand hands. A figure keeps all tags,
    a hand those of artist, copyright and character.

    Images are PNG, JPEG, GIF, WebP, BMP, TIFF and AVIF files, recognized by their content; with
    animetools[formats] also HEIC and JPEG XL.
    """
    from animetools.images.faces import choose_detector
    from animetools.images.yolo import choose_yolo
    from animetools.netfiles.fetch import locate

    if options.detector == "onnx":
        weights = locate(options.weights, options.sha256, "name an ONNX file with --weights")
        detector: Detector | YoloDetector = choose_yolo(weights, options.subject)
    else:
        detector = choose_detector(
            options.detector,
            cascade=options.cascade,
            equalize=options.equalize,
            smallest=0 if options.one_face else options.min_size,  # a second face may be small
            landmarks=options.align,
        )
    stream = replace(stream, found=detector.found).keyed(detector=detector.searched)
    return stream.fold(partial(crop, options, detector), partial(of_subjects, options.subject))


def crop(
    options: CropOptions, detector: "Detector | YoloDetector", item: Item, output: Output
) -> Iterator[Item | Rejected]:
    """Every face of one image, each as a file."""
    from animetools.images.crop import crops, margin, portrait
    from animetools.images.files import read_rgb
    from animetools.images.hashes import source_hash
    from animetools.images.quality import shrunk
    from animetools.images.sidecars import sidecars_of

    tags_of(item.facts)  # malformed ones are an error before anything is written
    rgb = read_rgb(item.path, max_pixels=options.max_pixels, background=options.background)
    found = detector(rgb)
    subject = options.subject
    if not found:
        yield item.rejected(f"no {subject}")
        return
    faces = [face for face in found if min(face.box[2:]) >= options.min_size]
    if not faces:
        sides = f"{max(min(face.box[2:]) for face in found)} px, --min-size {options.min_size}"
        yield item.rejected(f"{subject} too small (--min-size)", sides)
        return
    if options.largest:
        faces = [max(faces, key=lambda face: face.box[2] * face.box[3])]
    height, width = rgb.shape[:2]
    source = {"source_size": [width, height], "source_hash": source_hash(shrunk(rgb)).hex()}
    sidecars = list(sidecars_of(item.path)) if options.sidecars else []
    square = not options.free
    frame = portrait(square=square) if options.portrait else margin(options.margin, square=square)
    without = found if options.one_face else ()
    parts = crops(rgb, faces, frame, options.border, align=options.align, without=without)
    made = 0
    for face, part in islice(parts, options.max_faces or None):
        name = f".{made}.{options.format}"
        path = output.write(name, partial(_encoded, options, rgb, part))
        for sidecar in sidecars:
            output.write(sidecar.beside(name), sidecar.read)
        made += 1
        marks = {"landmarks": face.landmarks} if face.landmarks else {}
        turn = {"degrees": part.degrees} if part.degrees else {}
        score = round(face.score, 4)
        facts = source | {"crop": part.box} | turn | marks
        yield item.made(path, box=face.box, score=score, detector=face.detector, **facts)
    if not made:
        yield item.rejected(f"second {subject} in the crop")


def of_subjects(subject: Subject, results: Iterable[Result]) -> Iterator[Result]:
    """The crops, also those of an earlier run, with the tags of their source that fit the subject."""
    for result in results:
        if isinstance(result, Item) and "tags" in result.facts:
            try:
                result = result.noted(tags=of_subject(tags_of(result.facts), subject))
            except ItemError as why:
                result = replace(result, trouble=str(why))
        yield result


def _encoded(options: CropOptions, rgb: "Pixels", part: "Crop") -> bytes:
    from animetools.images.described import encode_described

    fills: dict[str, Fill] = {"pad": options.background, "reflect": "reflect"}
    pixels = part.pixels(rgb, fills.get(options.border, "blur"))
    return encode_described(pixels, options.format, options.quality)
