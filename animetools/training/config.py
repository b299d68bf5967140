"""The settings of a training run and their presets. No torch."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from animetools.options import Opt
from animetools.training.schedules import counts, lengths, rates, shares, value_at

Preset = Literal["s2", "ada", "paper256", "s2ext", "s3t", "s3r", "s1", "tiny", "auto"]
Aug = Literal["ada", "diffaug", "fixed", "none"]
Augpipe = Literal[
    "blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"
]
Dtype = Literal["fp32", "bf16", "fp16"]
TagEmbedding = Literal["none", "bag", "doc2vec"]


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a run; those with an Opt are options of sgtrain.

    Batch, learning rates and some others are schedules (schedules.py).
    """

    preset: Annotated[
        Preset, Opt("Defaults of the settings below; ada, or those of the run that is resumed.")
    ] = "s2"
    kimg: Annotated[float, Opt("Total length, in thousands of images.", min=0.001)] = 25000.0
    batch: Annotated[
        str,
        Opt(
            "Images per step, or a schedule: 64,64px:32 halves it where training reaches 64 pixels.",
            "b",
            "IMAGES",
            parse=counts,
        ),
    ] = "32"
    accumulate: Annotated[
        int, Opt("Parts that a batch is split into, to need less memory.", min=1)
    ] = 1
    g_lr: Annotated[
        str,
        Opt(
            "Learning rate of the generator, or a schedule: 0.002,1000:0.001 lowers it at 1000 kimg,"
            " 0.001,128px:0.002 raises it at 128 pixels.",
            unit="RATES",
            parse=rates,
        ),
    ] = "0.002"
    d_lr: Annotated[
        str, Opt("Learning rate of the discriminator, or a schedule.", unit="RATES", parse=rates)
    ] = "0.002"
    d_repeats: Annotated[
        int,
        Opt(
            "Steps of the discriminator per step of the generator, each with its own images.",
            min=1,
            max=100,
        ),
    ] = 1
    gamma: Annotated[float, Opt("R1 weight.", min=0)] = 10.0
    pl_weight: Annotated[float, Opt("Path length regularization weight.", min=0)] = 2.0
    mixing: Annotated[float, Opt("Probability of style mixing.", min=0, max=1)] = 0.9
    top_k: Annotated[
        str,
        Opt(
            "Share of each minibatch group, the best fakes, that the generator learns from, one at"
            " least; or a schedule: 1,1000:0.5 begins at 1000 kimg.",
            unit="SHARES",
            parse=shares,
        ),
    ] = "1.0"
    ema_kimg: Annotated[float, Opt("Half-life of the generator's moving average.", min=0)] = 10.0
    aug: Annotated[Aug, Opt("Augmentation of the images that the discriminator sees.")] = "none"
    augpipe: Annotated[Augpipe, Opt("Transformations of --aug ada and fixed.")] = "bgc"
    target: Annotated[float, Opt("ADA target.", min=-1, max=1)] = 0.6
    p: Annotated[
        float, Opt("Augmentation probability: of --aug fixed, or where ada begins.", min=0)
    ] = 0.0
    freeze_d: Annotated[
        int, Opt("Layers of the discriminator to freeze, from the image side.", min=0)
    ] = 0
    mirror: Annotated[bool, Opt("Learn from mirrored images too.")] = False
    cond: Annotated[
        bool,
        Opt("Train a conditional network on the labels of the dataset, which are classes or tags."),
    ] = False
    label_dropout: Annotated[
        float,
        Opt(
            "Probability with --cond that an image's label loses some of its tags, or all, or its"
            " class: the network sees lists as incomplete as people write them.",
            min=0,
            max=1,
        ),
    ] = 0.0
    label_noise: Annotated[
        float,
        Opt(
            "Standard deviation of noise that is added with --cond to the generator's embedding of a"
            " label in training, in units of its root mean square.",
            min=0,
        ),
    ] = 0.0
    tag_embedding: Annotated[
        TagEmbedding,
        Opt(
            "How --cond embeds tags: none, by one matrix; bag, by learning --tag-width numbers for each"
            " tag first, which is small for many thousands of them; doc2vec, by numbers that gensim"
            " learns from the lists of tags beforehand."
        ),
    ] = "none"
    tag_width: Annotated[
        int, Opt("Numbers that --tag-embedding bag or doc2vec reduces tags to.", min=1, max=4096)
    ] = 128
    mismatch: Annotated[
        float,
        Opt(
            "Weight with --cond of what the discriminator learns from images with labels of others,"
            " in part or whole, which it should refuse: with 1 or 2 a network obeys its tags sooner.",
            min=0,
        ),
    ] = 0.0
    classify: Annotated[
        float,
        Opt(
            "Weight with --cond of a classifier on the discriminator's features: it learns to name the"
            " tags of images, and the generator to show them. 0.2 teaches small things, such as eyes.",
            min=0,
        ),
    ] = 0.0
    channel_base: Annotated[int, Opt("Channels of a block times its resolution.", min=16)] = 32768
    channel_max: Annotated[int, Opt("Maximum channels of a block.", min=1)] = 512
    map_layers: Annotated[int, Opt("Layers of the mapping network.", min=1, max=64)] = 8
    d_map_layers: Annotated[
        int,
        Opt(
            "Layers of the discriminator's mapping of labels; without any (0) it judges by each tag"
            " on its own, and not by which stand together.",
            min=0,
            max=64,
        ),
    ] = 8
    dtype: Annotated[
        Dtype,
        Opt("Precision of the four highest resolutions; fp16 by default on a GPU, fp32 for s1."),
    ] = "fp32"
    seed: Annotated[int, Opt("Seed of all random numbers.", min=0, max=2**32 - 1)] = 0
    stable_kimg: Annotated[
        str,
        Opt(
            "Kimg of --preset s1 at each resolution below the highest, from 8 pixels up, once its"
            " layers have faded in; or a schedule: 600,256px:1200.",
            unit="KIMG",
            parse=lengths,
        ),
    ] = "600"
    fade_kimg: Annotated[
        str,
        Opt(
            "Kimg in which the layers of each higher resolution fade in, or a schedule.",
            unit="KIMG",
            parse=lengths,
        ),
    ] = "600"
    blur_kimg: Annotated[
        float,
        Opt(
            "Kimg from the start of a StyleGAN 3 in which a blur of all that the discriminator sees"
            " fades: it begins with coarse forms. 200 for s3r with a batch of 32, else no blur (0).",
            min=0,
        ),
    ] = 0.0
    grows: bool = False  # a StyleGAN 1
    alias_free: bool = False  # a StyleGAN 3; if it does not grow either, a StyleGAN 2
    radial: bool = False  # config R of StyleGAN 3; else T
    latent: int = 512  # z_dim and w_dim
    mbstd: Annotated[
        int, Opt("Images that the discriminator compares with each other, at most.", min=1)
    ] = 4
    mbstd_features: int = 1  # maps of deviations that it gets
    d_channels: float = 1.0  # of the discriminator, as a share of the generator's
    normalize: bool = True  # z, before the mapping
    w_decay: float = 0.995  # of the average w
    lazy: bool = True  # regularization at intervals, as a step of its own; else in every step
    ema_ramp: float | None = None  # the half-life is at most this share of the images seen so far
    ada_kimg: float = 500.0  # in which p moves by 1


