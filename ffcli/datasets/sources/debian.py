"""Debian's package of a dataset, downloaded and unpacked without root and without installing it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ffcli.datasets.base import BrokenDataError
from ffcli.datasets.catalog import DatasetSpec, DebianPackage
from ffcli.datasets.http import Web
from ffcli.datasets.sources.base import Candidate, run, source

_SECONDS = 300

# Read after the system's own settings. What other packages hook into an update needs root, and of
# the indexes only the list of packages is needed.
_ALWAYS = """\
APT::Sandbox::User "root";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
"""
_PRIVATE = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb-src::Sources::DefaultEnabled "false";
Dir::State "./apt";
Dir::State::Lists "./apt/lists";
Dir::Cache "./apt/cache";
"""


@source("debian", rank=30)
def debian(spec: DatasetSpec, web: Web) -> Iterator[Candidate]:
    """Yield the Debian package of ``spec``, if there is one."""
    if spec.debian:
        yield Candidate(f"package {spec.debian.name}", partial(_get, spec.debian, web))


def _get(package: DebianPackage, web: Web, work: Path) -> Path:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise BrokenDataError(f"{program} is not on this machine")
    web.progress.start(package.name, None)
    try:
        archive = _download(package, work)
    finally:
        web.progress.close()
    _run(["dpkg-deb", "-x", archive.name, "unpacked"], work)
    folder = work / "unpacked" / package.folder
    if not folder.is_dir():
        raise BrokenDataError(f"the package does not hold /{package.folder}")
    return folder


def _download(package: DebianPackage, work: Path) -> Path:
    """Download the package by the system's lists; where they are missing or stale, by fresh ones."""
    settings = work / "apt.conf"
    settings.write_text(_ALWAYS, "utf-8")
    apt_get = ["apt-get", "-q", "-c", settings.name]
    try:
        _run([*apt_get, "download", package.name], work)
    except BrokenDataError:
        for folder in ("apt/lists/partial", "apt/cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        settings.write_text(_ALWAYS + _PRIVATE, "utf-8")
        # One broken repository among several fails the update, yet the package may still be had.
        try:
            _run([*apt_get, "update"], work)
            stale = ""
        except BrokenDataError as error:
            stale = f"; {error}"
        try:
            _run([*apt_get, "download", package.name], work)
        except BrokenDataError as error:
            raise BrokenDataError(f"{error}{stale}") from error
    archives = list(work.glob("*.deb"))
    if not archives:
        raise BrokenDataError("apt-get download left no package")
    return archives[0]


def _run(command: list[str], work: Path) -> None:
    action = next(word for word in command if word in ("update", "download", "-x"))
    run(
        f"{command[0]} {action}",
        command,
        work,
        {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        _SECONDS,
    )
