"""The sweep files that come with ffnn, and how they are found by name."""

from __future__ import annotations

from pathlib import Path

from ffcli.util.suggest import nearest

_PACKAGE, _HERE = Path(__file__).parents[2], Path("sweeps")


def shipped_files() -> dict[str, Path]:
    """Return the sweep files that came with ffnn by their names: ``quick`` and so on."""
    places = (_PACKAGE / "sweeps", _PACKAGE.parent / "sweeps")  # in a wheel, in a clone
    folder = next((place for place in places if place.is_dir()), None)
    return {} if folder is None else _files(folder)


def named_files() -> dict[str, Path]:
    """Return all sweep files that go by a name: those of the folder ``sweeps`` here, and the shipped."""
    here = _files(_HERE)
    return {**here, **shipped_files(), **here}


def name_of(file: Path) -> str:
    """Return what messages call a sweep file: the name of one that came with ffnn, else its path."""
    return next((name for name, path in shipped_files().items() if path == file), str(file))


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def sweep_file(word: str) -> Path:
    """Return the file that ``word`` means: one that exists, else the one of this name.

    ``quick``, in any case, ``quick.yaml`` and ``sweeps/quick.yaml`` all mean the shipped file ``quick``,
    unless the folder ``sweeps`` here has one of this name. A word that means no file is returned as a path.
    """
    path = Path(word)
    if path.is_file() or path.parent not in (Path(), _HERE) or path.suffix not in ("", ".yaml"):
        return path
    return next((file for name, file in named_files().items() if _key(name) == _key(path.stem)), path)


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def no_such_file(word: str) -> str:
    """Say that a word means no sweep file, which go by a name, and which of them is the nearest."""
    return (
        f"there is no sweep file '{word}'; by name there are {', '.join(named_files())}.{did_you_mean(word)}"
    )


def did_you_mean(word: str) -> str:
    """Return a question after the nearest name, with a space before it; nothing where none is near."""
    guess = nearest(word, named_files())
    return f" Did you mean the file '{guess}'?" if guess else ""
