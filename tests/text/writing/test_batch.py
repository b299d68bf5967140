"""Texts generated in a batch, against transformers' own, and against each other."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from animetools.errors import Advice, FatalError, ItemError
from animetools.text.models.gpt2 import GPT2
from animetools.text.models.huggingface import HuggingFaceNetwork
from animetools.text.models.model import Tokenizer
from animetools.text.writing.batch import Batch
from animetools.text.writing.generation import Generation
from animetools.text.writing.local import LocalModel
from animetools.text.writing.sampler import Sampler
from tests.text.small_models import TOKENIZER, ready, small

PROMPTS = ["", "Title", "Title 7|The story", "The story of number 12, who counts to", "|"]


def gpt2() -> Any:
    return small(64)


def unusual() -> Any:
    """A GPT-2 whose later layers look more evenly."""
    return small(64, scale_attn_by_inverse_layer_idx=True)


def llama() -> Any:
    """Two heads of the query share one of the keys."""
    torch.manual_seed(2)
    sizes: Any = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads: Any = {"num_attention_heads": 4, "num_key_value_heads": 2}
    words: Any = {"vocab_size": len(TOKENIZER), "max_position_embeddings": 64}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads, **words))


def mistral() -> Any:
    """A token sees seven before it."""
    torch.manual_seed(3)
    sizes: Any = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads: Any = {"num_attention_heads": 2, "num_key_value_heads": 2, "sliding_window": 8}
    words: Any = {"vocab_size": len(TOKENIZER), "max_position_embeddings": 64}
    return MistralForCausalLM(MistralConfig(**sizes, **heads, **words))


KINDS = pytest.mark.parametrize("make", [gpt2, unusual, llama, mistral])


def endless(
    model: Any, sampler: Sampler, max_tokens: int | None = None, dtype: str = "fp32"
) -> Batch:
    """A batch whose texts never meet an end token, so that they are long."""
    made = Batch(ready(model, dtype), sampler, max_tokens)
    made.ends = frozenset()
    return made


def written(made: Batch, asked: list[tuple[str, int]]) -> list[list[int]]:
    """The tokens of texts that are asked for all at once, or as soon as a slot is free."""
    texts = [Generation(prompt, np.random.default_rng([seed, 0])) for prompt, seed in asked]
    waiting = texts[::-1]
    while waiting or made.texts:
        while waiting and len(made.texts) < made.slots:
            made.add(waiting.pop())
        if made.texts:
            made.step()
    for text in texts:
        text.result.result(0)
    return [text.tokens for text in texts]


def shortfall(model: Any, prompt: str, tokens: list[int]) -> float:
    """By how much a text's tokens fall short of the likeliest, as transformers computes them."""
    start = [TOKENIZER.bos_token_id, *(TOKENIZER(prompt).input_ids if prompt else [])]
    logits = model.eval()(torch.tensor([start + tokens])).logits[0, len(start) - 1 : -1]
    chosen = logits.gather(1, torch.tensor(tokens)[:, None])[:, 0]
    return float((logits.amax(1) - chosen).max().detach())


@KINDS
def test_the_likeliest_texts_are_those_of_transformers(make: Any) -> None:
    made = endless(make(), Sampler(temperature=0), 24)
    texts = written(made, [(prompt, 0) for prompt in PROMPTS])
    for prompt, tokens in zip(PROMPTS, texts, strict=True):
        assert len(tokens) == 24
        assert shortfall(make(), prompt, tokens) < 1e-4


@KINDS
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8"])
def test_a_text_is_the_same_alone_and_in_any_company(make: Any, dtype: str) -> None:
    made = endless(make(), Sampler(temperature=1, top_k=0), 16, dtype)
    asked = [(PROMPTS[n % len(PROMPTS)], n) for n in range(made.slots + 5)]
    together = written(made, asked)
    assert len({tuple(tokens) for tokens in together}) == len(asked)
    for n in (0, made.slots, len(asked) - 1):
        assert written(made, asked[n : n + 1]) == [together[n]]
    assert written(made, asked[::-1]) == together[::-1]
    assert written(made, asked[5:8]) == together[5:8]


def test_a_usual_gpt2_is_run_without_transformers() -> None:
    assert isinstance(ready(gpt2()).network, GPT2)
    assert isinstance(ready(unusual()).network, HuggingFaceNetwork)


@pytest.mark.parametrize("dtype", ["fp32", "bf16", "int8"])
def test_what_is_read_is_what_transformers_reads(dtype: str) -> None:
    tokens = torch.tensor(TOKENIZER("Title 7|The story of number 12, who counts to").input_ids)
    for make in (gpt2, unusual):
        with torch.inference_mode():
            wanted = make().eval()(tokens[None]).logits[0]
            found = ready(make(), dtype).network.logits(tokens)
        assert (found - wanted).abs().max() < (1e-5 if dtype == "fp32" else 0.05) * wanted.std()


def test_int8_and_bf16_are_near_fp32() -> None:
    logits = {}
    for dtype in ("fp32", "bf16", "int8"):
        made = endless(gpt2(), Sampler(), dtype=dtype)
        with torch.inference_mode():
            logits[dtype] = made.decoder.prefill(0, TOKENIZER("Title 7|The story").input_ids)
    spread = logits["fp32"].std()
    assert (logits["bf16"] - logits["fp32"]).std() < 0.03 * spread
    assert (logits["int8"] - logits["fp32"]).std() < 0.03 * spread


