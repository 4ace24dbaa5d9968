"""How a sweep of W&B is named: entity/project/id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from ffcli.errors import RequestError
from ffcli.util.safe_read import is_name, shown

_PART = re.compile(r"[^\s/\\#?%:,]{1,128}")  # W&B allows no other characters in the names of projects
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class WandbAddress:
    """A sweep at W&B. As text it is ``entity/project/id``, which is also the sweep's id in the run store."""

    entity: str
    project: str
    id: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.id}"

    def url(self, site: str) -> str:
        """Return the sweep's page; ``site`` is the address of W&B's pages."""
        return f"{site.rstrip('/')}/{quote(self.entity)}/{quote(self.project)}/sweeps/{quote(self.id)}"


def is_address(text: str) -> bool:
    """Whether a word that is no file names a sweep of W&B: two slashes, and not the end of a file's name."""
    return (
        text.count("/") == 2
        and not text.lower().endswith((".yaml", ".yml"))
        and not text.startswith((".", "/", "~"))
    )


def parse_address(text: str) -> WandbAddress:
    """Return the parts of ``entity/project/id``.

    Raises RequestError for anything else: W&B's own agents wait for ever on a name that is none.
    """
    parts = text.split("/")
    if (
        len(parts) != 3
        or not all(_PART.fullmatch(part) and is_name(part) for part in parts[:2])
        or not _ID.fullmatch(parts[2])
    ):
        raise RequestError(
            f"'{shown(text)}' does not name a sweep of W&B; give entity/project/id.",
            hint="It is what the sweep's page has in its address: …/ENTITY/PROJECT/sweeps/ID.",
        )
    return WandbAddress(*parts)
