"""Redaction of passwords and keys in messages and records."""

from __future__ import annotations

import os
import re

# Up to the last @ of the word, for a password may hold one; as a path an address has lost a slash.
_CREDENTIALS = re.compile(r"(:/{1,3}[^\s:/@]*):\S*@")
# What stands alone before the @ is a token where pages and files are fetched (https://TOKEN@host). Elsewhere
# it names a user, as in postgresql://me@host, unless it is as long as a key and mixed like one.
_TOKEN = re.compile(r"(\bhttps?:/{1,3})[^\s/:?#]+@", re.IGNORECASE)
_KEY = re.compile(r"(:/{1,3})(?=[^\s@]*\d)(?=[^\s@]*[a-z])[\w-]{32,}@", re.IGNORECASE)
_QUERY = re.compile(r"([?&;][\w.-]*(?:pass|pwd|secret|token|key|sig)[\w.-]*=)[^&\s]+", re.IGNORECASE)
_VARIABLES = ("WANDB_API_KEY", "PGPASSWORD", "MYSQL_PWD")
_LEAST = 6  # characters of a text that counts as a secret wherever it is


def without_secrets(text: str) -> str:
    """Return a text with *** for the secrets of its addresses and of the environment."""
    if ":/" in text:
        text = _QUERY.sub(r"\1***", _CREDENTIALS.sub(r"\1:***@", text))
        text = _KEY.sub(r"\1***@", _TOKEN.sub(r"\1***@", text))
    for name in _VARIABLES:
        secret = os.environ.get(name, "")
        if len(secret) >= _LEAST:
            text = text.replace(secret, "***")
    return text


def without_keys(text: str) -> str:
    """Return a text, a W&B server's or SDK's, also without anything as long as an API key."""
    return re.sub(r"[A-Za-z0-9_-]{32,}", "…", without_secrets(text))
