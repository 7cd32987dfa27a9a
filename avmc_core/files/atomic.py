"""Files and folders that appear complete or not at all: written under a hidden name beside their
place, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from avmc_core.errors import InputError


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path to write to; replaces ``path`` with it when the block ends without an
    exception. Others may read the file as far as the umask lets them (``give_usual_mode``)."""
    path = Path(path)
    with _temporary_sibling(path) as temporary:
        yield temporary
        give_usual_mode(temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)


@contextmanager
def new_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary folder to fill; renames it to ``path`` when the block ends without an
    exception.

    With ``replace`` whatever is at ``path`` is replaced; the caller vouches for it. Otherwise
    raises InputError when ``path`` exists already.
    """
    path = Path(path)
    if os.path.lexists(path) and not replace:
        raise InputError(path, "something already there", "a path that does not exist yet")
    with _temporary_sibling(path) as temporary:
        temporary.mkdir()
        yield temporary
        sync(temporary)
        if replace and os.path.lexists(path):
            with _temporary_sibling(path) as old:
                os.rename(path, old)
                os.rename(temporary, path)
                _remove(old)
        else:
            os.rename(temporary, path)
        sync(path.parent)


def give_usual_mode(path: Path) -> None:
    """Gives a file the permissions that a file opened in its folder gets: some writers, such as
    that of safetensors, let their owner alone read what they write."""
    probe = path.with_name(f".mode-{secrets.token_hex(8)}")
    # a file asks for the umask; os.umask would change it for every thread for a moment
    handle = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        usual = stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink(missing_ok=True)
    if stat.S_IMODE(path.stat().st_mode) != usual:
        with suppress(PermissionError):  # some shared drives know no permissions
            path.chmod(usual)


def sync(path: Path) -> None:
    """Flushes the content of a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path)
    temporary = path.with_name(f"{_prefix(path)}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        yield temporary
    except BaseException:
        _remove(temporary)
        raise


def _prefix(path: Path) -> str:
    # the host: a process id says nothing about another machine
    return f".{path.name}.partial-{socket.gethostname()}-"


def _remove_stale(path: Path) -> None:
    """Removes what processes of this machine that are no longer alive left when they were
    killed."""
    for left in path.parent.glob(f"{_glob_literal(_prefix(path))}*"):
        pid = left.name.removeprefix(_prefix(path)).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            _remove(left)


def _glob_literal(text: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
