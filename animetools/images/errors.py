"""Why an image file is not read."""

from animetools.errors import ItemError


class ImageError(ItemError):
    """The file claims to be an image, and what is in it cannot be read as one."""


class TooManyPixels(ImageError):  # noqa: N818  an ImageError by its base
    """The image would take more memory than it may."""


class Unsupported(ImageError):  # noqa: N818  an ImageError by its base
    """The file may be whole, but it is of a kind that is not read here, or not known to be right."""

    def __init__(self, kind: str, advice: str = "") -> None:
        super().__init__(kind, advice)  # what it is pickled by
        self.kind = f"unsupported: {kind}"
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.kind} ({self.advice})" if self.advice else self.kind
