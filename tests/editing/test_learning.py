"""Learners: what they find where the answer is known."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from animetools.editing.linear import area_under_curve, fit
from animetools.editing.moments import axes, moments
from animetools.editing.teaching import _seen
from animetools.editing.unsupervised import (
    components_of_features,
    components_of_w,
    factors,
    w_samples,
)
from animetools.errors import FatalError
from animetools.images.fit import fit as in_square
from animetools.networks.generator import Generator
from animetools.sampling.latents import Floats
from animetools.sampling.layers import Rows
from tests.netfiles import sg3
from tests.tiny import generator, old_snapshot


def test_other_tags_stay_where_a_tag_changes() -> None:
    # A hat shows where axis 0 is high, glasses where 0.8 of it and axis 1 are: they come together.
    w = np.random.default_rng(0).standard_normal((4000, 6)).astype(np.float32)
    scores = np.stack([w[:, 0], 0.8 * w[:, 0] + w[:, 1]], 1)
    probabilities = (scores > 0.5).astype(np.float32)
    (both, accuracy), _ = fit(w, probabilities, ["hat", "glasses"], ["hat", "glasses"])
    ((alone, _),) = fit(w, probabilities[:, :1], ["hat"], ["hat"])
    for vector in (both, alone):
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert vector[0] > 0.7
    glasses = np.array([0.8, 1, 0, 0, 0, 0])
    assert alone @ glasses > 0.7
    assert abs(both @ glasses) < 0.6 * (alone @ glasses)  # ones and zeros say less than scores
    assert accuracy is not None
    assert accuracy > 0.8


def test_too_few_examples_are_refused() -> None:
    w, four = np.zeros((20, 4), np.float32), np.zeros((20, 1), np.float32)
    four[:4] = 1
    with pytest.raises(FatalError, match="hat is in 4 of 20 examples"):
        fit(w, four, ["hat"], ["hat"])
    with pytest.raises(FatalError, match="cap is in 0 of 20"):
        fit(w, four, ["hat"], ["cap"])


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_the_area_under_the_curve_is_that_of_all_pairs(pairs: list[tuple[int, bool]]) -> None:
    scores, has = np.array([a for a, _ in pairs], float), np.array([b for _, b in pairs])
    area = area_under_curve(scores, has)
    if has.all() or not has.any():
        assert math.isnan(area)
        return
    wins = np.sign(scores[has][:, None] - scores[~has]) / 2 + 0.5
    assert area == pytest.approx(wins.mean())


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_moments_do_not_depend_on_the_chunks(sizes: list[int]) -> None:
    rows = np.random.default_rng(1).standard_normal((sum(sizes), 3)).astype(np.float32) + 1000
    chunks = np.split(rows, np.cumsum(sizes)[:-1])
    found = moments(chunks)
    assert np.allclose(found.mean, rows.mean(0, dtype=np.float64))
    assert np.allclose(
        found.covariance, np.cov(rows.T.astype(np.float64), bias=True).reshape(3, 3), atol=1e-6
    )
    axis = np.array([0, 1, 0], np.float32)
    assert found.spread(axis) == pytest.approx(rows[:, 1].astype(float).std(), abs=1e-4)


def test_components_of_w_are_those_of_all_samples_at_once() -> None:
    network = generator()
    found = components_of_w(network, None, 0, 3, 600)
    rows = np.concatenate(list(w_samples(network, None, 0, 600)))
    _, _, wanted = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    for one, other in zip(found, wanted, strict=False):
        assert abs(one @ other) == pytest.approx(1, abs=1e-3)
        assert one[np.abs(one).argmax()] > 0


def test_as_many_samples_are_drawn_as_are_asked_for() -> None:
    whole = np.concatenate(list(w_samples(generator(), None, 0, 500)))
    for count in (7, 250, 300):
        assert len(np.concatenate(list(w_samples(generator(), None, 0, count)))) == count
    assert np.array_equal(np.concatenate(list(w_samples(generator(), None, 0, 300))), whole[:300])


def test_memory_does_not_grow_with_the_samples() -> None:
    network, peaks = generator(), []
    for count in (1000, 8000):
        tracemalloc.start()
        components_of_w(network, None, 0, 3, count)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_stylegan_3_has_no_features_of_a_resolution() -> None:
    network = sg3.read("m32")[0].generator.build()
    assert isinstance(network, Generator)
    with pytest.raises(FatalError, match=r"--of 8: a StyleGAN 3 has no resolutions"):
        components_of_features(network, None, 0, 2, 500, 8)


def test_components_of_features_change_them_the_most() -> None:
    network = generator()
    vectors = components_of_features(network, None, 0, 2, 500, 4)

    synthesis: Any = network.synthesis
    space = moments(w_samples(network, None, 0, 500))

    @torch.inference_mode()
    def change(vector: Floats) -> float:
        """How much features differ by an edit of 1."""
        w = torch.from_numpy(next(w_samples(network, None, 1, 50)))
        both = []
        for moved in (w, w + torch.from_numpy(vector) * space.spread(vector)):
            ws = moved[:, None].expand(-1, network.num_ws, -1)
            first = synthesis.b4
            both.append(first(first.const.expand(50, -1, -1, -1), ws, synthesis.noise_consts))
        return float((both[1] - both[0]).square().mean())

    others = [*np.eye(8, dtype=np.float32), vectors[1]]
    assert change(vectors[0]) > max(map(change, others))


@pytest.mark.parametrize("is_old", [False, True])
def test_factors_are_the_singular_vectors_of_the_styles_of_some_rows(is_old: bool) -> None:
    network = generator()
    if is_old:
        built = old_snapshot().generator.build()
        assert isinstance(built, Generator)
        network = built
    with torch.inference_mode():  # the layers that take row 2, found by what changes
        ws = torch.zeros(1, network.num_ws, 8)
        affines = [m.affine for m in network.synthesis.modules() if hasattr(m, "affine")]
        seen = []
        for row in range(network.num_ws):
            ws_row = ws.clone()
            ws_row[:, row] = 1
            given: list[bool] = []
            hooks = [
                a.register_forward_pre_hook(lambda _, x, g=given: g.append(bool(x[0].any())))  # type: ignore[union-attr]
                for a in affines
            ]
            network.synthesis(ws_row)
            for hook in hooks:
                hook.remove()
            seen.append(given)
    taken = [a for a, is_taken in zip(affines, seen[2], strict=True) if is_taken]
    assert taken
    weights = torch.cat([a.weight * a.scale for a in taken]).detach().numpy()  # type: ignore[union-attr, operator]
    _, _, wanted = np.linalg.svd(weights)
    for one, other in zip(factors(network, Rows(2, 2), 2), wanted, strict=False):
        assert abs(one @ other) == pytest.approx(1, abs=1e-4)


def test_axes_are_sorted_by_variance() -> None:
    vectors, variances = axes(np.diag([1.0, 3.0, 2.0]), 2)
    assert np.allclose(vectors, [[0, 1, 0], [0, 0, 1]])
    assert variances.tolist() == [3, 2]


def test_the_teacher_sees_what_the_tagger_is_given() -> None:
    random = np.random.default_rng(0)
    for high, wide in ((32, 32), (32, 16)):
        small = random.integers(0, 256, (high // 4, wide // 4, 3), np.uint8)
        pixels = small.repeat(4, 0).repeat(4, 1)
        images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        seen = _seen(images, 64)[0].permute(1, 2, 0).numpy()
        given = in_square(pixels, 64)[0].astype(float) / 127.5 - 1
        assert np.abs(seen - given).mean() < 0.08
