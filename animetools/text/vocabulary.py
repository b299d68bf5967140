"""Tokenizers: trained on a text, or as a model has it."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerFast

from animetools.text.corpus import END

MOST = 50 << 20  # characters that a vocabulary is made from: more of them hardly change it


def trained(texts: Iterable[str], size: int, context: int) -> Any:
    """A byte-level BPE tokenizer of at most `size` tokens, as GPT-2 has; END is one of them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_first(texts), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        unk_token=END,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def give(model: Any, old: Any, new: Any) -> None:
    """Have a model read and write another tokenizer's tokens; those that both have keep their sense.

    The others begin as the mean of the old ones.
    """
    before = model.get_input_embeddings().weight.detach().clone()
    known, words = old.get_vocab(), new.get_vocab()
    model.resize_token_embeddings(len(new), mean_resizing=False)
    embedding: nn.Embedding = model.get_input_embeddings()
    rows = before.mean(0).repeat(embedding.weight.shape[0], 1)
    for word, number in words.items():
        if word in known:
            rows[number] = before[known[word]]
    embedding.weight.data.copy_(rows)
    model.config.bos_token_id = model.config.eos_token_id = new.eos_token_id


def _first(texts: Iterable[str]) -> Iterator[str]:
    """The texts up to MOST characters."""
    left = MOST
    for text in texts:
        if left <= 0:
            return
        left -= len(text)
        yield text
