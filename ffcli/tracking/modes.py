"""The tracking mode of a run, decided without importing ``wandb``."""

from __future__ import annotations

import configparser
import netrc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from ffcli.errors import RequestError

Mode = Literal["online", "offline", "disabled"]
REQUESTS = ("auto", "online", "offline", "disabled")

# As W&B reads WANDB_MODE and the mode in its settings files.
_MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "shared": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")  # of W&B's own service, under its old and its new name


@dataclass(frozen=True)
class Decision:
    """How runs are tracked. ``keyless``: they are not, for want of a key alone."""

    mode: Mode
    keyless: bool = False


def decide(request: str) -> Decision:
    """Return what ``--wandb REQUEST`` comes to.

    ``auto`` is what WANDB_MODE or W&B's settings files (``wandb offline``) say, else online where a key is
    configured or an agent of a sweep has started this process, and disabled where not.
    """
    if request != "auto":  # a run's record may hold anything
        return Decision(_MODES.get(request, "disabled"))
    said = os.environ.get("WANDB_MODE") or _settings().get("mode") or ""
    if said.strip().lower() in _MODES:
        return Decision(_MODES[said.strip().lower()])
    if under_agent() or has_key():
        return Decision("online")
    return Decision("disabled", keyless=True)


def check_key(request: str) -> None:
    """Raise RequestError where W&B is to be ``online`` and has no key: it was asked for, and cannot be."""
    if request == "online" and not has_key() and not under_agent():
        raise RequestError(
            "online needs a key, and none is configured",
            hint="wandb login configures one, or set WANDB_API_KEY. offline keeps the files for later.",
            parameter="wandb",
        )


def under_agent() -> bool:
    """Whether a W&B agent has started this process to train a run of its sweep."""
    return bool(os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"))


def has_key() -> bool:
    """Whether W&B would find credentials: in the environment, in the netrc file, or in its settings."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    return bool(_settings().get("api_key")) or _in_netrc()


def _in_netrc() -> bool:
    given = os.environ.get("NETRC")
    files = [Path(given)] if given else [Path("~/.netrc"), Path("~/_netrc")]
    url = os.environ.get("WANDB_BASE_URL") or _settings().get("base_url")
    hosts = (_host(url),) if url else ()
    for file in files:
        try:
            known = netrc.netrc(file.expanduser())
        except (OSError, RuntimeError, UnicodeError, netrc.NetrcParseError):
            continue
        found = [known.authenticators(host) for host in hosts or _HOSTS]
        return any(entry is not None and entry[2] for entry in found)
    return False


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # W&B will say so
        return ""


def _settings() -> dict[str, str]:
    """Return W&B's settings files, the one of this folder over the user's."""
    root = Path(os.environ.get("WANDB_DIR") or ".")
    here = root / (".wandb" if (root / ".wandb").exists() else "wandb")
    user = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    values: dict[str, str] = {}
    for folder in (user, here):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(folder.expanduser() / "settings", "utf-8")
            values |= dict(parser.items("default"))
        except (OSError, RuntimeError, UnicodeError, configparser.Error):
            continue
    return values
