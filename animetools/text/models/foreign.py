"""Models of any kind that transformers knows, in the form that texts are written with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel, PreTrainedTokenizerBase
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

from animetools.errors import FatalError
from animetools.text.models.decoder import Memory
from animetools.text.models.loading import load
from animetools.text.models.model import UNBOUNDED, Model
from animetools.text.models.precision import linear

ATTENTION = "animetools"  # the name of the one that looks into the memory


def opened(folder: str, device: torch.device, dtype: str) -> Model:
    """The model of a folder.

    Raises FatalError as load does.
    """
    return adapted(*load(folder), device, dtype)


def adapted(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, device: torch.device, dtype: str
) -> Model:
    """A model of transformers' and its tokenizer, on a device; it is changed."""
    told = model.generation_config.eos_token_id if model.generation_config else None
    ends = {tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])} - {None}
    _prepare(model, device, dtype)
    context = getattr(model.config, "max_position_embeddings", None) or UNBOUNDED
    return Model(Foreign(model), ForeignWords(tokenizer, frozenset(ends)), context)


class Foreign:
    """A network of transformers', with our attention where it takes another."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.device: torch.device = model.device
        if model._supports_attention_backend:
            AttentionInterface.register(ATTENTION, _attend)
            model.set_attn_implementation(ATTENTION)

    def next(self, tokens: Tensor, positions: Tensor, memory: Memory) -> Tensor:
        """Logits [n, vocabulary] of what follows the last of tokens int64 [n, t] at positions [n, t]."""
        if not self.model._supports_attention_backend:
            raise FatalError(
                f"--model is a {self.model.config.model_type}, whose attention cannot be run here"
            )
        made: Any = self.model(
            input_ids=tokens,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=1,
            memory=memory,
        )
        logits: Tensor = made.logits
        return logits[:, -1].float()

    def read(self, tokens: Tensor) -> Tensor:
        """Logits [t, vocabulary] of what follows each of tokens int64 [t]."""
        memory = {"memory": Memory(1)} if self.model._supports_attention_backend else {}
        made: Any = self.model(input_ids=tokens[None], use_cache=False, **memory)
        logits: Tensor = made.logits
        return logits[0].float()


class ForeignWords:
    """A tokenizer of transformers'."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, ends: frozenset[int]) -> None:
        self.tokenizer = tokenizer
        self.ends = ends
        self.start: int | None = tokenizer.bos_token_id
        if self.start is None:
            self.start = tokenizer.eos_token_id

    def encode(self, text: str, *, bare: bool = False) -> list[int]:
        """The tokens of a text; `bare` adds none that stand around it."""
        made = self.tokenizer(text, add_special_tokens=not bare, verbose=False)
        tokens: list[int] = made.input_ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        return str(self.tokenizer.decode(list(tokens)))


def _prepare(model: PreTrainedModel, device: torch.device, dtype: str) -> None:
    """Put the model on its device, with its matrices as fast as can be."""
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


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    memory: Memory,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it, for what is told and nothing else."""
    if softcap is not None or s_aux is not None or attention_mask is not None:
        raise FatalError("--model has an attention of another kind, which cannot be run here")
    layer = module.layer_idx
    assert isinstance(layer, int)
    return memory.attend(layer, query, (key, value), scaling, sliding_window or 0), None
