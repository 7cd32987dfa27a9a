"""Pickle programs and their parts: plain values, gadgets, bombs, and pieces for files that no
pickle module would write."""

from __future__ import annotations

import struct

import numpy as np

from avmc_core.data import unpickle
from avmc_core.data.pickle_arrays import Global


def write(folder, data: bytes):
    path = folder / "x.pkl"
    path.write_bytes(data)
    return path


def text(value) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def array_opcodes(shape: bytes, dtype: str, payload: bytes) -> bytes:
    head = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01" + shape
    )
    return head + b"cnumpy\ndtype\n" + text(dtype) + b"\x89\x88\x87R\x89" + payload + b"tb"


HEAD = b"\x80\x04"  # protocol 4
PIECES = (  # what the reader admits: opcodes, operands and globals, for random programs
    *(bytes([code]) for code in unpickle._OPERATIONS),
    *(
        b"K\x00",
        b"K\x01",
        b"J\xff\xff\xff\xff",
        b"q\x00",
        b"h\x00",
        b"C\x01b",
        b"C\x00",
        text("f8"),
        text("latin1"),
    ),
    *(f"c{name.value.replace(' ', chr(10))}\n".encode() for name in Global),
)
# What comes before an opcode, and after it.
BEFORE = (
    b"",
    b"(",
    b"]",
    b"}",
    b"K\x01",
    b")N",
    b"(K\x01K\x02",
    b"cnumpy\ndtype\n)",
    b"cnumpy\nndarray\nN",
)
AFTER = (b"", b"\x00" * 9, b"\xff" * 9, b"os\nsystem\n")
SPELLINGS = (  # of a global
    lambda module, name: f"c{module}\n{name}\n".encode(),
    lambda module, name: text(module) + text(name) + b"\x93",
)
PLAIN = {
    "text": "你好 𠮷",
    "numbers": [0, -1, 255, 65535, -(2**31), 2**40, 2**63 - 1, 0.1, float("inf")],
    "others": (None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}, {1: "one"}),
    "f8": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
    "big endian": np.arange(5, dtype=">i4"),
    "U": np.array(["a", "你好", ""]),
    "bool": np.array([True, False]),
    "bytes": np.array([b"a", b"clip_01$_$0001"]),
    "objects": np.array(["a", "你好", None, 1.5, np.float32(2), True], dtype=object),
    "no objects": np.array([], dtype=object),
    "empty": np.zeros((0, 3)),
    "scalar array": np.array(2.5),
    "scalars": [
        np.float64(1.5),
        np.float32(2),
        np.int64(-3),
        np.uint8(4),
        np.bool_(True),
        np.str_("五"),
    ],
}
GLOBALS = [
    "os system",
    "posix system",
    "builtins eval",
    "builtins exec",
    "builtins getattr",
    "builtins open",
    "builtins __import__",
    "__builtin__ eval",
    "subprocess Popen",
    "socket create_connection",
    "importlib import_module",
    "runpy run_path",
    "pathlib Path.touch",
    "shutil rmtree",
    "ctypes CDLL",
    "pickle loads",
    "numpy load",
    "numpy fromfile",
    "numpy memmap",
    "numpy._core.multiarray fromfile",
    "numpy.core.multiarray _reconstruct.__globals__",
    "numpy dtype.__class__",
    "numpy.f2py.crackfortran myeval",
    "torch._utils _rebuild_tensor_v2",
    "torch load",
    "antigravity geohash",
    "_codecs decode",
    "copyreg _reconstructor",
    "collections OrderedDict",
]


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


NESTED = b"]" * 120_000 + b"a" * 119_999 + b"."
BOMBS = {
    "multiplied lists": b"\x80\x04(]q\x00"
    + b"".join(b"](" + (b"h" + bytes([n])) * 10 + b"eq" + bytes([n + 1]) for n in range(12))
    + b"t.",
    "multiplied tuples": b"\x80\x04()q\x00" + b"h\x00h\x00\x86q\x00" * 40 + b"t.",
    "deep lists": b"\x80\x04" + NESTED,
    "deep tuples": b"\x80\x04)" + b"\x85" * 240_000 + b".",
    "deep tuple as a key": b"\x80\x04})" + b"\x85" * 240_000 + b"Ns.",
    "many dicts without end": b"\x80\x04" + b"}" * 300_000,
    "many byte strings": b"\x80\x04" + b"C\x00" * 249_000,
    "many memo entries": b"\x80\x04N"
    + b"".join(b"r" + struct.pack("<I", n) for n in range(240_000)),
    "huge claims": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f",
    "huge text": b"\x80\x04X\xff\xff\xff\xffabc",
    "huge integer": b"\x80\x04\x8b\xff\xff\xff\x7f1",
    "one text in many arrays": b"\x80\x04(B"
    + struct.pack("<I", 2**20)
    + b"a\0\0\0" * 2**18
    + b"q\x00"
    + array_opcodes(b"(K\x01t", f"U{2**18}", b"h\x00") * 3000
    + b"t.",
    "one text encoded often": b"\x80\x04("
    + text("a" * 2**20)
    + b"q\x00"
    + (b"c_codecs\nencode\nh\x00" + text("latin1") + b"\x86R") * 5000
    + b"t.",
}
