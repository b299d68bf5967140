"""Causal language models as Hugging Face keeps them: found, told apart, and loaded safely."""

import hashlib
import json
import os
import re
from importlib.util import find_spec
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from animetools.errors import FatalError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from animetools.text.models.model import Model

SHIPPED = os.path.join(os.path.dirname(__file__), "default")
CONFIG = "config.json"
WEIGHTS = (".safetensors", ".bin")
FILES = ["*.json", "*.txt", "*.model"]  # what a model has besides its weights
LARGEST_CONFIG = 1 << 20  # bytes
MOST_LAYERS = 1024
HERE = {"local_files_only": True, "trust_remote_code": False}


def locate(name: str) -> str:
    """The folder of the model that `name` means.

    A folder is itself, and nothing is asked of the network for it; `default` is the model that ships
    with the suite; any other name is one of huggingface.co's, downloaded once.

    Raises FatalError, with the cure, if there is no such model, it cannot be had, or it lacks weights
    and so may be of a kind that cannot write.
    """
    path = SHIPPED if name == "default" else name
    if os.path.isfile(path):
        raise FatalError(f"--model {path} is a file: name the folder that it lies in")
    if not os.path.isdir(path):
        if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name, re.ASCII):
            raise FatalError(
                f"--model {path} does not exist; name a folder, or a model by its name"
            )
        path = _download(name)
    names = _names(path)
    if CONFIG not in names:
        raise FatalError(f"--model {path} is no language model: it has no {CONFIG}")
    if not _weights(names):
        if find_spec("transformers"):
            _described(path)  # may be of a kind that cannot write: weights would not help
        raise FatalError(f"--model {path} has no weights: no *.safetensors, no *.bin")
    return path


def identity(folder: str) -> str:
    """The SHA-256 of all that a model's texts depend on, in hexadecimal.

    Raises FatalError if a file cannot be read.
    """
    total = hashlib.sha256()
    names = _names(folder)
    kept = [name for name in names if name.endswith((".json", ".txt", ".model"))]
    try:
        for name in sorted([*kept, *_weights(names)]):
            with open(os.path.join(folder, name), "rb") as file:
                total.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    except OSError as why:
        raise FatalError(f"{why.filename or folder} cannot be read: {why.strerror}") from why
    return total.hexdigest()


def opened(folder: str, device: "torch.device", dtype: str) -> "Model":
    """The model of a folder, to write and read with, on a device in fp32, bf16 or int8.

    Raises FatalError as load does.
    """
    config = _config(folder)
    from animetools.text.models import gpt2

    if model := gpt2.opened(folder, config, device, dtype):
        return model
    if not find_spec("transformers"):
        raise FatalError(
            f"--model {folder} is not a GPT-2 and needs transformers: pip install 'animetools[text]'"
        )
    from animetools.text.models import foreign

    return foreign.opened(folder, device, dtype)


def load(folder: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model of a folder, in float32 on the CPU, and its tokenizer; nothing of it is executed.

    Raises FatalError, in one sentence, for what is no causal language model that transformers knows,
    is damaged, or lacks weights.
    """
    config = _described(folder)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with torch.device("meta"):
            described = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        _check_size(folder, sum(each.numel() for each in described.parameters()))
        found: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, weights_only=True, **HERE
        )
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, **HERE)
    except UnpicklingError as why:
        raise FatalError(
            f"--model {folder} has *.bin files with more than tensors in them"
        ) from why
    except FatalError:
        raise
    except Exception as why:  # a stranger's file makes the library stumble anyhow
        raise _cannot_be_loaded(folder, why) from why
    model, told = found
    if missing := sorted(told["missing_keys"]):
        raise FatalError(f"--model {folder} lacks {len(missing)} of its weights, as {missing[0]}")
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise FatalError(f"--model {folder} has no tokenizer")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise FatalError(f"--model {folder}: its tokenizer knows more words than the model")
    model.eval()
    return model, tokenizer


def _download(name: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        # Some keep their weights in several formats, and other things in folders.
        path = snapshot_download(
            name, allow_patterns=[*FILES, "*.safetensors"], ignore_patterns="*/*"
        )
        if not _weights(_names(path)):
            path = snapshot_download(name, allow_patterns=[*FILES, "*.bin"], ignore_patterns="*/*")
        return str(path)
    except (HfHubHTTPError, OSError, ValueError) as why:
        what = "it cannot be reached"
        if isinstance(why, GatedRepoError):
            what = "accept its license there, and set HF_TOKEN"
        elif isinstance(why, RepositoryNotFoundError | ValueError):
            what = "it has no model of that name, or a private one: set HF_TOKEN"
        elif isinstance(why, OSError) and why.errno:
            what = why.strerror or what
        raise FatalError(
            f"--model {name} is no folder here, and cannot be had from huggingface.co: {what}"
        ) from why


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as why:
        raise FatalError(f"--model {folder} cannot be read: {why.strerror}") from why


def _weights(names: list[str]) -> list[str]:
    """The files of weights; of two formats the safe one, as transformers chooses."""
    for ending in WEIGHTS:
        if found := [name for name in names if name.endswith(ending)]:
            return found
    return []


def _config(folder: str) -> dict[str, Any]:
    """The configuration of a model.

    Raises FatalError for a config.json that is none, or that asks for very many layers.
    """
    path = os.path.join(folder, CONFIG)
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_CONFIG + 1)
        config: Any = json.loads(text) if len(text) <= LARGEST_CONFIG else None
    except OSError as why:
        raise FatalError(f"{path} cannot be read: {why.strerror}") from why
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise FatalError(f"{path} is no configuration of a model")
    for key, value in config.items():
        if "layer" in key and type(value) is int and value > MOST_LAYERS:
            raise FatalError(f"{path}: {key} is {value}, more than {MOST_LAYERS}")
    return config


def _cannot_be_loaded(folder: str, why: Exception) -> FatalError:
    what = " ".join(str(why).split())
    if "ignore_mismatched_sizes" in what:  # advice for those who write programs
        what = "its weights are of other sizes than its configuration says"
    return FatalError(f"--model {folder} cannot be loaded: {what[:200] or type(why).__name__}")


def _described(folder: str) -> Any:
    """What transformers makes of the configuration of a model.

    Raises FatalError, with what it is, for a model that cannot continue a text.
    """
    kind = _config(folder).get("model_type")
    from transformers import CONFIG_MAPPING, AutoConfig, __version__
    from transformers.models.auto import modeling_auto as known
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if kind not in CONFIG_MAPPING:
        raise FatalError(
            f"--model {folder} cannot be loaded: transformers {__version__} does not know its kind"
            f" ({kind})"
        )
    try:
        config = AutoConfig.from_pretrained(folder, **HERE)
    except Exception as why:  # a stranger's file makes the library stumble anyhow
        raise _cannot_be_loaded(folder, why) from why
    kind = config.model_type
    writes = kind in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    name = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind.upper() if len(kind) < 7 else kind}"
    if config.is_encoder_decoder:
        what = "an encoder-decoder, which turns one text into another and cannot continue one"
    elif kind in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not (
        writes and getattr(config, "is_decoder", False)
    ):
        what = "a masked model, which cannot write text"
    elif not writes:
        what = "which is not a language model"
    else:
        return config
    raise FatalError(f"--model {folder} is {name}, {what}")


def _check_size(folder: str, numbers: int) -> None:
    """Raise FatalError if the configuration wants more numbers than the files of weights can hold."""
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in _weights(_names(folder)))
    if numbers > 2 * size:  # four bits each
        raise FatalError(f"--model {folder}: {numbers} weights are not in {size} bytes")