# Karras et al. 2021 (StyleGAN3, arXiv:2106.12423), appendix G, and what `preset` computes.
S3T = TrainConfig(
    alias_free=True,
    map_layers=2,
    g_lr="0.0025",
    pl_weight=0.0,
    mixing=0.0,
    w_decay=0.998,
    ema_ramp=0.05,
    aug="ada",
)

# Source of all but tiny: Karras et al. 2019 (StyleGAN2), appendix B; Karras et al. 2020
# (StyleGAN2-ADA), appendix C and table 5.
PRESETS: dict[Preset, TrainConfig] = {
    "s2": TrainConfig(),
    "ada": TrainConfig(map_layers=2, ema_ramp=0.05, aug="ada"),  # and what `preset` computes
    "paper256": TrainConfig(
        channel_base=16384,
        mbstd=8,
        batch="64",
        g_lr="0.0025",
        d_lr="0.0025",
        gamma=1.0,
        ema_kimg=20.0,
        aug="ada",
    ),
    # This Anime Does Not Exist, whose discriminator compared the 4 images of a device: --mbstd 4.
    # Source: Baylies and Branwen, StyleGAN2-ext and its training log, a unit of which is 32 images.
    "s2ext": TrainConfig(
        channel_base=65536,
        channel_max=1024,
        d_channels=0.5,
        latent=1024,
        map_layers=4,
        normalize=False,
        mbstd=32,
        mbstd_features=4,
        batch="128",
        g_lr="0.002,96000:0.0004",
        d_lr="0.002,96000:0.0003",
        gamma=5.0,
        lazy=False,
        pl_weight=0.0,
        mixing=0.0,
        top_k="1,73600:0.5",
        kimg=170000.0,
    ),
    "s3t": S3T,
    "s3r": replace(S3T, radial=True, channel_base=65536, channel_max=1024, d_channels=0.5),
    # Karras et al. 2018 (StyleGAN), appendix C, with the batches of one GPU in its published program.
    "s1": TrainConfig(
        grows=True,
        channel_base=16384,
        batch="128,32px:64,64px:32,128px:16,256px:8,512px:4",
        g_lr="0.001,128px:0.0015,256px:0.002,512px:0.003",
        d_lr="0.001,128px:0.0015,256px:0.002,512px:0.003",
        lazy=False,
        pl_weight=0.0,
    ),
    "tiny": TrainConfig(
        channel_base=1024,
        channel_max=48,
        latent=64,
        map_layers=2,
        batch="16",
        # A few thousand iterations must do: faster than the paper's, and R1 that bears it.
        g_lr="0.008",
        d_lr="0.008",
        gamma=1.0,
        pl_weight=0.0,
        mixing=0.0,
        ema_kimg=5.0,
        ema_ramp=0.05,
        aug="ada",
        ada_kimg=100.0,
        kimg=500.0,
    ),
}
PRESETS["auto"] = PRESETS["ada"]


def preset(name: Preset, resolution: int, batch: str = "") -> TrainConfig:
    """A preset for images of this resolution, which some depend on, and StyleGAN 3's on the batch.

    A batch that is not given is the preset's own.
    """
    config = replace(PRESETS[name], preset=name)
    if config.alias_free:
        count = value_at(batch or config.batch, 0, resolution)
        return replace(
            config,
            gamma=2 * (resolution / 256) ** 2,
            ema_kimg=count * 10 / 32,
            blur_kimg=count * 200 / 32 if config.radial else 0.0,
        )
    if name not in ("ada", "auto"):
        return config
    most = max(min(min(4096 // resolution, 32), 64), 1)
    rate = "0.002" if resolution >= 1024 else "0.0025"
    return replace(
        config,
        channel_base=32768 if resolution >= 512 else 16384,
        mbstd=min(most, 4),
        batch=f"{most}",
        g_lr=rate,
        d_lr=rate,
        gamma=0.0002 * resolution**2 / most,
        ema_kimg=most * 10 / 32,
    )
