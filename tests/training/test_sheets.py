"""Samples, images, and many of them side by side."""

from pathlib import Path

import numpy as np
import torch

from animetools.dataset.training_set import Images
from animetools.training.sheets import chosen, labels, latents, samples, sheet
from tests.dataset.sets import folder, picture, zipped
from tests.training.pairs import small_pair


def test_a_sheet_has_rows_of_eight() -> None:
    images = np.stack([picture(seed, 6, 4) for seed in range(11)])
    made = sheet([images[:5], images[5:]])
    assert made.shape == (2 * 4, 8 * 6, 3)
    for number, image in enumerate(images):
        y, x = number // 8 * 4, number % 8 * 6
        assert np.array_equal(made[y : y + 4, x : x + 6], image.transpose(1, 2, 0))
    assert not made[4:, 3 * 6 :].any()
    assert sheet([images[:3]]).shape == (4, 3 * 6, 3)


def test_samples_are_what_the_generator_makes() -> None:
    generator, _ = small_pair()
    z = latents(5, generator.config.mapping.z_dim, 3)
    assert torch.equal(z, latents(5, generator.config.mapping.z_dim, 3))
    found = np.concatenate(list(samples(generator, z, None, 2, 1)))
    with torch.no_grad():
        expected = generator.synthesis(generator.mapping(z), "const") * 127.5 + 127.5
    assert found.dtype == np.uint8
    assert np.abs(found - expected.clamp(0, 255).numpy()).max() < 0.51


def test_samples_have_the_labels_of_the_chosen_images(tmp_path: Path) -> None:
    path = zipped(tmp_path / "d", [picture(seed) for seed in range(3)], [2, 0, 1])
    images = Images(path, conditional=True)
    reals = np.concatenate(list(chosen(images, 3, 8)))
    c = labels(images, 5)
    assert c is not None
    for real, label in zip(reals, c, strict=False):
        assert np.array_equal(real, images.read([1, 2, 0][int(label.argmax())]))
    assert torch.equal(c[3:], c[:2])
    assert labels(Images(path), 5) is None


def test_images_are_chosen_as_before_without_damaged_ones(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", [picture(seed) for seed in range(9)])
    (tmp_path / "d/00001/img00000002.png").write_bytes(b"rubbish")
    images = Images(path)
    batches = list(chosen(images, 100, 3))
    assert [len(batch) for batch in batches] == [3, 3, 2]
    found = np.concatenate(batches)
    for seed in {*range(9)} - {2}:
        assert (found == picture(seed)).all((1, 2, 3)).sum() == 1
    assert np.array_equal(found[:4], np.concatenate(list(chosen(images, 5, 8)))[:4])
