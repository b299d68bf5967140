"""Which variants of a picture augmentation makes: their names, and a random choice of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

# By the names of "Making Anime Faces With StyleGAN".
AUGMENTATIONS = (
    *("deskew", "horizstretch", "vertstretch", "midnight"),
    *("red", "orange", "yellow", "green", "blue", "purple"),
    *("blur", "sharpen"),
    *("brighter", "brightercontraster", "darker", "darkerlesscontrast"),
    *("contraster", "lesscontrast"),
)
MIRROR = "mirror"


@dataclass(frozen=True)
class Variant:
    """One variant of a picture: one of AUGMENTATIONS, mirrored, or both."""

    augmentation: str = ""
    mirrored: bool = False

    @property
    def facts(self) -> dict[str, str | bool]:
        """What its record says of it."""
        named = {"augmentation": self.augmentation} if self.augmentation else {}
        return named | ({"mirrored": True} if self.mirrored else {})

    @property
    def name(self) -> str:
        """What its file is called: red, mirror or red.mirror."""
        return ".".join(filter(None, [self.augmentation, MIRROR * self.mirrored]))


@dataclass(frozen=True)
class Names:
    """Some of AUGMENTATIONS, in that order."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Names":
        """Names separated by commas.

        Raises ValueError, in one sentence, for an unknown one.
        """
        given = [name.strip().lower() for name in text.split(",")]
        for name in given:
            if name not in AUGMENTATIONS:
                raise ValueError(f"'{name}' is not one of {', '.join(AUGMENTATIONS)}")
        return cls(tuple(name for name in AUGMENTATIONS if name in given))

    def __str__(self) -> str:
        return ",".join(self.names)


def variants_of(names: Iterable[str], *, mirror: bool) -> list[Variant]:
    """A variant for each name; with `mirror` also the mirrored picture, and a mirrored one of each."""
    plain = [Variant(name) for name in names]
    if not mirror:
        return plain
    return plain + [Variant(variant.augmentation, True) for variant in (Variant(), *plain)]


def chosen(variants: list[Variant], count: int, seed: int, data: bytes) -> list[Variant]:
    """So many of the variants, in their order, by a draw that depends on a seed and a picture's file.

    A larger count adds to the variants of a smaller one.
    """
    lots = blake2b(data, key=str(seed).encode())

    def lot(variant: Variant) -> bytes:
        drawn = lots.copy()
        drawn.update(variant.name.encode())
        return drawn.digest()

    drawn = sorted(variants, key=lot)[:count]
    return [variant for variant in variants if variant in drawn]
