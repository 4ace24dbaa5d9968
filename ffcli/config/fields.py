"""Building blocks of a hyper-parameter: parsers, bounds, aliases and command-line metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function

from ffcli import datasets
from ffcli.core.registry import Registry
from ffcli.errors import FfnnError
from ffcli.util.safe_read import shown
from ffcli.util.suggest import unknown

_MOST_BITS = 1024  # of an integer
MOST_UNITS, MOST_LAYERS = 1 << 20, 10_000  # of a layer, of a network: more is a mistake, and fills the memory
_LEAST, _MOST = 1.1754943508222875e-38, 3.4028234663852886e38  # normal numbers of single precision

Group = Literal["Data", "Model", "Optimizer", "Training"]


@dataclass(frozen=True)
class Option:
    """How a field is given: its group in the help, short flags, and aliases (``also``, between spaces).

    Aliases are understood wherever the field's own name is; see `FieldNames` for how they are compared.
    """

    group: Group
    flags: tuple[str, ...] = ()
    metavar: str = ""
    also: str = ""

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other names of the field."""
        return tuple(self.also.split())


@dataclass(frozen=True)
class Choice:
    """The field takes a name of this registry, in any case; aliases are stored under the first name."""

    registry: Registry[Any]

    def canonical(self, value: object) -> str:
        """Return the first name of a value. Raises ValueError where there is none."""
        if not isinstance(value, str):
            raise ValueError(unknown(self.registry.kind, value, self.registry))
        return self.registry.canonical(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(self.canonical, handler(source))


def metadata(field: FieldInfo, kind: type[Any]) -> Any:
    """Return the ``Option`` or ``Choice`` of a field, or None."""
    return next((item for item in field.metadata if isinstance(item, kind)), None)


def read_dataset_name(value: object) -> str:
    if not isinstance(value, (str, Path)):
        raise ValueError(unknown("dataset", value, datasets.KNOWN))
    try:
        return datasets.canonical_name(str(value))
    except FfnnError as error:
        raise ValueError(str(error)) from None
    except OSError as error:  # the current directory is gone
        raise ValueError(f"{shown(value)} has no absolute path: {error.strerror}.") from None


def no_booleans(value: object) -> object:
    """Refuse what Python would quietly read as 0 or 1."""
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


def read_sizes(value: object) -> object:
    """Read ``128``, ``"128,64"``, ``"128 64"`` or ``"[128, 64]"`` as one size or a tuple of sizes."""
    if not isinstance(value, str):
        return tuple(value) if isinstance(value, list) else value
    text = value.strip()
    if text[:1] + text[-1:] in ("[]", "()"):
        return tuple(_items(text[1:-1]))
    sizes = _items(text)
    return tuple(sizes) if len(sizes) > 1 else text


def _items(text: str) -> list[str]:
    """Return what stands between commas or, without any, between spaces; a last comma ends nothing."""
    text = text.strip().removesuffix(",")
    return [item.strip() for item in text.split(",")] if "," in text else text.split()


def read_truth(value: object) -> object:
    """Read true and false in any case, as YAML, the command line and sweep agents write them."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if not isinstance(value, bool):
        raise ValueError("it is neither true nor false")
    return value


def read_augmentation(value: object) -> str:
    """Return the canonical form of "none", "flip", "shift:2" or "flip,shift:2"."""
    flip, shift = False, 0
    for word in str(value).lower().replace("+", ",").split(","):
        match = re.fullmatch(r"\s*(?:(flip)|shift:(\d{1,3})|none)\s*", word)
        if match is None:
            raise ValueError(f"'{word.strip()}' is not an augmentation")
        flip = flip or bool(match[1])
        shift = int(match[2] or shift)
    return ",".join(["flip"] * flip + [f"shift:{shift}"] * (shift > 0)) or "none"


def read_fold(value: object) -> str:
    """Return the canonical form of "none" or of "2/5", the second of five folds."""
    text = str(value).strip().lower()
    if text == "none":
        return text
    match = re.fullmatch(r"(\d{1,4})\s*/\s*(\d{1,4})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]) or int(match[2]) < 2:
        raise ValueError(f"'{shown(text)}' is not a fold")
    return f"{int(match[1])}/{int(match[2])}"


def readable(value: int) -> int:
    """Refuse integers of more digits than Python, JSON and people read."""
    if value.bit_length() > _MOST_BITS:
        raise ValueError("it is too large")
    return value


class PrecisionError(ValueError):
    """A number that the training, which is in single precision, would round to zero or to infinity."""


def single(value: float) -> float:
    """Refuse a number that is neither zero nor a normal one of single precision."""
    if value and not _LEAST <= abs(value) <= _MOST:
        known = f"{_LEAST:.3g} to {_MOST:.3g}"
        raise PrecisionError(f"networks are trained in single precision ({known})")
    return value


Truth = Annotated[bool, BeforeValidator(read_truth)]
Number = Annotated[float, BeforeValidator(no_booleans), Field(allow_inf_nan=False), AfterValidator(single)]
Integer = Annotated[int, BeforeValidator(no_booleans), AfterValidator(readable)]
Size = Annotated[int, BeforeValidator(no_booleans), AfterValidator(readable), Field(ge=1, le=MOST_UNITS)]
