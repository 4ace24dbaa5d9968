"""The sweep files that come with ffnn: an installed copy has no folder ``sweeps`` beside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped_files() -> dict[str, Path]:
    """Return the sweep files that came with ffnn by their names: ``quick`` and so on."""
    places = (_PACKAGE / "sweeps", _PACKAGE.parent / "sweeps")  # in a wheel, in a clone
    folder = next((place for place in places if place.is_dir()), None)
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def sweep_file(word: str) -> Path:
    """Return the file that ``word`` means: one that exists, else the shipped one of this name.

    ``quick``, ``quick.yaml`` and ``sweeps/quick.yaml`` all mean the shipped file ``quick``. A word that means
    no file is returned as a path.
    """
    path = Path(word)
    if path.exists() or path.parent.name not in ("", "sweeps") or path.suffix not in ("", ".yaml"):
        return path
    return shipped_files().get(path.stem, path)
