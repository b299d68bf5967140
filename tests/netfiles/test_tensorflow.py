"""The files of TensorFlow's StyleGANs: what images and scores they give, test_stylegan*.py say."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from animetools.errors import Advice, ItemError
from animetools.netfiles import tensorflow
from animetools.netfiles.machine import Call, Global
from animetools.netfiles.networkfile import NetworkFile
from animetools.netfiles.pickles import load_pickle
from animetools.networks.config import MappingConfig, Truncation
from animetools.networks.stylegan1.config import (
    StyleGAN1DiscriminatorConfig,
    StyleGAN1GeneratorConfig,
)
from animetools.networks.stylegan2.config import (
    StyleGAN2DiscriminatorConfig,
    StyleGAN2GeneratorConfig,
)
from tests.netfiles import goldens

State = dict[str, Any]


def checksums(state: State, prefix: str = "") -> dict[str, int]:
    """The checksum of every variable in what `load_pickle` made of a network, by its full name."""
    found = {
        prefix + name: zlib.crc32(np.ascontiguousarray(value, np.float32).tobytes())
        for name, value in state["variables"]
    }
    for part in state["components"].values():
        found |= checksums(part.state, f"{prefix}{part.state['name']}/")
    return found


@pytest.mark.parametrize("name", goldens.TF)
def test_golden_files_are_read(name: str) -> None:
    info, _ = goldens.tf(name)
    value = load_pickle(goldens.tf_file(name))
    assert checksums(value[2].state) == info["crc32"]["Gs"]
    assert checksums(value[1].state) == info["crc32"]["D"]
    snapshot = tensorflow.read(value)
    assert snapshot.layout == "tensorflow"
    assert list(snapshot.networks) == ["G", "D", "G_ema"]
    first = name.startswith("s1_")
    labels = 3 if "labels" in name else 0
    generator, judge = snapshot.generator.config, snapshot.discriminator.config
    assert isinstance(generator, StyleGAN1GeneratorConfig if first else StyleGAN2GeneratorConfig)
    assert isinstance(
        judge, StyleGAN1DiscriminatorConfig if first else StyleGAN2DiscriminatorConfig
    )
    assert (generator.mapping.c_dim, judge.c_dim) == (labels, labels)
    assert generator.mapping.normalize is (name != "ext_32")
    assert judge.mbstd_group == (32 if name == "ext_32" else 4)


def mapping(snapshot: NetworkFile) -> MappingConfig:
    """That of the generator."""
    config = snapshot.generator.config
    assert isinstance(config, StyleGAN1GeneratorConfig | StyleGAN2GeneratorConfig)
    return config.mapping


def test_what_a_file_says_of_itself_is_kept() -> None:
    configs = {
        name: tensorflow.read(load_pickle(goldens.tf_file(name))).generator.config
        for name in ("s1_32_labels", "s1_32", "s1_32_fused", "s2f_32", "s2d_32", "s2_resnet_32")
    }
    labels, plain, fused = (configs[f"s1_32{end}"] for end in ("_labels", "", "_fused"))
    assert isinstance(labels, StyleGAN1GeneratorConfig)
    assert (labels.truncation, labels.mapping.labels) == (Truncation(0.5, 4), "concat")
    assert isinstance(plain, StyleGAN1GeneratorConfig)
    assert (plain.truncation, plain.fused_from) == (Truncation(0.7, 8), 128)
    assert isinstance(fused, StyleGAN1GeneratorConfig)
    assert fused.fused_from == 0
    second = [configs[name] for name in ("s2f_32", "s2d_32", "s2_resnet_32")]
    architectures = [c.architecture for c in second if isinstance(c, StyleGAN2GeneratorConfig)]
    assert architectures == ["skip", "progressive", "resnet"]
    assert isinstance(second[0], StyleGAN2GeneratorConfig)
    assert second[0].truncation == Truncation(0.5, None)


def read(name: str, change: Callable[[State, State, State], object]) -> NetworkFile:
    """A golden file in whose Gs, synthesis and D something was changed."""
    value = load_pickle(goldens.tf_file(name))
    change(value[2].state, value[2].state["components"]["synthesis"].state, value[1].state)
    return tensorflow.read(value)


def given(**values: Any) -> Callable[[State, State, State], object]:
    """A change: Gs and D were made with these arguments."""

    def change(gs: State, _: State, d: State) -> None:
        gs["static_kwargs"].update(values)
        d["static_kwargs"].update(values)

    return change


def test_no_truncation_is_one_thing() -> None:
    for cutoff in (None, 0, -1):  # StyleGAN 1 means no row by all of these
        config = read("s1_32", given(truncation_cutoff=cutoff)).generator.config
        assert isinstance(config, StyleGAN1GeneratorConfig)
        assert config.truncation == Truncation()
    config = read("s2f_32", given(truncation_psi=None, truncation_cutoff=2)).generator.config
    assert isinstance(config, StyleGAN2GeneratorConfig)
    assert config.truncation == Truncation(1.0, 2)


def test_arguments_are_found() -> None:
    known = given(blur_filter=None, use_wscale=False, fused_scale=False, nonlinearity="relu")
    snapshot = read("s1_32", known)
    for config in (snapshot.generator.config, snapshot.discriminator.config):
        assert isinstance(config, StyleGAN1GeneratorConfig | StyleGAN1DiscriminatorConfig)
        assert (config.kernel, config.wscale, config.activation) == ((), False, "relu")
    assert isinstance(snapshot.generator.config, StyleGAN1GeneratorConfig)
    assert snapshot.generator.config.fused_from > 1 << 20
    snapshot = read("s2f_32", given(resample_kernel=[1, 2, 1], mapping_lrmul=0.02))
    assert snapshot.generator.config.kernel == snapshot.discriminator.config.kernel == (1, 2, 1)
    assert mapping(snapshot).lrmul == 0.02


def test_the_strongest_word_on_an_argument_counts() -> None:
    def lrmul(signature: str, kwargs: State, body: str) -> float:
        def change(gs: State, _: State, __: State) -> None:
            state = gs["components"]["mapping"].state
            text = f"def G_mapping(x, mapping_lrmul{signature}):\n    {body}\n"
            state["build_module_src"] = "\ufeff" + text
            state["static_kwargs"] |= kwargs

        return mapping(read("s2f_32", change)).lrmul

    assert lrmul("=None", {}, "pass") == 0.01
    assert lrmul("=0.02", {}, "pass") == 0.02
    assert lrmul("=0.02", {"mapping_lrmul": 0.03}, "pass") == 0.03
    assert lrmul("=0.02", {"mapping_lrmul": 0.03}, "mapping_lrmul = 1 / 25") == 0.04
    assert lrmul("=0.02", {}, "if True: mapping_lrmul = 5") == 0.02
    assert lrmul("=0.02", {}, "mapping_lrmul = open('/etc/passwd')") == 0.02
    assert lrmul("=0.02", {}, "mapping_lrmul = 1 << 9999999999") == 0.02


@pytest.mark.parametrize(
    "source", ["def G_main(:", "(" * 5000, "x = " + "-" * 100_000 + "1", "#" * (1 << 20), "\0"]
)
def test_a_source_that_cannot_be_parsed_is_told(source: str) -> None:
    with pytest.warns(Advice, match="cannot be parsed: defaults are assumed"):
        snapshot = read("s1_32", lambda gs, s, d: d.update(build_module_src=source))
    assert snapshot.discriminator.build()


def without(state: State, *parts: str) -> None:
    """Take the variables out of a network whose names contain one of these."""
    state["variables"] = [v for v in state["variables"] if not any(part in v[0] for part in parts)]


def variable(state: State, name: str) -> Any:
    """A network's variable."""
    return dict(state["variables"])[name]


