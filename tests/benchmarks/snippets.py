"""gptsnip against transformers' own generate, and against a process for every text.

    PYTHONPATH=. .venv/bin/python tests/benchmarks/snippets.py [SAMPLES [TOKENS [STEPS]]]

A GPT-2 small (124 M) with random weights. First SAMPLES texts of TOKENS tokens by one run of gptsnip,
and one by a process of its own, as "This Waifu Does Not Exist" wrote them: per text, start and
loading included, and memory. Then tokens a second, of STEPS tokens, for one text and for sixteen at
once, all by turns, best of three. Seconds are the processor's, which other work on the machine
disturbs least.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from animetools.text.models.inference import load_for_inference
from animetools.text.models.loading import SHIPPED
from animetools.text.writing.batch import Batch
from animetools.text.writing.generation import Generation
from animetools.text.writing.sampler import Sampler
from tests.conftest import ROOT

ROUNDS = 3
DTYPES = ("fp32", "bf16", "int8")
ALONE = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
start = torch.zeros(1, 1, dtype=torch.long)
n = int(sys.argv[2])
made = model.generate(start, do_sample=True, top_k=30, temperature=0.7, min_new_tokens=n,
                      max_new_tokens=n, pad_token_id=0)
AutoTokenizer.from_pretrained(sys.argv[1]).decode(made[0])
"""


def main() -> None:
    warnings.simplefilter("ignore")
    given = [int(word) for word in sys.argv[1:]]
    samples, tokens, steps = [*given, *(64, 200, 40)[len(given) :]]
    with tempfile.TemporaryDirectory() as folder:
        model = f"{folder}/model"
        # Elsewhere: a child's memory is counted from what its parent had when it began.
        maker = multiprocessing.get_context("spawn").Process(target=random_model, args=[model])
        maker.start()
        maker.join()
        whole_runs(folder, model, samples, tokens)
        speeds(model, steps)


def random_model(folder: str) -> None:
    """GPT-2 small as a folder; the words are those of the model that ships."""
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        Path(folder, name).write_bytes(Path(SHIPPED, name).read_bytes())


def speeds(folder: str, steps: int) -> None:
    """A line for each way and each number of texts, on one thread."""
    torch.set_num_threads(1)
    model: Any = GPT2LMHeadModel.from_pretrained(folder)
    model.eval()
    ways: dict[str, Callable[[int], None]] = {
        "transformers fp32": lambda count: theirs(model, count, steps)
    }
    for dtype in DTYPES:
        batch = Batch(load_for_inference(folder, torch.device("cpu"), dtype), Sampler(), steps)
        batch.ends = frozenset()
        ways[f"gptsnip {dtype}"] = lambda count, batch=batch: ours(batch, count)  # type: ignore[misc]
    print(f"one thread, {steps} tokens")
    for count in (1, 16):
        seconds = dict.fromkeys(ways, float("inf"))
        for _ in range(ROUNDS):
            for name, write in ways.items():
                before = time.process_time()
                write(count)
                seconds[name] = min(seconds[name], time.process_time() - before)
        base = seconds["transformers fp32"]
        for name, taken in seconds.items():
            speed = count * steps / taken
            print(f"{count:2} at once  {name:18} {speed:7.1f} tokens/s  {base / taken:5.2f} x")


@torch.inference_mode()
def theirs(model: Any, count: int, steps: int) -> None:
    """Texts by transformers' generate."""
    start = torch.zeros(count, 1, dtype=torch.long)
    model.generate(
        start,
        attention_mask=torch.ones_like(start),
        do_sample=True,
        top_k=30,
        temperature=0.7,
        min_new_tokens=steps,
        max_new_tokens=steps,
        pad_token_id=0,
    )


def ours(batch: Batch, count: int) -> None:
    """The same by gptsnip's own."""
    for seed in range(count):
        batch.add(Generation("", np.random.default_rng([seed, 0])))
    while batch.texts:
        batch.step()


def whole_runs(folder: str, model: str, samples: int, tokens: int) -> None:
    """A process for a text against one run for all."""
    alone = measured([sys.executable, "-W", "ignore", "-c", ALONE, model, str(tokens)], folder)
    print(f"a process per text: {alone[0]:.1f} s per text of {tokens} tokens, {alone[1]:.2f} GB")
    for dtype in DTYPES:
        line = f"{ROOT}/bin/gptsnip --model {model} --seeds 0-{samples - 1} -q --dtype {dtype}"
        words = [*line.split(), "--max-tokens", str(tokens), "-o", f"{folder}/{dtype}"]
        seconds, memory = measured(words, folder)
        each = seconds / samples
        print(
            f"gptsnip {dtype}: {each:.2f} s per text, {samples} texts: {alone[0] / each:.1f} x,"
            f" {memory:.2f} GB"
        )


def measured(words: list[str], folder: str) -> tuple[float, float]:
    """The processor's seconds, and the most memory in GB, of a command."""
    with open(f"{folder}/out", "wb") as out:
        process = subprocess.Popen(words, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, words
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


if __name__ == "__main__":
    main()
