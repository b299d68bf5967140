"""GPT-2 models with random weights, to train from scratch."""

from typing import Any

SIZES = {  # layers, width, heads, context in tokens
    "tiny": (4, 224, 7, 256),
    "small": (6, 384, 6, 512),
    "gpt2": (12, 768, 12, 1024),
}


def model(size: str, tokenizer: Any, seed: int) -> Any:
    """A GPT-2 of one of SIZES for this tokenizer, with random weights and without dropout."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    layers, width, heads, context = SIZES[size]
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=context,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            activation_function="gelu_pytorch_tanh",  # GPT-2's, as one operation
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
