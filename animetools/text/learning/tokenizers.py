"""Tokenizers: trained on a corpus, or exchanged for that of a model."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerFast

from animetools.text.corpus import END

MOST = 50 << 20  # characters to train a tokenizer on: more of them hardly change it
SAMPLE = 1 << 18  # characters by which a tokenizer is compared with a new one
SIZE = 4096  # tokens of that new one, and of a model from scratch
POOR = 1.5  # times as many tokens; with an English tokenizer English takes 1.1, code 2, Japanese 4
UNKNOWN = 0.001  # share of the tokens


def trained(texts: Iterable[str], size: int, context: int) -> Any:
    """A byte-level BPE tokenizer like GPT-2's, of at most `size` tokens, END among them."""
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
    tokenizer.train_from_iterator(_first(texts, MOST), trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        unk_token=END,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def advice(tokenizer: Any, texts: Iterable[str]) -> str:
    """Advice, if a tokenizer suits a corpus badly; otherwise empty.

    A new one is trained on every second text and compared on the others, so that the words of a small
    corpus do not favor it.
    """
    some = list(_first(texts, SAMPLE))
    others = some[1::2]
    if not others:
        return ""
    ids = [number for each in _ids(tokenizer, others) for number in each]
    new = sum(map(len, _ids(trained(some[::2], SIZE, SIZE), others)))
    unknown = tokenizer.unk_token_id
    lost = 0 if unknown == tokenizer.eos_token_id else ids.count(unknown) / max(len(ids), 1)
    if lost <= UNKNOWN and len(ids) <= POOR * new:
        return ""
    characters = sum(map(len, others))
    what = f"needs {len(ids) / characters:.2f} tokens a character, a new one {new / characters:.2f}"
    if lost > UNKNOWN:
        what = f"does not know {lost:.1%} of the text"
    return (
        f"the model's tokenizer suits this text badly: it {what}; make one with --vocab {SIZE}, or"
        f" train from scratch with --from-scratch --vocab {SIZE}"
    )


def give(model: Any, old: Any, new: Any) -> None:
    """Give a model another tokenizer: tokens that both have keep their embeddings.

    The others begin with the mean of the old embeddings.
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
    for settings in model.config, model.generation_config:
        settings.bos_token_id = settings.eos_token_id = new.eos_token_id


def _first(texts: Iterable[str], most: int) -> Iterator[str]:
    """The first texts, up to so many characters."""
    left = most
    for text in texts:
        if left <= 0:
            return
        left -= len(text)
        yield text


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return ids
