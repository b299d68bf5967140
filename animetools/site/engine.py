"""onnxruntime-web, which computes a network in a visitor's browser: from its npm package, once."""

import tarfile

from animetools.download import DownloadError, download
from animetools.errors import FatalError

VERSION = "1.30.0"
HOME = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
TIMEOUT_SECONDS = (5, 20)  # to connect, to wait for the next bytes

# What the engine consists of: its interface, and the loader and the program that compute. Those that
# also compute on a GPU take WebAssembly's promises (JSPI): the build without them is twice as large.
FILES = {
    "engine": "ort.wasm.min.js",
    "loader": "ort-wasm-simd-threaded.mjs",
    "program": "ort-wasm-simd-threaded.wasm",
    "gpu_engine": "ort.jspi.min.js",
    "gpu_loader": "ort-wasm-simd-threaded.jspi.mjs",
    "gpu_program": "ort-wasm-simd-threaded.jspi.wasm",
}


def engine(url: str = HOME, sha256: str = SHA256, folder: str | None = None) -> dict[str, bytes]:
    """The files of the engine, by their parts in FILES; the package is kept in the user's cache.

    Raises FatalError if it cannot be downloaded.
    """
    name = f"onnxruntime-web-{VERSION}.tgz"
    try:
        path = download(url, name, sha256, TIMEOUT_SECONDS, folder)
    except DownloadError as why:
        raise FatalError(
            f"--live needs onnxruntime-web {VERSION}, which cannot be downloaded ({why}): leave out"
            " --live, or try again"
        ) from why
    found = {}
    with tarfile.open(path) as package:
        for part, file_name in FILES.items():
            member = package.extractfile(f"package/dist/{file_name}")
            assert member  # the checksum says so
            found[part] = member.read()
    return found
