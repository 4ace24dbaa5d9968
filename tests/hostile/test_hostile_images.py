"""Pictures for ``predict --image``: bombs, damage, and formats for which Pillow would start a program."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import Cli
from hostile_helpers import Trained, damaged, few_or_many, fuzz, small_memory
from hypothesis import strategies as st
from PIL import Image


def png(width: int, height: int) -> bytes:
    """Return a gray PNG that is all black: a thousandth of its pixels in bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = packer.compress(bytes((width + 1) * height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 20_000])
def test_a_bomb_is_refused_before_it_is_unpacked(copied: Trained, cli: Cli, side: int) -> None:
    (copied.folder / "bomb.png").write_bytes(png(side, side))
    done = cli("predict", "--run", copied.finished, "--image", "bomb.png")
    assert done.code == 2
    assert "--image: bomb.png cannot be read as an image" in done.err
    assert "decompression bomb" in done.err


def test_no_memory_is_taken_for_a_promise(copied: Trained) -> None:
    content = bytearray(png(8, 8))
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    content[16:29] = head
    content[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (copied.folder / "promise.png").write_bytes(content)
    done = small_memory(copied.folder, "predict", "--run", copied.finished, "--image", "promise.png")
    assert done.returncode == 2
    assert "promise.png cannot be read as an image" in done.stderr


@pytest.mark.parametrize("name", ["a.eps", "a.png"])
def test_postscript_is_run_by_nobody(
    copied: Trained, cli: Cli, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For EPS Pillow starts Ghostscript; here a program of that name would leave a trace."""
    tools, trace = tmp_path / "tools", tmp_path / "trace"
    tools.mkdir()
    (tools / "gs").write_text(f"#!{sys.executable}\nopen({str(trace)!r}, 'w')\n")
    (tools / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    (copied.folder / name).write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    done = cli("predict", "--run", copied.finished, "--image", name)
    assert done.code == 2
    assert "cannot be read as an image" in done.err
    assert not trace.exists()


def sound(kind: str, mode: str) -> bytes:
    pixels = np.arange(12 * 9 * 4, dtype=np.uint8).reshape(9, 12, 4)
    out = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert(mode).save(out, kind)
    return out.getvalue()


SOUND = [
    sound(kind, mode)
    for kind, modes in {
        "PNG": ("L", "RGBA", "P", "LA"),
        "JPEG": ("L", "RGB", "CMYK"),
        "GIF": ("P",),
        "BMP": ("RGB",),
        "TIFF": ("L", "CMYK"),
        "WEBP": ("RGB",),
        "PPM": ("RGB",),
    }.items()
    for mode in modes
]


@pytest.mark.parametrize("content", SOUND, ids=range(len(SOUND)))
def test_the_usual_formats_are_read(copied: Trained, cli: Cli, content: bytes) -> None:
    (copied.folder / "mine").write_bytes(content)
    assert cli("predict", "--run", copied.finished, "--image", "mine", "--json").code == 0


@few_or_many
def test_damage_is_refused_or_harmless(copied: Trained, cli: Cli, examples: int) -> None:
    def check(content: Any) -> None:
        (copied.folder / "mine").write_bytes(content)
        assert cli("predict", "--run", copied.finished, "--image", "mine").code in (0, 2)

    fuzz(examples, st.sampled_from(SOUND).flatmap(damaged) | st.binary(max_size=60), check)