def test_the_cache_grows_with_the_text() -> None:
    model = gpt2()
    model.config.max_position_embeddings = 600
    model.transformer.wpe = torch.nn.Embedding(600, 64)
    made = endless(model, Sampler(temperature=0), 300)
    for tokens in written(made, [("Title", 0), ("The", 0)]):
        assert len(tokens) == 300
    assert shortfall(model, "The", tokens) < 1e-4


def test_a_long_prompt_is_cut_from_the_left() -> None:
    made = endless(gpt2(), Sampler(temperature=0), 24)
    long = "The story of number 12, who counts to 84. " * 20
    with pytest.warns(Advice, match="longer than 40 tokens are cut from the left"):
        (tokens,) = written(made, [(long, 0)])
    assert len(tokens) == 24
    kept = TOKENIZER(long).input_ids[-40:]
    assert made.decoder.prompt is not None and made.decoder.prompt[0] == kept


def test_a_text_ends_where_the_context_does() -> None:
    made = endless(gpt2(), Sampler(), 1000)
    with pytest.warns(Advice, match="longer than 32 tokens"):
        texts = written(made, [("", 0), ("The story of number " * 40, 1)])
    assert [len(tokens) for tokens in texts] == [63, 32]


def test_a_prompt_that_leaves_too_little_room_is_told() -> None:
    made = endless(gpt2(), Sampler(), 60)
    with pytest.warns(Advice, match=r"--max-tokens 60 and a prompt of \d+ tokens exceed"):
        (tokens,) = written(made, [("The story of number 12", 1)])
    assert len(tokens) < 60


def test_the_token_of_the_end_can_be_kept() -> None:
    made = endless(gpt2(), Sampler(temperature=1, top_k=0), 60)
    (whole,) = written(made, [("", 3)])
    made.ends, made.keep_markers = frozenset([whole[5]]), True
    (cut,) = written(made, [("", 3)])
    assert cut == whole[: whole.index(whole[5]) + 1]


def test_a_text_stops_at_its_end() -> None:
    made = endless(gpt2(), Sampler(temperature=1, top_k=0), 60)
    (whole,) = written(made, [("", 3)])
    made.ends = frozenset([whole[5]])
    (cut,) = written(made, [("", 3)])
    assert cut == whole[: whole.index(whole[5])]


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, -50.0, 1.5]]).expand(4000, 5)
    chances = torch.linspace(0, 1, 4001)[:-1]

    def shares(sampler: Sampler) -> list[float]:
        drawn = sampler.draw(logits, chances)
        return [round((drawn == n).float().mean().item(), 2) for n in range(5)]

    def softmax(values: list[float]) -> list[float]:
        return [round(p, 2) for p in torch.tensor(values).softmax(0).tolist()]

    out = -100.0
    assert shares(Sampler(1.0, 0)) == softmax([0, 2, 1, out, 1.5])
    assert shares(Sampler(0.5, 3)) == softmax([out, 4, 2, out, 3])
    assert shares(Sampler(1.0, 0, 0.5)) == softmax([out, 2, out, out, 1.5])
    assert shares(Sampler(1.0, 0, 1e-9)) == [0, 1, 0, 0, 0]
    assert shares(Sampler(0.0)) == [0, 1, 0, 0, 0]


def test_nan_fails_the_text() -> None:
    model = gpt2()
    model.transformer.ln_f.weight.data[3] = torch.nan
    made = endless(model, Sampler())
    with pytest.raises(ItemError, match="the model returned NaN"):
        written(made, [("", 0)])


def test_an_attention_that_is_not_known_is_refused() -> None:
    from transformers import BloomConfig, BloomForCausalLM

    model = BloomForCausalLM(BloomConfig(vocab_size=300, hidden_size=64, n_layer=1, n_head=2))
    with pytest.raises(FatalError, match="--model is a bloom, whose attention"):
        endless(model, Sampler())


def test_what_ends_the_local_model_ends_every_text() -> None:
    def fail() -> Batch:
        raise FatalError("no model")

    model = LocalModel(fail)
    for _ in range(2):
        with pytest.raises(FatalError, match="no model"):
            model.write("", 0, 0)
    model.close()


def test_a_local_model_gives_each_thread_its_text() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def load() -> Batch:
        return endless(gpt2(), Sampler(temperature=1), 12)

    model = LocalModel(load)
    with ThreadPoolExecutor(model.at_once) as pool:
        texts = list(pool.map(lambda seed: model.write("Title", seed, 0), range(40)))
    model.close()
    alone = LocalModel(load)
    assert [alone.write("Title", seed, 0) for seed in (0, 17, 39)] == [
        texts[seed] for seed in (0, 17, 39)
    ]
    assert alone.write("Title", 0, 1) != texts[0]
    alone.close()


@given(
    st.text() | st.lists(st.sampled_from(["<|endoftext|>", " he", "猫", "\n", "'s"])).map("".join)
)
def test_tokens_are_those_of_transformers(text: str) -> None:
    ours, theirs = ready_tokenizers()
    for bare in (False, True):
        tokens = ours.encode(text, bare=bare)
        assert tokens == theirs.encode(text, bare=bare)
        assert ours.decode(tokens) == theirs.decode(tokens) == text
    assert (ours.start, ours.ends) == (theirs.start, theirs.ends)


@cache
def ready_tokenizers() -> tuple[Tokenizer, Tokenizer]:
    """The same tokenizer, of a usual GPT-2 and of an unusual one."""
    return ready(gpt2()).tokenizer, ready(unusual()).tokenizer
