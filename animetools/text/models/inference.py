"""A language model of any kind, ready to generate and to score."""

from importlib.util import find_spec

import torch

from animetools.errors import FatalError
from animetools.text.models import gpt2
from animetools.text.models.loading import read_config
from animetools.text.models.model import Model


def load_for_inference(folder: str, device: torch.device, dtype: str) -> Model:
    """The model of a folder, on a device in fp32, bf16 or int8.

    Raises FatalError as load does.
    """
    if model := gpt2.load(folder, read_config(folder), device, dtype):
        return model
    if not find_spec("transformers"):
        raise FatalError(
            f"--model {folder} is not a GPT-2 and needs transformers: pip install 'animetools[text]'"
        )
    from animetools.text.models import huggingface

    return huggingface.load_for_inference(folder, device, dtype)
