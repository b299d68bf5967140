"""What was found for a picture."""

from dataclasses import dataclass
from typing import Any

from animetools.images.files import encode_png
from animetools.images.sheet import sheet
from animetools.inversion.pictures import Pixels, psnr
from animetools.sampling import latent_files
from animetools.sampling.latents import Floats
from animetools.sampling.render import picture_of


@dataclass(frozen=True)
class Projection:
    """What was found for a picture: latents, and the picture that they give.

    `values` are z [1, z_dim], w [1, w_dim] or all rows of w [1, rows, w_dim]; `noise` are maps
    [H, W], one a layer, if they were looked for. The `target` and what was `drawn` are uint8
    [C, H, W]. `features` is the distance by features, if they were compared.
    """

    name: str
    values: Floats
    noise: tuple[Floats, ...]
    target: Pixels
    drawn: Pixels
    features: float | None

    @property
    def error(self) -> dict[str, float]:
        """How near it came, as the fields of a record."""
        found = {"psnr": round(psnr(self.target, self.drawn), 3)}
        return found if self.features is None else found | {"features": round(self.features, 6)}

    def latent_file(self, facts: dict[str, Any]) -> bytes:
        """An .npz of the latents, noise0, noise1 ... and facts, a text of JSON."""
        return latent_files.encode(self.name, self.values, self.noise, facts)

    def sheet(self) -> bytes:
        """A PNG of the target, left, and what was drawn, right."""
        both = [one.transpose(1, 2, 0) for one in (self.target, self.drawn)]
        return encode_png(picture_of(sheet(both, 2, 2)))
