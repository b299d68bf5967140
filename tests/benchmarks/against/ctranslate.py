"""Texts by ctranslate2, a GPT-2 of a folder: ctranslate.py FOLDER TYPE TEXTS TOKENS, by turns.

The folder is transformers' (model.safetensors, config.json); ctranslate2's own form is written beside
it. Needs ctranslate2 and safetensors.
"""

import json
import sys
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from safetensors.numpy import load_file

from tests.benchmarks.against.turns import serve

FORM = "ctranslate2"  # the folder beside the model


def main() -> None:
    folder, compute_type, texts, tokens = sys.argv[1:]
    form = Path(folder, FORM)
    if not form.exists():
        write(Path(folder), form)
    generator = ctranslate2.Generator(str(form), compute_type=compute_type, intra_threads=1)
    given = [["0"]] * int(texts)

    def work() -> None:
        made = generator.generate_batch(
            given,
            max_length=int(tokens),
            min_length=int(tokens),
            sampling_topk=30,
            sampling_temperature=0.7,
            end_token=[],
            include_prompt_in_result=False,
        )
        assert [len(text.sequences_ids[0]) for text in made] == [int(tokens)] * int(texts)

    serve(work)


def write(folder: Path, form: Path) -> None:
    """The network in ctranslate2's form."""
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name.removeprefix("transformer."): values
        for name, values in load_file(folder / "model.safetensors").items()
    }
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config["n_layer"],
        config["n_head"],
        pre_norm=True,
        activation=common_spec.Activation.GELUTanh,
    )

    def linear(made: common_spec.LinearSpec, name: str) -> None:
        made.weight = np.ascontiguousarray(weights[f"{name}.weight"].T)
        made.bias = weights[f"{name}.bias"]

    def norm(made: common_spec.LayerNormSpec, name: str) -> None:
        made.gamma, made.beta = weights[f"{name}.weight"], weights[f"{name}.bias"]

    decoder = spec.decoder
    decoder.embeddings.weight = weights["wte.weight"]
    decoder.position_encodings.encodings = weights["wpe.weight"]
    decoder.projection.weight = weights["wte.weight"]
    decoder.scale_embeddings = False
    norm(decoder.layer_norm, "ln_f")
    for n, layer in enumerate(decoder.layer):
        norm(layer.self_attention.layer_norm, f"h.{n}.ln_1")
        linear(layer.self_attention.linear[0], f"h.{n}.attn.c_attn")
        linear(layer.self_attention.linear[1], f"h.{n}.attn.c_proj")
        norm(layer.ffn.layer_norm, f"h.{n}.ln_2")
        linear(layer.ffn.linear_0, f"h.{n}.mlp.c_fc")
        linear(layer.ffn.linear_1, f"h.{n}.mlp.c_proj")
    spec.register_vocabulary([str(n) for n in range(config["vocab_size"])])
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = "0"
    spec.validate()
    form.mkdir()
    spec.save(str(form))


if __name__ == "__main__":
    main()