def test_networks_that_do_not_grow_have_one_way_to_colors() -> None:
    def fix(_: State, synthesis: State, d: State) -> None:
        without(synthesis, "lod1/", "lod2/", "lod3/")
        without(d, "lod1/", "lod2/", "lod3/")

    snapshot = read("s1_32", fix)
    for network in (snapshot.generator, snapshot.discriminator):
        assert isinstance(network.config, StyleGAN1GeneratorConfig | StyleGAN1DiscriminatorConfig)
        assert not network.config.progressive
        assert network.build()
    snapshot = read("s2d_32", fix)
    for network in (snapshot.generator, snapshot.discriminator):
        assert isinstance(network.config, StyleGAN2GeneratorConfig | StyleGAN2DiscriminatorConfig)
        assert network.config.architecture == "orig"
        assert network.build()


def test_the_first_stylegan_may_lack_parts() -> None:
    def strip(_: State, synthesis: State, d: State) -> None:
        channels = variable(synthesis, "4x4/Const/const").shape[1]
        width = variable(synthesis, "4x4/Const/StyleMod/weight").shape[0]
        bias = variable(synthesis, "4x4/Const/bias")
        without(synthesis, "Noise/", "StyleMod/", "4x4/Const")
        dense = np.ones((width, 16 * channels), np.float32)
        synthesis["variables"] += [("4x4/Dense/weight", dense), ("4x4/Dense/bias", bias)]

    network = read("s1_32", strip).generator
    assert isinstance(network.config, StyleGAN1GeneratorConfig)
    assert not (network.config.noise or network.config.styles or network.config.constant)
    assert network.build()


def test_the_labels_of_ext_do_not_reach_the_score() -> None:
    for name, labels, kind in [
        ("ext_32", 1, "ignored"),
        ("ext_32", 3, "ignored"),
        ("s2f_32", 1, "output"),
        ("s2f_32", 0, "output"),
    ]:
        config = read(name, given(label_size=labels)).discriminator.config
        assert isinstance(config, StyleGAN2DiscriminatorConfig)
        assert (config.c_dim, config.labels) == (labels, kind)


def emptied(gs: State, synthesis: State, d: State) -> None:
    """A change: every array has no numbers."""
    for state in (synthesis, d, gs["components"]["mapping"].state):
        state["variables"] = [
            (
                name,
                value[..., :0] if isinstance(value, np.ndarray) and "noise" not in name else value,
            )
            for name, value in state["variables"]
        ]


