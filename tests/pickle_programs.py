"""Parts of pickle programs, for files that no pickle module would write."""

from __future__ import annotations

import struct


def write(folder, data: bytes):
    path = folder / "x.pkl"
    path.write_bytes(data)
    return path


def text(value) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def array_opcodes(shape: bytes, dtype: str, payload: bytes) -> bytes:
    head = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape
    return head + b"cnumpy\ndtype\n" + text(dtype) + b"\x89\x88\x87R\x89" + payload + b"tb"
