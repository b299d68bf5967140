"""Models that are there, that are not, and that mean harm."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertLMHeadModel,
    DistilBertConfig,
    RobertaConfig,
    T5Config,
    ViTConfig,
)

from animetools.errors import FatalError
from animetools.text.models.inference import load_for_inference
from animetools.text.models.loading import identity, load, locate
from animetools.text.writing.batch import Batch
from animetools.text.writing.generation import Generation
from animetools.text.writing.sampler import Sampler
from tests.conftest import ROOT
from tests.text.small_models import TOKENIZER, small

Opener = Callable[[str], Any]
OPENERS = pytest.mark.parametrize(
    "opener",
    [load, lambda folder: load_for_inference(folder, torch.device("cpu"), "fp32")],
    ids=["load", "load_for_inference"],
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder as save_pretrained writes it."""
    folder = tmp_path / "model"
    small().half().save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


def changed(folder: Path, **values: Any) -> None:
    """Values of config.json that are others now."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_is_a_model_in_float32(model: Path) -> None:
    assert locate(str(model)) == str(model)
    built, tokenizer = load(str(model))
    assert {each.dtype for each in built.parameters()} == {torch.float32}
    assert not built.training
    wanted = small().half().float().state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in built.state_dict().items())
    assert tokenizer.decode(tokenizer("猫 and dog").input_ids) == "猫 and dog"


def test_its_identity_is_what_its_texts_depend_on(model: Path) -> None:
    before = identity(str(model))
    (model / "README.md").write_text("a card")
    shutil.copytree(model, model.parent / "elsewhere")
    assert identity(str(model)) == identity(str(model.parent / "elsewhere")) == before
    changed(model, layer_norm_epsilon=0.1)
    assert identity(str(model)) != before


def test_weights_of_pytorch_are_read_as_tensors_alone(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    (model / "model.safetensors").unlink()
    torch.save(weights, model / "pytorch_model.bin")
    built, _ = load(str(model))
    assert torch.equal(
        built.state_dict()["transformer.wpe.weight"], weights["transformer.wpe.weight"].float()
    )

    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(model / "harm"),)

    torch.save(weights | {"harm": Harm()}, model / "pytorch_model.bin")
    with pytest.raises(FatalError, match="more than tensors"):
        load(str(model))
    assert not (model / "harm").exists()


def test_code_that_lies_beside_a_model_is_not_run(model: Path) -> None:
    (model / "evil.py").write_text(f"import os\nos.mkdir({str(model / 'harm')!r})\n")
    names = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M", "AutoTokenizer": "evil.T"}
    changed(model, model_type="evil", auto_map=names)
    with pytest.raises(FatalError, match="cannot be loaded"):
        load(str(model))
    assert not (model / "harm").exists()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"n_layer": 10**6}, "n_layer is 1000000, more than 1024"),
        ({"vocab_size": 10**9}, r"too small for \d+ weights|not \[1000000000, 32\]"),
        ({"n_embd": 10**7}, r"too small for \d+ weights|not \[300, 10000000\]"),
        ({"n_layer": 3}, r"lacks \w+ of its weights, such as transformer.h.2"),
        ({"model_type": "nonsense"}, "cannot be loaded"),
        ({"n_embd": "wide"}, "cannot be loaded"),
        ({"n_head": 7}, "cannot be loaded"),
        ({"n_positions": 63}, r"cannot be loaded|not \[63, 32\]"),
        ({"n_inner": 100}, r"cannot be loaded|not \[32, 100\]"),
    ],
)
@OPENERS
def test_a_configuration_that_lies_is_one_sentence(
    model: Path, values: dict[str, Any], why: str, opener: Opener
) -> None:
    changed(model, **values)
    with pytest.raises(FatalError, match=why) as caught:
        opener(str(model))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, " " * (1 << 21)])
@OPENERS
def test_a_configuration_that_is_none(model: Path, text: str, opener: Opener) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(FatalError, match="is not a configuration of a model"):
        opener(str(model))


@OPENERS
def test_weights_that_are_cut_or_missing(model: Path, opener: Opener) -> None:
    path = model / "model.safetensors"
    data = path.read_bytes()
    weights = {name: each.clone() for name, each in load_file(path).items()}  # not of the file
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FatalError, match="cannot be loaded"):
        opener(str(model))
    del weights["transformer.h.1.attn.c_attn.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(FatalError, match=r"lacks \w+ of its weights, such as transformer.h.1.attn"):
        opener(str(model))
    path.unlink()
    with pytest.raises(FatalError, match="has no weights"):
        locate(str(model))


@OPENERS
def test_a_tokenizer_that_is_missing_or_too_large(model: Path, opener: Opener) -> None:
    words = small()
    words.resize_token_embeddings(20)
    words.save_pretrained(model)
    with pytest.raises(FatalError, match="has more tokens than the model"):
        opener(str(model))
    (model / "tokenizer.json").unlink()
    (model / "tokenizer_config.json").unlink()
    with pytest.raises(FatalError, match="has no tokenizer"):
        opener(str(model))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("model/config.json", "is a file: name the folder"),
        ("empty", "is not a language model: it has no config.json"),
        ("./gone", "does not exist"),
        ("../gone/there/too", "does not exist"),
        ("a b", "does not exist"),
    ],
)
def test_what_is_no_model_is_one_sentence(
    model: Path, name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)
    Path("empty").mkdir()
    with pytest.raises(FatalError, match=why):
        locate(name)


def test_a_name_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FatalError, match=r"cannot be downloaded from huggingface\.co") as caught:
        locate("nobody/nothing-of-this-name")
    assert "\n" not in str(caught.value)


def test_what_cannot_write_is_called_what_it_is(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"vocab_size": len(TOKENIZER), "intermediate_size": 32}
    for name, config, said in [
        ("bert", BertConfig(**sizes), "is a BERT, a masked model, which cannot write text"),
        ("roberta", RobertaConfig(**sizes), "is a roberta, a masked model, which cannot write"),
        ("distilbert", DistilBertConfig(), "is a distilbert, a masked model"),
        ("t5", T5Config(), "is a T5, an encoder-decoder, which turns one text into another"),
        ("vit", ViTConfig(), "is a VIT, which is not a language model"),
    ]:
        folder = tmp_path / name
        config.save_pretrained(folder)
        with pytest.raises(FatalError, match=said):
            locate(str(folder))  # without weights it is the same
        (folder / "model.safetensors").write_bytes(b"")
        for opener in OPENERS.args[1]:
            with pytest.raises(FatalError) as caught:
                opener(str(folder))
            assert str(caught.value).endswith(said) or said in str(caught.value)
    BertLMHeadModel(BertConfig(**sizes, is_decoder=True)).save_pretrained(tmp_path / "decoder")
    TOKENIZER.save_pretrained(tmp_path / "decoder")
    load(str(tmp_path / "decoder"))


def test_what_is_said_is_no_advice_for_programmers(model: Path) -> None:
    for values in ({"n_positions": 63}, {"model_type": "nonsense"}):
        changed(model, **values)
        with pytest.raises(FatalError) as caught:
            load(str(model))
        assert "ignore_mismatched" not in str(caught.value)
        assert "Transformers" not in str(caught.value)


def test_a_model_of_others_writes_what_it_is_known_to_write() -> None:
    folder = ROOT.parent / "shared" / "data" / "found" / "text"
    if not folder.is_dir():
        pytest.skip("no models of others are here")
    model = load_for_inference(str(folder / "stories260K-hf"), torch.device("cpu"), "fp32")
    made = Batch(model, Sampler(temperature=0), 196)
    text = Generation("Once upon a time", np.random.default_rng(0))
    made.add(text)
    while made.texts:
        made.step()
    wanted = (folder / "stories260K.expected.txt").read_text()
    assert f"{text.prompt}{text.result.result()}".rstrip() == wanted.rstrip()
