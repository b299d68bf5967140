"""Causal language models in Hugging Face folders: find, identify and load them safely."""

import hashlib
import json
import os
import re
from importlib.util import find_spec
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from animetools.errors import FatalError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHIPPED = os.path.join(os.path.dirname(__file__), "default")
CONFIG = "config.json"
WEIGHTS = (".safetensors", ".bin")
FILES = ["*.json", "*.txt", "*.model"]  # of a model, besides its weights
LARGEST_CONFIG = 1 << 20  # bytes
MOST_LAYERS = 1024
LOCAL = {"local_files_only": True, "trust_remote_code": False}


def locate(name: str) -> str:
    """The folder of the model that `name` means.

    A folder is itself, without any access to the network; `default` is the model that ships with
    animetools; any other name is a model at huggingface.co, downloaded once.

    Raises FatalError, with the cure, if the model does not exist, cannot be downloaded, has no
    weights, or is of a kind that cannot continue a text.
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
        raise FatalError(f"--model {path} is not a language model: it has no {CONFIG}")
    if not _weights(names):
        if find_spec("transformers"):
            _causal_config(path)  # of a kind that cannot write, weights would not help
        raise FatalError(f"--model {path} has no weights: *.safetensors or *.bin")
    return path


def identity(folder: str) -> str:
    """The SHA-256 of all files that a model's texts depend on, in hexadecimal.

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


def load(folder: str) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model of a folder, in float32 on the CPU, and its tokenizer; no code in it is executed.

    Raises FatalError, in one sentence, if it is not a causal language model that transformers knows,
    is damaged, or lacks weights.
    """
    config = _causal_config(folder)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        _check_size(folder, sum(each.numel() for each in empty.parameters()))
        found: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, weights_only=True, **LOCAL
        )
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except UnpicklingError as why:
        raise FatalError(
            f"--model {folder} has *.bin files that hold more than tensors: convert them to safetensors"
        ) from why
    except FatalError:
        raise
    except Exception as why:  # a malformed file makes the library raise anything
        raise _cannot_be_loaded(folder, why) from why
    model, info = found
    if missing := sorted(info["missing_keys"]):
        raise FatalError(
            f"--model {folder} lacks {len(missing)} of its weights, such as {missing[0]}"
        )
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise FatalError(f"--model {folder} has no tokenizer")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise FatalError(f"--model {folder}: its tokenizer has more tokens than the model")
    model.eval()
    return model, tokenizer


def _download(name: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        # Some hold their weights in several formats, and other things in subfolders.
        path = snapshot_download(
            name, allow_patterns=[*FILES, "*.safetensors"], ignore_patterns="*/*"
        )
        if not _weights(_names(path)):
            path = snapshot_download(name, allow_patterns=[*FILES, "*.bin"], ignore_patterns="*/*")
        return str(path)
    except (HfHubHTTPError, OSError, ValueError) as why:
        what = "the site cannot be reached"
        if isinstance(why, GatedRepoError):
            what = "accept its license there, and set HF_TOKEN"
        elif isinstance(why, RepositoryNotFoundError | ValueError):
            what = "no model there has that name, or it is private: then set HF_TOKEN"
        elif isinstance(why, OSError) and why.errno:
            what = why.strerror or what
        raise FatalError(
            f"--model {name} is not a folder, and cannot be downloaded from huggingface.co: {what}"
        ) from why


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as why:
        raise FatalError(f"--model {folder} cannot be read: {why.strerror}") from why


def _weights(names: list[str]) -> list[str]:
    """The files of weights, in the safer of the formats that are there, as transformers chooses."""
    for ending in WEIGHTS:
        if found := [name for name in names if name.endswith(ending)]:
            return found
    return []


def read_config(folder: str) -> dict[str, Any]:
    """The configuration of a model.

    Raises FatalError if config.json is malformed, or asks for very many layers.
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
        raise FatalError(f"{path} is not a configuration of a model")
    for key, value in config.items():
        if "layer" in key and type(value) is int and value > MOST_LAYERS:
            raise FatalError(f"{path}: {key} is {value}, more than {MOST_LAYERS}")
    return config


def _cannot_be_loaded(folder: str, why: Exception) -> FatalError:
    what = " ".join(str(why).split())
    if "ignore_mismatched_sizes" in what:  # advice for programmers
        what = "its weights differ in size from its configuration"
    return FatalError(f"--model {folder} cannot be loaded: {what[:200] or type(why).__name__}")


def _causal_config(folder: str) -> Any:
    """The configuration of a causal language model, as transformers reads it.

    Raises FatalError, naming its kind, for a model that cannot continue a text.
    """
    kind = read_config(folder).get("model_type")
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
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    except Exception as why:  # a malformed file makes the library raise anything
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
    """Raise FatalError if the configuration asks for more weights than the files can hold."""
    size = sum(os.path.getsize(os.path.join(folder, name)) for name in _weights(_names(folder)))
    if numbers > 2 * size:  # four bits each
        raise FatalError(
            f"--model {folder}: its files of {size} bytes are too small for {numbers} weights"
        )
