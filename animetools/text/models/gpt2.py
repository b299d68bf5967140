"""GPT-2 for inference: the forward pass alone.

transformers has it too, but importing that takes seconds of CPU time, and for a single text in int8 it
adds a fifth to the time of each token.
"""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor

from animetools.errors import FatalError
from animetools.text.models.cache import KVCache
from animetools.text.models.model import Model
from animetools.text.models.precision import cache_dtype, linear

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
PREFIX = "transformer."
PLAIN = {  # settings of the network below; a config may leave out any of them
    "add_cross_attention": (False,),
    "reorder_and_upcast_attn": (False,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "scale_attn_weights": (True,),
    "tie_word_embeddings": (True,),
    "quantization_config": (None,),
}
SIZES = "n_layer", "n_embd", "n_head", "n_positions", "vocab_size"


def load(folder: str, config: dict[str, Any], device: torch.device, dtype: str) -> Model | None:
    """The model of a folder, if it is a GPT-2 in the usual files; else None.

    Raises FatalError if weights are missing or differ in size from the config.
    """
    tokenizer = _tokenizer(folder, config) if _is_plain(folder, config) else None
    if not tokenizer:
        return None
    try:
        with safe_open(os.path.join(folder, WEIGHTS), "pt") as file:
            network = GPT2(_Weights(folder, file), config, device, dtype)
    except (OSError, SafetensorError) as why:
        raise FatalError(f"--model {folder} cannot be loaded: {why}") from why
    if tokenizer.size > config["vocab_size"]:
        raise FatalError(f"--model {folder}: its tokenizer has more tokens than the model")
    return Model(network, tokenizer, config["n_positions"])


class GPT2:
    """The network of "Language Models are Unsupervised Multitask Learners" (Radford et al. 2019)."""

    def __init__(
        self, weights: "_Weights", config: dict[str, Any], device: torch.device, dtype: str
    ) -> None:
        self.device = device
        self.heads: int = config["n_head"]
        layers, width, _, positions, vocabulary = (config[name] for name in SIZES)
        inner = config.get("n_inner") or 4 * width
        kind = torch.bfloat16 if dtype == "bf16" else torch.float32
        self.cache_dtype = cache_dtype(dtype)

        def tensor(name: str, *shape: int) -> Tensor:
            return weights.get(name, shape).to(device, kind)

        def norm(name: str) -> Callable[[Tensor], Tensor]:
            scale, bias = (tensor(f"{name}.{part}", width) for part in ("weight", "bias"))
            epsilon = config.get("layer_norm_epsilon", 1e-5)
            return lambda x: F.layer_norm(x, (width,), scale, bias, epsilon)

        def matrix(name: str, rows: int, columns: int, *, gelu: bool = False) -> Any:
            weight = tensor(f"{name}.weight", rows, columns).t()
            return linear(weight, tensor(f"{name}.bias", columns), dtype, gelu=gelu)

        self.tokens = tensor("wte.weight", vocabulary, width)
        self.positions = tensor("wpe.weight", positions, width)
        self.layers = [
            (
                norm(f"h.{n}.ln_1"),
                matrix(f"h.{n}.attn.c_attn", width, 3 * width),
                matrix(f"h.{n}.attn.c_proj", width, width),
                norm(f"h.{n}.ln_2"),
                matrix(f"h.{n}.mlp.c_fc", width, inner, gelu=True),
                matrix(f"h.{n}.mlp.c_proj", inner, width),
            )
            for n in range(layers)
        ]
        self.norm = norm("ln_f")
        self.head = linear(self.tokens, None, dtype)

    def next_logits(self, tokens: Tensor, positions: Tensor, cache: KVCache) -> Tensor:
        """Logits [n, vocabulary] of the token after int64 [n, t] tokens at [n, t] positions."""
        logits: Tensor = self.head(self._hidden(tokens, positions, cache)[:, -1])
        return logits.float()

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits [t, vocabulary] of the token after each of int64 [t] tokens."""
        positions = torch.arange(len(tokens), device=self.device)
        logits: Tensor = self.head(self._hidden(tokens[None], positions[None], KVCache(1))[0])
        return logits.float()

    def _hidden(self, tokens: Tensor, positions: Tensor, cache: KVCache) -> Tensor:
        """The output of the last layer, [n, t, width]."""
        x = F.embedding(tokens, self.tokens) + F.embedding(positions, self.positions)
        n, t, width = x.shape
        for layer, (before, attention, project, between, widen, narrow) in enumerate(self.layers):
            parts = attention(before(x)).to(self.cache_dtype).view(n, t, 3, self.heads, -1)
            query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
            attended = cache.attend(layer, query, (key, value), None, 0)
            x = x + project(attended.reshape(n, t, width).to(x.dtype))
            x = x + narrow(widen(between(x)))
        return self.norm(x)


class BPETokenizer:
    """The tokenizer of a folder, without transformers around it."""

    def __init__(self, tokenizer: Tokenizer, start: int, end: int) -> None:
        self.tokenizer = tokenizer
        self.start: int | None = start
        self.ends = frozenset([end])
        self.size = tokenizer.get_vocab_size()

    def encode(self, text: str, *, bare: bool = False) -> list[int]:
        """The tokens of a text; `bare` adds no special tokens around it."""
        tokens: list[int] = self.tokenizer.encode(text, add_special_tokens=not bare).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=False)
        return text


class _Weights:
    """The tensors of a file, under GPT-2's names with or without their prefix."""

    def __init__(self, folder: str, file: Any) -> None:
        self.folder = folder
        self.file = file
        self.names = set(file.keys())

    def get(self, name: str, shape: Sequence[int]) -> Tensor:
        """The tensor of this name.

        Raises FatalError if it is missing or has another shape.
        """
        full = PREFIX + name if PREFIX + name in self.names else name
        if full not in self.names:
            raise FatalError(
                f"--model {self.folder} lacks some of its weights, such as {PREFIX}{name}"
            )
        found = list(self.file.get_slice(full).get_shape())
        if found != list(shape):
            raise FatalError(f"--model {self.folder}: {full} is {found}, not {list(shape)}")
        tensor: Tensor = self.file.get_tensor(full)
        return tensor


def _is_plain(folder: str, config: dict[str, Any]) -> bool:
    """Whether the network is the one above, in the usual files."""
    sizes = [config.get(name) for name in SIZES]
    return (
        config.get("model_type") == "gpt2"
        and config.get("activation_function", "gelu_new") in ("gelu_new", "gelu_pytorch_tanh")
        and all(config.get(name, values[0]) in values for name, values in PLAIN.items())
        and all(type(size) is int and 0 < size < 1 << 31 for size in sizes)
        and config["n_embd"] % config["n_head"] == 0
        and type(config.get("n_inner") or 1) is int
        and type(config.get("layer_norm_epsilon", 1e-5)) is float
        and all(os.path.isfile(os.path.join(folder, name)) for name in (WEIGHTS, TOKENIZER))
    )


def _tokenizer(folder: str, config: dict[str, Any]) -> BPETokenizer | None:
    """The tokenizer, if the folder's files agree on its first and last token of a text."""
    start, end = config.get("bos_token_id"), config.get("eos_token_id")
    if type(start) is not int or type(end) is not int:
        return None
    try:
        tokenizer = Tokenizer.from_file(os.path.join(folder, TOKENIZER))
    except Exception:  # noqa: BLE001  the library has no class of its own; transformers says why
        return None
    named = _read(folder, "tokenizer_config.json")
    generation = _read(folder, "generation_config.json")
    if named is None or generation is None or generation.get("eos_token_id", end) != end:
        return None
    if named.get("clean_up_tokenization_spaces"):
        return None
    for key, number in (("bos_token", start), ("eos_token", end)):
        name = named.get(key, "<|endoftext|>")
        if not isinstance(name, str) or tokenizer.token_to_id(name) != number:
            return None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return BPETokenizer(tokenizer, start, end)


def _read(folder: str, name: str) -> dict[str, Any] | None:
    """The object of a JSON file: empty if the file is missing, None if it is malformed."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
