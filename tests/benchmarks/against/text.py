"""Texts by gptsnip's own code beside ctranslate2, on one core; GPT-2 small with random weights.

The last line is memory: a sum over as many bytes as the int8 weights have, once for each token.
ctranslate2 has bf16 for some processors only.
"""

import subprocess
import tempfile
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch

from animetools.text.models.inference import load_for_inference
from animetools.text.writing.batch import Batch
from animetools.text.writing.generation import Generation
from animetools.text.writing.sampler import Sampler
from tests.benchmarks.against.turns import ROOT, Turn, compare, peer, timed
from tests.benchmarks.snippets import random_model

PACKAGES = ["ctranslate2", "numpy", "safetensors"]
TOKENS = 40
BYTES = 124_000_000  # of the weights in int8
TYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}


def measure(python: Path) -> None:
    """A table for one text, and one for sixteen at once."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    weights = torch.zeros(BYTES // 8, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder:
        random_model(folder)
        batches = {dtype: load(folder, dtype) for dtype in TYPES}
        for count in (1, 16):
            for dtype, theirs in TYPES.items():
                turns: dict[str, Turn] = {
                    "gptsnip": timed(partial(write, batches[dtype], count)),
                }
                module = "tests.benchmarks.against.ctranslate"
                if theirs in supported(python):
                    words = [folder, theirs, str(count), str(TOKENS)]
                    turns["ctranslate2"] = peer(python, module, *words)
                turns["memory"] = timed(lambda: [weights.sum() for _ in range(TOKENS)])
                compare(f"{count} at once, {dtype}", turns)


def supported(python: Path) -> str:
    """The types that ctranslate2 has on this machine."""
    ask = "import ctranslate2; print(*ctranslate2.get_supported_compute_types('cpu'))"
    done = subprocess.run([python, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def load(folder: str, dtype: str) -> Batch:
    """The model; its texts never end by themselves."""
    batch = Batch(load_for_inference(folder, torch.device("cpu"), dtype), Sampler(), TOKENS)
    batch.ends = frozenset()
    return batch


def write(batch: Batch, count: int) -> None:
    """So many texts at once."""
    for seed in range(count):
        batch.add(Generation("", np.random.default_rng([seed, 0])))
    while batch.texts:
        batch.step()
