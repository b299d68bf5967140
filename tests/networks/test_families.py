"""A new family is a config, a module and a row: files, facts and pictures follow from these."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from animetools.errors import ItemError
from animetools.netfiles import checkpoints
from animetools.netfiles.describe import describe
from animetools.netfiles.networkfile import NetworkFile, SavedNetwork
from animetools.networks import families, fast, generator
from animetools.networks.config import GeneratorConfig, MappingConfig, Side, Size, Truncation
from animetools.networks.families import KINDS, Kind, kind_of
from animetools.networks.layers import Mapping, Scheme


@dataclass(frozen=True)
class FlatConfig(GeneratorConfig):
    """A generator of squares of one color, which has neither blocks nor filters."""

    mapping: MappingConfig
    channels: tuple[Size, ...]
    side: Side = 4
    image_channels: Size = 3
    truncation: Truncation = Truncation()  # noqa: RUF009  it is frozen

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self.side, self.side


class FlatSynthesis(nn.Module):
    """The first numbers of w as a color."""

    noise_consts = ()

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, ws: Tensor, noise: generator.Noise = "const") -> Tensor:
        """ws [n, 1, w_dim] to images [n, 3, side, side]."""
        color = ws[:, 0, :3] * self.scale
        return color[:, :, None, None].expand(-1, -1, self.side, self.side)


class FlatGenerator(generator.Generator):
    """From z to images."""

    def __init__(self, config: FlatConfig) -> None:
        mapping = Mapping(config.mapping, 1, Scheme("lrelu"))
        super().__init__(config, mapping, FlatSynthesis(config.side), truncated=1)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> SavedNetwork:
    """One of a family that the table got a row for."""
    row = Kind("FlatGenerator", "Flat GAN", FlatConfig, FlatGenerator)
    monkeypatch.setattr(families, "KINDS", (*KINDS, row))
    config = FlatConfig(MappingConfig(4, 0, 4, 1, 4), (3,), side=6)
    return SavedNetwork(config, FlatGenerator(config).state_dict())


@pytest.mark.parametrize("suffix", [".pkl", ".safetensors"])
def test_a_new_family_is_written_read_and_described(
    tmp_path: Path, network: SavedNetwork, suffix: str
) -> None:
    path = str(tmp_path / f"a{suffix}")
    checkpoints.write(path, NetworkFile("animetools", {"G_ema": network}, {}))
    found = checkpoints.read(path)
    assert found.generator.config == network.config
    facts = describe(found)
    assert (facts["generator"], facts["height"], facts["z_dim"]) == ("Flat GAN", 6, 4)


def test_a_new_family_draws(network: SavedNetwork) -> None:
    built = network.build()
    assert isinstance(built, generator.Generator)
    ws = torch.randn(3, built.num_ws, 4)
    images = fast.synthesis(built, torch.device("cpu"), torch.float32)(ws, "const")
    assert images.shape == (3, 3, built.height, built.width)
    assert built.noise_shapes == []
    torch.testing.assert_close(images, built.synthesis(ws))


def test_a_layout_of_others_says_that_it_cannot_hold_a_new_family(
    tmp_path: Path, network: SavedNetwork
) -> None:
    with pytest.raises(ItemError, match=r"a \.pt cannot hold a Flat GAN"):
        checkpoints.write(str(tmp_path / "a.pt"), NetworkFile("animetools", {"G_ema": network}, {}))


def test_a_config_out_of_range_is_refused(network: SavedNetwork) -> None:
    for wrong in (FlatConfig(MappingConfig(0), (3,)), FlatConfig(MappingConfig(), (3,), side=0)):
        with pytest.raises(ItemError, match=r"an invalid (z_dim|side)"):
            SavedNetwork(wrong, {})


def test_names_of_kinds_in_files_stay() -> None:
    assert [kind.name for kind in KINDS] == [
        "StyleGAN1Generator",
        "StyleGAN1Discriminator",
        "StyleGAN2Generator",
        "StyleGAN2Discriminator",
        "StyleGAN3Generator",
        "LucidrainsGenerator",
        "LucidrainsDiscriminator",
    ]
    assert all(kind_of(kind.config.__new__(kind.config)) is kind for kind in KINDS)
