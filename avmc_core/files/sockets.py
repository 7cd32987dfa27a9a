"""A place for sockets, where the folder for temporary files has too long a path for them."""

from __future__ import annotations

import os
import tempfile
from multiprocessing import util

from avmc_core.errors import InputError

LONGEST = 107  # bytes that the path of a socket may have


def folder_for(name: str) -> str | None:
    """A folder in which a socket ``name`` can be made; None: the usual one, $TMPDIR, is short
    enough.

    Raises InputError where every folder for temporary files has too long a path.
    """
    usual, room = tempfile.gettempdir(), LONGEST - len("/") - len(os.fsencode(name))
    for folder in (usual, os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"):
        if folder and len(os.fsencode(folder)) <= room and os.access(folder, os.W_OK | os.X_OK):
            return None if folder == usual else folder
    raise InputError(
        "$TMPDIR", f"{usual!r}, too long for a socket", f"a path of at most {room} bytes"
    )


def settle_multiprocessing() -> None:
    """Has multiprocessing make its own folder, in which its servers listen, where sockets can be
    made: it would take $TMPDIR whatever its length. Raises InputError as ``folder_for``."""
    if folder := folder_for("pymp-12345678/listener-12345678"):
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            util.get_temp_dir()  # made once per process, and removed when it ends
        finally:
            tempfile.tempdir = before
