"""Models of every kind that transformers knows, in the form that generation needs."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

from animetools.errors import FatalError
from animetools.text.models.cache import KVCache
from animetools.text.models.loading import load
from animetools.text.models.model import UNBOUNDED, Model
from animetools.text.models.precision import linear

ATTENTION = "animetools"  # the name under which transformers calls our attention


def load_for_inference(folder: str, device: torch.device, dtype: str) -> Model:
    """The model of a folder, on a device.

    Raises FatalError as load does.
    """
    model, tokenizer = load(folder)
    config = model.generation_config
    ends = config.eos_token_id if config else None
    known = {tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])} - {None}
    _optimize(model, device, dtype)
    context = getattr(model.config, "max_position_embeddings", None) or UNBOUNDED
    return Model(
        HuggingFaceNetwork(model), HuggingFaceTokenizer(tokenizer, frozenset(known)), context
    )


class HuggingFaceNetwork:
    """A network of transformers, with our attention and KV cache where its kind allows that."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.device: torch.device = model.device
        if model._supports_attention_backend:
            AttentionInterface.register(ATTENTION, _attention)
            model.set_attn_implementation(ATTENTION)

    def next_logits(self, tokens: Tensor, positions: Tensor, cache: KVCache) -> Tensor:
        """Logits [n, vocabulary] of the token after int64 [n, t] tokens at [n, t] positions.

        Raises FatalError for a kind of model that cannot use our attention.
        """
        if not self.model._supports_attention_backend:
            raise FatalError(
                f"--model is a {self.model.config.model_type}, whose attention is not supported:"
                " choose another model"
            )
        result: Any = self.model(
            input_ids=tokens,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=1,
            kv_cache=cache,
        )
        logits: Tensor = result.logits
        return logits[:, -1].float()

    def logits(self, tokens: Tensor) -> Tensor:
        """Logits [t, vocabulary] of the token after each of int64 [t] tokens."""
        cache = {"kv_cache": KVCache(1)} if self.model._supports_attention_backend else {}
        result: Any = self.model(input_ids=tokens[None], use_cache=False, **cache)
        logits: Tensor = result.logits
        return logits[0].float()


class HuggingFaceTokenizer:
    """A tokenizer of transformers."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]) -> None:
        self.tokenizer = tokenizer
        self.ends = ends
        self.start: int | None = tokenizer.bos_token_id
        if self.start is None:
            self.start = tokenizer.eos_token_id

    def encode(self, text: str, *, bare: bool = False) -> list[int]:
        """The tokens of a text; `bare` adds no special tokens around it."""
        encoded = self.tokenizer(text, add_special_tokens=not bare, verbose=False)
        tokens: list[int] = encoded.input_ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return str(self.tokenizer.decode(list(tokens)))


def _optimize(model: PreTrainedModel, device: torch.device, dtype: str) -> None:
    """Move the model to its device, and replace its matrices by our fast ones."""
    module: nn.Module = model
    if dtype == "bf16":
        module.to(torch.bfloat16)
    module.to(device)
    for parent in [*module.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear | Conv1D):
                weight = child.weight if isinstance(child, nn.Linear) else child.weight.t()
                setattr(parent, name, linear(weight.detach(), child.bias, dtype))
            elif isinstance(child, NewGELUActivation):  # the same function, in eight steps
                setattr(parent, name, nn.GELU("tanh"))


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    kv_cache: KVCache,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it.

    Raises FatalError for variants that the KV cache does not have.
    """
    if softcap is not None or s_aux is not None or attention_mask is not None:
        raise FatalError(
            "--model uses a variant of attention that is not supported: choose another model"
        )
    layer = module.layer_idx
    assert isinstance(layer, int)
    return kv_cache.attend(layer, query, (key, value), scaling, sliding_window or 0), None
