"""Why an image file cannot be read."""

from animetools.errors import ItemError


class ImageError(ItemError):
    """The file claims to be an image, but cannot be read as one."""


class EmptyFile(ImageError):  # noqa: N818  an ImageError by its base
    """The file is named as an image and has no bytes."""


class TooManyPixels(ImageError):  # noqa: N818  an ImageError by its base
    """The image has more pixels than the limit."""


class Unsupported(ImageError):  # noqa: N818  an ImageError by its base
    """The file may be intact, but its format, or a feature of it, is not supported."""

    def __init__(self, kind: str, advice: str = "") -> None:
        super().__init__(kind, advice)  # pickle calls __init__ with these
        self.kind = f"unsupported: {kind}"
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.kind} ({self.advice})" if self.advice else self.kind
