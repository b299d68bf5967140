"""Language models so small that tests can train them."""

from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from animetools.text.learning.tokenizers import trained
from animetools.text.models.inference import load_for_inference
from animetools.text.models.model import Model

TEXTS = [f"Title {n}|The story of number {n}, who counts to {n * 7}." for n in range(200)]
TOKENIZER = trained(TEXTS, 300, 64)


def small(width: int = 32, dropout: float = 0.0, vocabulary: Any = TOKENIZER, **others: Any) -> Any:
    """A GPT-2 of two layers and 64 positions, with the same weights each time."""
    torch.manual_seed(1)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(vocabulary),
            n_positions=64,
            n_embd=width,
            n_layer=2,
            n_head=2,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=vocabulary.eos_token_id,
            eos_token_id=vocabulary.eos_token_id,
            **others,
        )
    )


def ready(model: Any, dtype: str = "fp32") -> Model:
    """A model of transformers, saved to a folder and loaded from it."""
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        TOKENIZER.save_pretrained(folder)
        return load_for_inference(folder, torch.device("cpu"), dtype)
