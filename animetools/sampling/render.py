"""From w and noise to pixels: an image has the same bytes whatever is drawn beside it."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property, partial
from itertools import chain, islice
from typing import Any, Self

import torch
from torch import Tensor

from animetools.errors import Advice, FatalError, ItemError
from animetools.images.files import Pixels
from animetools.networks import fast
from animetools.networks.cpu import GROUP, LOT, give_back, share_freed_memory
from animetools.networks.generator import Generator, Noise
from animetools.sampling.latents import SynthesisInput

GROUP_PIXELS = 1 << 21  # of a group on a card: eight images of 512 x 512
LARGEST_GROUP = 64
LOT_PIXELS = 1 << 18  # that a CPU's core draws at once
NOT_FINITE = "its pixels are not finite: try fp32, or another network"
LESS = "try a smaller batch, or bf16"


class Renderer:
    """The synthesis of a generator on one device.

    On a CPU each of the `cores` draws at most a `lot` of images at a time, which is some groups; where
    there are fewer images than cores they share the work on an image. A GPU draws them in groups whose
    size follows from the network alone, filled up if there are too few images, since another size may
    choose other kernels, which round differently. `batch` is how many images the device takes at once;
    0 is what suits it, if no more than `expected` are to come.

    From its making on torch uses one thread wherever this process calls it. It is a context
    manager, whose end waits for its threads.
    """

    def __init__(
        self,
        generator: Generator,
        device: torch.device,
        dtype: torch.dtype,
        *,
        batch: int = 0,
        cores: int = 1,
        expected: int | None = None,
    ) -> None:
        torch.set_num_threads(1)
        self.generator, self.device, self.dtype = generator, device, dtype
        consts: Any = generator.synthesis.noise_consts
        self.stored_noise = [const[None, None] for const in consts]
        if device.type == "cpu":
            share_freed_memory()
            self.group = GROUP
            fit = LOT_PIXELS // (generator.height * generator.width)
            self.lot = min(max(GROUP, fit - fit % GROUP), LOT)
            self.batch = batch or min(self.group * cores, expected or self.group * cores)
            self.width = min(cores, self.batch)
            share = cores // self.width
        else:
            pixels = generator.height * generator.width
            self.group = max(1, min(GROUP_PIXELS // pixels, LARGEST_GROUP))
            self.batch = batch or self.group
            self.width, share = cores, 1
        self.opened = ExitStack()
        self.pool = self.opened.enter_context(fast.thread_pool(share))
        self.threads = self.opened.enter_context(ThreadPoolExecutor(self.width))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    @cached_property
    def synthesis(self) -> fast.Synthesis:
        """The prepared network; late, since it takes a second and a run may have nothing to do."""
        made = fast.synthesis(self.generator, self.device, self.dtype, self.pool)
        give_back(self.generator)  # the network has the weights in an order of its own
        return made

    def __call__(self, inputs: Sequence[SynthesisInput]) -> list[Pixels | ItemError]:
        """Pixels [H, W, 3], [H, W, 4] or, of one channel, [H, W] uint8, for each input.

        Where pixels are NaN or infinite there is an ItemError in the image's place.

        Raises FatalError if the device fails, or has no memory for a single image.
        """
        try:
            synthesis = self.synthesis
            if self.device.type == "cpu":
                size = self._in_lot(len(inputs))
                parts = [inputs[at : at + size] for at in range(0, len(inputs), size)]
                made = self.threads.map(partial(self._together, synthesis), parts)
                return list(chain.from_iterable(made))
            return list(self._in_groups(synthesis, inputs))
        except RuntimeError as why:
            what = str(why).split("\n", 1)[0]
            if "CUDA" in what:
                raise FatalError(f"{self.device} has failed: {what}") from why
            if "not enough memory" in what:  # a CPU's; torch has no type for it
                raise FatalError(
                    f"too little memory for {self.batch} images at once: {LESS}"
                ) from why
            raise

    def each(
        self, inputs: Iterable[SynthesisInput], tell: Callable[[int], None] = lambda _: None
    ) -> Iterator[Pixels]:
        """The pixels of each input, in order; `tell` hears of each batch how many there were.

        Raises as a call, and ItemError where pixels are not finite.
        """
        left = iter(inputs)
        while some := list(islice(left, self.batch)):
            for pixels in self(some):
                if isinstance(pixels, ItemError):
                    raise pixels
                yield pixels
            tell(len(some))

    def _in_lot(self, count: int) -> int:
        """How many of so many images a core draws at once: its share, in whole groups."""
        share = max(1, -(-count // self.width))
        if share > self.group:
            share += -share % self.group
        return min(share, self.lot)

    def _in_groups(
        self, synthesis: fast.Synthesis, inputs: Sequence[SynthesisInput]
    ) -> Iterator[Pixels | ItemError]:
        while inputs:
            some = inputs[: self.group]
            try:
                full = [*some, *[some[-1]] * (self.group - len(some))]
                made = self._together(synthesis, full)[: len(some)]
            except torch.OutOfMemoryError:
                self._make_groups_smaller()
            else:
                yield from made
                inputs = inputs[len(some) :]

    def _make_groups_smaller(self) -> None:
        if self.group == 1:
            raise FatalError(f"{self.device} has too little memory for one image: {LESS}")
        self.group //= 2
        warnings.warn(
            f"{self.device} has little memory: it draws groups of {self.group} images, which may"
            " differ in the last bit from those of other GPUs",
            Advice,
            stacklevel=1,
        )

    @torch.inference_mode()
    def _together(
        self, synthesis: fast.Synthesis, inputs: Sequence[SynthesisInput]
    ) -> list[Pixels | ItemError]:
        noise = _joined([each.noise for each in inputs], self.stored_noise)
        moved = [each.transform for each in inputs if each.transform is not None]  # of all, or none
        more = [torch.cat(moved)] if moved else []
        images = synthesis(torch.cat([each.ws for each in inputs]), noise, *more)
        sound = images.flatten(1).isfinite().all(1).tolist()
        made = zip(to_pixels(images).cpu().numpy(), sound, strict=True)
        return [
            picture_of(pixels) if is_sound else ItemError(NOT_FINITE) for pixels, is_sound in made
        ]


def picture_of(pixels: Pixels) -> Pixels:
    """An image [H, W, C] as files take it: of one channel, [H, W]."""
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _joined(noises: Sequence[Noise], stored: Sequence[Tensor]) -> Noise:
    """The noise of several images: a word, or [n, 1, H, W] per layer where any has maps of its own."""
    if isinstance(noises[0], str) and set(map(type, noises)) == {str}:
        return noises[0]
    each = [stored if isinstance(noise, str) else noise for noise in noises]
    return [torch.cat(layer) for layer in zip(*each, strict=True)]


def to_pixels(images: Tensor) -> Tensor:
    """Images [n, C, H, W], -1..1, as uint8 [n, H, W, C], rounded as every StyleGAN program does."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
