"""Small datasets in the formats that people bring."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tiny_datasets import idx_bytes

NAMES = ("ant", "bee", "cat")


def arrays(n_train: int = 30, n_test: int = 12, side: int = 8) -> dict[str, np.ndarray]:
    """Return images of bytes that reach 255, and labels 0…2."""
    rng = np.random.default_rng(11)
    images = {
        part: rng.integers(0, 256, (n, side, side), dtype=np.uint8)
        for part, n in (("train", n_train), ("test", n_test))
    }
    for pixels in images.values():
        pixels[0, 0, 0] = 255
    return {
        "x_train": images["train"],
        "y_train": np.arange(n_train) % 3,
        "x_test": images["test"],
        "y_test": np.arange(n_test) % 3,
    }


def csv_text(
    images: np.ndarray,
    labels: Sequence[object] | np.ndarray,
    *,
    header: bool = True,
    last: bool = False,
    mark: str = ",",
) -> str:
    """Return rows as Kaggle has them: the label first (or ``last``), then the pixels."""
    n = images[0].size
    rows = [["label", *(f"pixel{i + 1}" for i in range(n))]] if header else []
    rows += [[str(label), *map(str, image.ravel().tolist())] for image, label in zip(images, labels)]
    if last:
        rows = [[*row[1:], row[0]] for row in rows]
    return "\n".join(mark.join(row) for row in rows) + "\n"


def write_kaggle(folder: Path, data: Mapping[str, np.ndarray]) -> Path:
    """Write the pair of CSV files that Kaggle has of Fashion-MNIST."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "test"):
        text = csv_text(data[f"x_{part}"], data[f"y_{part}"])
        (folder / f"fashion-mnist_{part}.csv").write_text(text)
    return folder


def picture(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """Return a picture's file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def class_files(
    images: np.ndarray, labels: np.ndarray, prefix: str = "", kind: str = "PNG"
) -> dict[str, bytes]:
    """Return pictures by their paths: CLASS/number.ending."""
    return {
        f"{prefix}{NAMES[label]}/{number:03}.{kind.lower()}": picture(image, kind)
        for number, (image, label) in enumerate(zip(images, labels))
    }


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip archive, with what macOS adds to one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            archive.writestr(f"__MACOSX/{name.rpartition('/')[0]}/._{name.rpartition('/')[2]}", b"\0\5\x16\7")
    return path


def idx_files(
    data: Mapping[str, np.ndarray], prefix: str = "", test: str = "t10k", *, packed: bool = False
) -> dict[str, bytes]:
    """Return four IDX files by their names."""
    files = {}
    for part, name in (("train", "train"), ("test", test)):
        for letter, kind, dims in (("x", "images", 3), ("y", "labels", 1)):
            content = idx_bytes(np.asarray(data[f"{letter}_{part}"], np.uint8))
            ending = f"-idx{dims}-ubyte{'.gz' if packed else ''}"
            files[f"{prefix}{name}-{kind}{ending}"] = gzip.compress(content) if packed else content
    return files


def npy(array: np.ndarray) -> bytes:
    """Return an .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@dataclass
class Heard:
    """The notices of a load, the first of which tells where the copy goes."""

    notices: list[str]

    def __contains__(self, words: str) -> bool:
        return any(words in notice for notice in self.notices)