def add(name: str, shape: tuple[int, ...] = (4,)) -> Callable[[State, State, State], object]:
    """A change: one variable more in the synthesis network."""
    return lambda gs, s, d: s["variables"].append((name, np.ones(shape, np.float32)))


def replaced(name: str, value: Any) -> Callable[[State, State, State], object]:
    """A change: another value for a variable of the synthesis network."""

    def change(_: State, synthesis: State, __: State) -> None:
        without(synthesis, name)
        synthesis["variables"].append((name, value))

    return change


def repeated(_: State, synthesis: State, __: State) -> None:
    """A change: one array for two variables."""
    array = variable(synthesis, "8x8/Conv1/weight")
    without(synthesis, "16x16/Conv1/weight")
    synthesis["variables"].append(("16x16/Conv1/weight", array))


def misfit(_: State, __: State, d: State) -> None:
    """A change: the last block of D gives one channel less."""
    without(d, "8x8/Conv1_down/weight")
    d["variables"].append(("8x8/Conv1_down/weight", np.ones((3, 3, 24, 23), "f4")))


REFUSED: list[tuple[str, Callable[[State, State, State], object]]] = [
    ("self-attention", add("32x32/SelfAtten/weight")),
    ("convert it with the legacy.py", add("LabelEmbed/weight")),
    ("5x3/, which are not square", add("5x3/Conv/weight")),
    ("the variable '8x8/Extra/weight', which no StyleGAN", add("8x8/Extra/weight")),
    ("the blocks of a StyleGAN", add("2x2/Conv0/weight")),
    ("the blocks of a StyleGAN", add("256x256/Conv0/weight")),
    ("ToRGB in only some of its blocks", lambda gs, s, d: without(s, "8x8/ToRGB")),
    ("lacks the variable 8x8/Conv1/mod_bias", lambda gs, s, d: without(s, "8x8/Conv1/mod_bias")),
    ("lacks the variable dlatent_avg", lambda gs, s, d: without(gs, "dlatent_avg")),
    ("8x8/Conv1/bias has 2 axes, not 1", replaced("8x8/Conv1/bias", np.ones((2, 2), "f4"))),
    (
        "noise3 has a first axis that is longer than 1",
        replaced("noise3", np.ones((2, 1, 16, 16), "f4")),
    ),
    ("a malformed variable", replaced("8x8/Conv1/bias", np.ones(24, "i4"))),
    ("a malformed variable", replaced("8x8/Conv1/bias", "text")),
    ("share their bytes", repeated),
    ("malformed parts", lambda gs, s, d: gs.update(components=[])),
    ("not one of TensorFlow's", lambda gs, s, d: gs.pop("variables")),
    ("not one of TensorFlow's", lambda gs, s, d: d.update(static_kwargs=None)),
    (
        "built by 'G_other', which is not a StyleGAN's gen",
        lambda gs, s, d: gs.update(build_func_name="G_other"),
    ),
    (
        "built by 'G_main', which is not a StyleGAN's disc",
        lambda gs, s, d: d.update(build_func_name="G_main"),
    ),
    ("not a StyleGAN's generator", lambda gs, s, d: gs["components"].pop("mapping")),
    ("mapping_lrmul is not a number", given(mapping_lrmul="a")),
    ("mapping_lrmul is not a number", given(mapping_lrmul=float("inf"))),
    ("normalize_latents is neither", given(normalize_latents=[])),
    ("nonlinearity is neither lrelu", given(nonlinearity="tanh")),
    ("resample_kernel is a malformed filter", given(resample_kernel=[1, -1])),
    ("an invalid channels", emptied),
    ("resample_kernel is a malformed filter", given(resample_kernel=[1] * 99)),
    ("truncation_psi is not a number", given(truncation_psi="a")),
    ("truncation_cutoff is not a whole number", given(truncation_cutoff=1.5)),
    ("mbstd_group_size is not a whole number", given(mbstd_group_size=-1)),
    ("an invalid mbstd_features", misfit),
]


@pytest.mark.parametrize(("sentence", "change"), REFUSED)
def test_other_networks_are_refused_in_one_sentence(
    sentence: str, change: Callable[[State, State, State], object]
) -> None:
    with pytest.raises(ItemError) as error:
        read("s2f_32", change)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_other_pickles_are_refused_in_one_sentence() -> None:
    network = load_pickle(goldens.tf_file("s1_32"))[2]
    older = Call(Global("tfutil.Network"), (), {"version": 2})
    cases: list[tuple[str, Any]] = [
        ("a single network", network),
        ("a single network", (network, network)),
        ("Progressive GAN", (older, older, older)),
        ("Progressive GAN", older),
        ("no StyleGAN in it", (network, network, 5)),
        ("no StyleGAN in it", ()),
        ("no StyleGAN in it", [1, 2, 3]),
        ("not one of TensorFlow's", (Call(network.function, (), None),) * 3),
    ]
    for sentence, value in cases:
        with pytest.raises(ItemError, match=sentence):
            tensorflow.read(value)
