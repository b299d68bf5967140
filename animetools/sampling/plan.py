"""What a run draws, how much of it, and what its files are called: checked before it starts."""

import os
from dataclasses import dataclass

from animetools.errors import FatalError
from animetools.sampling.naming import FORMATS, Format, Name, check_distinct, parse_name, shown
from animetools.sampling.seeds import parse_grid, parse_psis


@dataclass(frozen=True)
class Plan:
    """At which psi each latent is drawn (none: at its usual one), and the files that come of it.

    Without `name` files have the names of their latents. A `sheet` is so many pictures; 0 is none.
    """

    psis: tuple[float, ...]
    name: Name | None
    suffix: str
    image_format: Format
    columns: int
    sheet: int
    count: int | None  # files, where it can be known

    @classmethod
    def of(
        cls, psi: str, grid: str, name: str, image_format: Format | None, seeds: int | None
    ) -> "Plan":
        """The plan of options as they were typed; `seeds` is how many, None where latents come in.

        Raises ValueError, in one sentence, for what means nothing, and for names that two files
        would share.
        """
        psis = parse_psis(psi) if psi else ()
        pattern, suffix = parse_name(name, image_format) if name else (None, "")
        kind = FORMATS[suffix.lower()] if suffix else image_format or "png"
        columns, rows = parse_grid(grid) if grid else (0, 0)
        sheet = columns * rows
        count = seeds
        if count is not None:
            count = max(1, len(psis)) * (-(-count // sheet) if sheet else count)
        if pattern and count != 1:
            check_distinct(pattern, psis, several=seeds != 1, seeds=seeds is not None)
        return cls(psis, pattern, suffix or f".{kind}", kind, columns, sheet, count)

    @property
    def pictures(self) -> int | None:
        """How many there will be at the most, where it can be known."""
        return self.count and self.count * max(1, self.sheet)

    @property
    def names_have_psi(self) -> bool:
        """Whether the name of a picture's file tells its psi."""
        if self.name and not self.sheet:
            return self.name.has("psi")
        return len(self.psis) > 1

    def stem(self, latent: str, facts: dict[str, object]) -> str:
        """The path of a picture's file without suffix, from the path of its latent, and its facts."""
        if self.name and not self.sheet:
            return self._named(facts)
        psi = facts["psi"]
        assert isinstance(psi, float)
        return latent + f"-psi{shown(psi)}" * (len(self.psis) > 1)

    def sheet_stem(self, first: str, last: str, facts: dict[str, object]) -> str:
        """That of a sheet, from those of its first and last pictures, and the facts of the first."""
        return self._named(facts) if self.name else f"{first}-{os.path.basename(last)}"

    def check_image(self, width: int, height: int, channels: int) -> None:
        """Raise a FatalError if a file of this format cannot hold such pictures, or a sheet of them."""
        from animetools.images.containers import LARGEST_SIDE, MAX_PIXELS

        if channels not in (1, 3, 4):
            raise FatalError(f"the network draws {channels} channels: no image file has that")
        if channels == 4 and self.image_format == "jpg":
            raise FatalError("the network draws opacity, which JPEG has not: --format png or webp")
        what = "the network"
        if self.sheet:
            columns, rows = self.columns, self.sheet // self.columns
            what = f"--grid {columns}x{rows}"
            width, height = width * columns, height * rows
        side = min(MAX_PIXELS, LARGEST_SIDE[self.image_format])
        if width * height > MAX_PIXELS or max(width, height) > side:
            raise FatalError(
                f"{what} makes {width}x{height} pixels; one {self.image_format} file has at most"
                f" {side:,} a side and {MAX_PIXELS:,} in all"
            )

    def _named(self, facts: dict[str, object]) -> str:
        assert self.name
        return "/" + self.name.fill(facts)  # as a path from the root it is the same from everywhere
