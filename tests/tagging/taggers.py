"""Small taggers in the two layouts, made here: they know colors, and say the rest by heart."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.upscaling.onnxfiles import F32, model, node

WD = {  # name: category of the CSV, weights of B, G and R, bias
    "general": (9, (0, 0, 0), 1.0),
    "sensitive": (9, (0, 0, 0), 0.5),
    "questionable": (9, (0, 0, 0), -3.0),
    "explicit": (9, (0, 0, 0), -4.0),
    "solo": (0, (0, 0, 0), 3.0),
    "1girl": (0, (0, 0, 0), 2.0),
    "red_theme": (0, (-8, -8, 16), -4.0),
    "blue_theme": (0, (16, -8, -8), -4.0),
    "hair_flower": (0, (0, 0, 0), 0.5),
    "hair_ornament": (0, (0, 0, 0), 0.0),
    ">_<": (0, (0, 0, 0), -0.3),
    "never": (0, (0, 0, 0), -9.0),
    "hatsune_miku": (4, (0, 0, 0), 2.5),
    "kagamine_rin": (4, (0, 0, 0), 1.0),
}
DEEPDANBOORU = {name: row for name, row in WD.items() if row[0] != 9} | {
    "rating:safe": (9, (0, 0, 0), 1.0),
    "rating:questionable": (9, (0, 0, 0), -1.0),
    "rating:explicit": (9, (0, 0, 0), -2.0),
}
Rows = dict[str, tuple[int, tuple[int, int, int], float]]


def network(
    weights: Any,
    bias: Any,
    *,
    takes: Sequence[str | int | None] = ("n", 32, 32, 3),
    scale: float = 1 / 255,
    end: str = "Sigmoid",
    numbers: int = F32,
) -> bytes:
    """The file of a network: sigmoid of a linear function of the mean color."""
    kind = np.float32 if numbers == F32 else np.float16
    return model(
        node("ReduceMean", "x", "mean", axes=[1, 2], keepdims=0),
        node("Mul", "mean scale", "color"),
        node("MatMul", "color weights", "linear"),
        node("Add", "linear bias", "logits"),
        node(end, "logits", "y"),
        takes=takes,
        gives=(takes[0], len(bias)),
        numbers=numbers,
        scale=kind(scale),
        weights=np.asarray(weights, kind).reshape(3, len(bias)),
        bias=np.asarray(bias, kind),
    )


def write_wd(folder: Path, rows: Rows = WD, **how: Any) -> Path:
    """A model.onnx with its selected_tags.csv; returns the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["tag_id,name,category,count"]
    lines += [f"{n},{name},{row[0]},{1000 - n}" for n, (name, row) in enumerate(rows.items())]
    (folder / "selected_tags.csv").write_text("\n".join(lines) + "\n")
    return _write(folder / "model.onnx", rows, reverse=False, **how)


def write_deepdanbooru(folder: Path, rows: Rows = DEEPDANBOORU, **how: Any) -> Path:
    """A model.onnx with its tags.txt and tags-character.txt; returns the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tags.txt").write_text("".join(f"{name}\n" for name in rows))
    characters = [name for name, row in rows.items() if row[0] == 4]
    (folder / "tags-character.txt").write_text("".join(f"{name}\n" for name in characters))
    return _write(folder / "model.onnx", rows, reverse=True, **{"scale": 1.0} | how)


def _write(path: Path, rows: Rows, *, reverse: bool, **how: Any) -> Path:
    weights = np.array([row[1] for row in rows.values()], np.float32).T
    path.write_bytes(
        network(weights[::-1] if reverse else weights, [r[2] for r in rows.values()], **how)
    )
    return path
