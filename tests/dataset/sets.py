"""Training sets of the same pictures in every format, made by independent means."""

import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Write = Callable[..., str]


def picture(seed: int, width: int = 16, height: int = 16, channels: int = 3) -> Pixels:
    """Random pixels, [C, H, W]."""
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (channels, height, width)).astype(np.uint8)


def encoded(planes: Pixels, kind: str = "PNG", **options: object) -> bytes:
    """The file of a picture."""
    buffer = BytesIO()
    pixels = planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


def folder(path: Path, pictures: Sequence[Pixels], labels: object = None) -> str:
    """A folder like a StyleGAN2-ADA zip."""
    for number, planes in enumerate(pictures):
        file = path / f"{number // 2:05d}/img{number:08d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(planes))
    if labels is not None:
        (path / "dataset.json").write_text(_summary(labels))
    return str(path)


def zipped(path: Path, pictures: Sequence[Pixels], labels: object = None) -> str:
    """A StyleGAN2-ADA zip."""
    path = path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as file:
        for number, planes in enumerate(pictures):
            file.writestr(f"{number // 2:05d}/img{number:08d}.png", encoded(planes))
        if labels is not None:
            file.writestr("dataset.json", _summary(labels))
    return str(path)


def tarred(path: Path, pictures: Sequence[Pixels], labels: object = None) -> str:
    """One tar as WebDataset has it."""
    path = path.with_suffix(".tar")
    with tarfile.open(path, "w") as file:
        for number, planes in enumerate(pictures):
            add(file, f"{number:09d}.png", encoded(planes))
            add(file, f"{number:09d}.json", b"{}")
            if isinstance(labels, list):
                add(file, f"{number:09d}.cls", str(labels[number]).encode())
    return str(path)


def add(file: tarfile.TarFile, name: str, data: bytes) -> None:
    """A member of a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.addfile(info, BytesIO(data))


def shards(path: Path, pictures: Sequence[Pixels], labels: object = None) -> str:
    """A folder of tars."""
    path.mkdir()
    for first in range(0, len(pictures), 2):
        some = labels[first : first + 2] if isinstance(labels, list) else labels
        tarred(path / f"set-{first:06d}", pictures[first : first + 2], some)
    return str(path)


def records(path: Path, pictures: Sequence[Pixels], labels: object = None) -> str:
    """A folder of StyleGAN's TFRecords, two levels of detail."""
    path.mkdir()
    _, height, width = pictures[0].shape if pictures else (3, 4, 4)
    level = int(np.log2(max(height, width)))
    for file, step in ((f"set-r{level:02d}", 1), (f"set-r{level - 1:02d}", 2)):
        data = b"".join(record(example(one[:, ::step, ::step])) for one in pictures)
        (path / f"{file}.tfrecords").write_bytes(data)
    if isinstance(labels, list):
        vectors = np.array(labels, np.float32)
        if vectors.ndim == 1:
            vectors = np.eye(int(vectors.max()) + 1, dtype=np.float32)[vectors.astype(int)]
        with (path / "set-rxx.labels").open("wb") as stream:
            np.save(stream, vectors)
    return str(path)


WRITERS: list[Write] = [folder, zipped, tarred, shards, records]


def record(payload: bytes) -> bytes:
    """A TFRecord."""
    length = len(payload).to_bytes(8, "little")
    return length + masked_crc(length) + payload + masked_crc(payload)


def masked_crc(data: bytes) -> bytes:
    """TFRecord's checksum, a bit at a time, as RFC 3720 defines CRC32C."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def example(planes: Pixels, *, packed: bool = True) -> bytes:
    """A serialised tf.train.Example of a picture, as protobuf's documentation has it."""
    shape = b"".join(map(varint, planes.shape))
    numbers = field(1, shape) if packed else b"".join(b"\x08" + varint(n) for n in planes.shape)
    return features(
        {b"shape": field(3, numbers), b"data": field(1, field(1, planes.tobytes()))},
    )


def features(feature: dict[bytes, bytes]) -> bytes:
    """A serialised tf.train.Example of serialised features."""
    entries = (field(1, field(1, key) + field(2, value)) for key, value in feature.items())
    return field(1, b"".join(entries))


def field(number: int, data: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    """A number of protobuf."""
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def summary_of(path: str) -> dict[str, Any]:
    """dataset.json of a zip."""
    with zipfile.ZipFile(path) as file:
        found: dict[str, Any] = json.loads(file.read("dataset.json"))
    return found


def _summary(labels: object) -> str:
    if isinstance(labels, list):
        names = [f"{n // 2:05d}/img{n:08d}.png" for n in range(len(labels))]
        labels = [list(pair) for pair in zip(names, labels, strict=True)]
    return json.dumps({"labels": labels})
