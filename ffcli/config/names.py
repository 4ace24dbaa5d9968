"""The names of hyper-parameters and their aliases.

A name is compared without case, spaces, hyphens and underscores, and may be any alias beside its field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from ffcli.config.fields import Option, metadata
from ffcli.errors import RequestError, UnknownNameError
from ffcli.util.safe_read import shown
from ffcli.util.suggest import compact, guesses

Fields = Mapping[str, FieldInfo]

ALPHA = "alpha"  # regularization in scikit-learn and in many papers, the step size in others
_ALPHAS = {"learning_rate": "weight_decay", "weight_decay": "learning_rate"}
_MOST_NAMED = 5  # unknown names that are listed beside the first


class FieldNames:
    """The spellings of the fields of a configuration."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self.aliases = {
            alias: field for field, info in fields.items() for alias in metadata(info, Option).aliases
        }
        self._by_key = {compact(spelling): field for spelling, field in self.aliases.items()}
        self._by_key |= {compact(field): field for field in fields}

    def field(self, name: str) -> str | None:
        """Return the field that ``name``, its own or an alias, stands for by itself; else None."""
        return self._by_key.get(compact(name))

    def resolve(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return the field that each of the names of one mapping stands for, None for an unknown one.

        ``alpha`` is the weight decay beside a learning rate, and the learning rate beside a weight decay.
        Raises RequestError where it stands beside both or neither.
        """
        found = {name: self.field(shown(name)) for name in names}
        for name in found:
            if compact(shown(name)) == ALPHA:
                beside = [field for field in _ALPHAS if field in found.values()]
                if len(beside) != 1:
                    got = "both" if beside else "neither"
                    raise RequestError(
                        f"{name} is ambiguous: with a learning_rate it is the weight_decay, with a "
                        f"weight_decay the learning_rate, and here it comes with {got}; use one of the two."
                    )
                found[name] = _ALPHAS[beside[0]]
        return found

    def by_field(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings under the fields' own names.

        Raises RequestError for unknown names, all at once, and for a field that is given under two names.
        """
        fields = self.resolve(values)
        if strange := [name for name, field in fields.items() if field is None]:
            raise self.unknown(strange)
        known, given = dict[str, Any](), dict[str, str]()
        for name, field in fields.items():
            assert field is not None
            if field in known:
                raise RequestError(
                    f"{field} is given twice, as {given[field]} and as {name}; leave one of them out."
                )
            known[field], given[field] = values[name], name
        return known

    def meant(self, name: str) -> list[str]:
        """Return the fields that an unknown name may stand for."""
        flags = [field for field, info in self._fields.items() if f"-{name}" in metadata(info, Option).flags]
        return flags or guesses(name, self._fields, self.aliases)

    def unknown(
        self, names: Iterable[str], place: str = "", error: type[UnknownNameError] = UnknownNameError
    ) -> UnknownNameError:
        """Return the error that says of unknown names what they may stand for; ``place`` comes before it."""
        first, *more = (shown(name) for name in names)
        also = ", ".join(self._with_guesses(more)) + " …" * (len(more) > _MOST_NAMED)
        return error(
            "hyper-parameter",
            first,
            list(self._fields),
            meant=self.meant(first),
            place=place,
            also=f" Not known either: {also}." if more else "",
        )

    def _with_guesses(self, names: list[str]) -> Iterator[str]:
        for name in names[:_MOST_NAMED]:
            meant = " or ".join(self.meant(name))
            yield f"'{name}' ({meant}?)" if meant else f"'{name}'"
