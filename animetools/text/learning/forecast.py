"""What training a language model needs: memory and disk."""

from typing import Any

import torch
from torch import Tensor

from animetools.runs.forecast import Needs
from animetools.text.learning.config import TextConfig
from animetools.text.learning.learner import loss_of

FLOAT = 4  # bytes
MOMENTS = 2  # of AdamW, for each parameter


def needs(model: Any, config: TextConfig) -> Needs:
    """What a loaded model needs to learn, beside its weights; those are in memory already.

    That is gradients and moments, and whatever is larger: what a batch holds for its gradient, or a
    snapshot that is being written. What one window holds is measured.
    """
    parameters = sum(value.numel() for value in model.parameters())
    least = FLOAT * parameters * (1 + MOMENTS)
    writing = FLOAT * parameters * MOMENTS  # the moments' bytes, or a copy of the weights
    batch = config.batch * _held(model, config)
    return Needs(parameters, FLOAT * parameters * (1 + MOMENTS), least + max(batch, writing), least)


def _held(model: Any, config: TextConfig) -> int:
    """The bytes that a window holds until its gradients are computed."""
    own = {value.untyped_storage().data_ptr() for value in model.parameters()}
    seen: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return value

    model.train()
    ids = torch.zeros(1, config.context, dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        loss = loss_of(model, ids, config.dtype)
    vocabulary: int = model.get_output_embeddings().weight.shape[0]
    del loss
    return sum(seen.values()) + 2 * FLOAT * config.context * vocabulary  # the logits' gradients
