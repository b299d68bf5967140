"""Several processes that train one network, and how they find and lose each other."""

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed as dist
from torch._C._distributed_c10d import TCPStore

from animetools.errors import FatalError
from animetools.training.architecture import networks
from animetools.training.augment import PIPES, Ada
from animetools.training.config import TrainConfig, preset
from animetools.training.diffaugment import diffaugment
from animetools.training.gan import GAN, Augment
from animetools.training.networks import new_networks
from animetools.training.ranks import ALONE, Ranks, device_of, joined, refuse_odd_batch
from animetools.training.rendezvous import meet
from tests.quick import SERVER
from tests.training import pairs
from tests.training.groups import environments
from tests.training.pairs import tensors_of

LABELS = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2, 2, 2]]
EVERYTHING = TrainConfig(
    batch="16", accumulate=2, gamma=1.0, ema_kimg=0.1, aug="ada", p=0.4, target=-1.0, ada_kimg=0.2,
    top_k="1,0.048:0.5", cond=True, label_dropout=0.5, label_noise=0.2, mismatch=0.5, classify=0.3, d_repeats=2,
)  # fmt: skip
GROWING = replace(
    preset("s1", 16), channel_base=64, latent=8, map_layers=2, batch="8,16px:4", mbstd=2, gamma=1.0,
    stable_kimg="0.016", fade_kimg="0.016",
)  # fmt: skip
ALIAS_FREE = replace(
    preset("s3r", 16), channel_base=32, channel_max=2, latent=8, batch="8", accumulate=2, mbstd=2, gamma=1.0,
    blur_kimg=0.1, aug="none",
)  # fmt: skip
RUNS = {
    "everything": EVERYTHING,
    "uneven path lengths": replace(EVERYTHING, batch="6", mbstd=3, accumulate=1, aug="diffaug"),
    "not a path length for each": replace(
        EVERYTHING, batch="2", mbstd=1, accumulate=1, aug="none", lazy=False
    ),
    "growing": GROWING,
    "alias-free": ALIAS_FREE,
}
STEPS = 8


def gan_of(config: TrainConfig, ranks: Ranks) -> GAN:
    """Networks of float64 that learn by this config."""
    augments: dict[str, Augment] = {
        "ada": Ada((*PIPES["bgc"], "noise", "cutout"), ranks),
        "diffaug": partial(diffaugment, ranks=ranks),
    }
    if config.grows or config.alias_free:
        generator, discriminator = new_networks(*networks(config, 16, 16, 3, 3), 0)
        generator, discriminator = generator.double(), discriminator.double()
    else:
        generator, discriminator = pairs.small_pair(
            c_dim=3, base=(4, 5), group=config.mbstd, dtype=torch.float64
        )
    return GAN(
        generator,
        discriminator,
        config,
        augment=augments.get(config.aug),
        labels=LABELS,
        ranks=ranks,
    )


def learn(ranks: Ranks) -> dict[str, Any]:
    """The state after some steps of each run, and the terms of all of them."""
    states = {}
    for name, config in RUNS.items():
        gan, terms = gan_of(config, ranks), []
        for step in range(2 if config.alias_free else STEPS):
            batch = int(gan.now(config.batch))
            mine = ranks.places(batch, config.accumulate)
            reals = pairs.uniform(step, batch, 3, gan.generator.height, gan.generator.width)
            terms.append(gan.step(reals[mine], LABELS[torch.arange(batch) % 6][mine]))
        states[name] = {"gan": gan.state(), "terms": dict(enumerate(terms))}
    return states


def take_part(environment: dict[str, str], folder: str) -> None:
    """Learn as a rank; a process."""
    torch.set_num_threads(1)
    with joined(environment, give_up) as ranks:
        torch.save(learn(ranks), f"{folder}/{ranks.rank}")
        if not ranks.leads:
            assert ranks.hear() == []  # it has ended


def give_up(reason: str, status: int) -> NoReturn:
    sys.stderr.write(reason)
    os._exit(status)


def test_two_ranks_learn_what_one_process_does(tmp_path: Path) -> None:
    processes = [
        SERVER.Process(target=take_part, args=(each, str(tmp_path))) for each in environments(2)
    ]
    for process in processes:
        process.start()
    alone = tensors_of(learn(ALONE))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for rank in range(2):
        found = tensors_of(torch.load(tmp_path / str(rank)))
        assert found.keys() == alone.keys()
        off = {
            name: float(
                (found[name].double() - value.double()).norm() / (value.double().norm() + 1)
            )
            for name, value in alone.items()
        }
        assert {name: error for name, error in off.items() if error > 1e-8} == {}
    assert alone["/everything/gan/p"] > 0.7  # it has moved


@given(
    count=st.integers(1, 5),
    parts=st.integers(1, 4),
    batch=st.integers(0, 60),
)
def test_every_image_of_a_batch_has_one_rank(count: int, parts: int, batch: int) -> None:
    places = [Ranks(rank, count).places(batch, parts) for rank in range(count)]
    assert sorted(torch.cat(places).tolist()) == list(range(batch))
    if batch % (count * parts) == 0:
        assert {len(each) for each in places} == {batch // count}
        size = batch // parts  # each part of one process is shared by all
        for first in range(0, batch, max(size, 1)):
            shared = [((first <= each) & (each < first + size)).sum() for each in places]
            assert len(set(map(int, shared))) == 1


def test_a_batch_that_cuts_minibatch_groups_is_refused() -> None:
    refuse_odd_batch(TrainConfig(batch="16", accumulate=2), 64, 4, 2)
    refuse_odd_batch(TrainConfig(batch="6"), 64, 3, 1)
    for config, count, words in [
        (
            TrainConfig(batch="4"),
            2,
            "--batch 4 does not divide among 2 ranks in minibatch groups of 4",
        ),
        (TrainConfig(batch="16", accumulate=2), 3, "3 ranks and 2 parts .* a multiple of 24"),
        (TrainConfig(batch="32,64px:8"), 4, "--batch 8 .* choose a multiple of 16, or a lower"),
    ]:
        with pytest.raises(FatalError, match=words):
            refuse_odd_batch(config, 64, 4, count)


def test_ranks_that_do_not_find_each_other_say_who_is_missing() -> None:
    first, second = environments(2)
    with pytest.raises(
        FatalError, match=r"rank 0 of 2 did not answer at 127.0.0.1:.* within 1 sec"
    ):
        meet(second, give_up, seconds=1)
    with pytest.raises(FatalError, match=r"of 2 ranks, 1 did not come to .* within 1 seconds"):
        meet(first, give_up, seconds=1)
    with (
        pytest.raises(FatalError, match="WORLD_SIZE is set, but not 'LOCAL_RANK'"),
        joined({"WORLD_SIZE": "2"}, give_up),
    ):
        pass


def test_ranks_that_torchrun_starts_again_meet_at_the_same_store() -> None:
    (alone,) = environments(1)
    store = TCPStore("127.0.0.1", int(alone["MASTER_PORT"]), None, True, wait_for_workers=False)
    for attempt in ("0", "1"):
        facts = {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": attempt}
        meet(alone | facts, give_up, seconds=9).end()
        dist.destroy_process_group()
    assert store.port == int(alone["MASTER_PORT"])


def test_ranks_have_a_card_each_or_share_the_cpu() -> None:
    assert device_of("cpu", Ranks(1, 2, 1, 2)) == torch.device("cpu")
    with pytest.raises(FatalError, match="--device cuda:1: ranks take cpu, or cuda"):
        device_of("cuda:1", Ranks(1, 2, 1, 2))
