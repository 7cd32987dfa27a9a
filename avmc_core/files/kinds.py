"""Recognises a file by its first bytes: what drives, repositories and browsers deliver instead of
the file itself."""

from __future__ import annotations

from pathlib import Path

_HEAD = 512  # bytes that are looked at
_STARTS = (  # first bytes, what they belong to, what to do
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "the file itself, which `git lfs pull` fetches",
    ),
    (
        b"../../blobs/",
        "the text of a link, as some copies of the model cache have it",
        "the file that it leads to, in the folder blobs",
    ),
    (b"PK\x03\x04", "a zip archive", "what it holds, unpacked"),
    (b"\x1f\x8b", "a gzip archive", "what it holds, unpacked with gunzip"),
    (b"\xfd7zXZ\x00", "an xz archive", "what it holds, unpacked with unxz"),
    (b"BZh", "a bzip2 archive", "what it holds, unpacked with bunzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "what it holds, unpacked"),
    (b"Rar!", "a rar archive", "what it holds, unpacked"),
    (b"x\x9c", "a compressed file of joblib or zlib", "the same data, uncompressed"),
    (b"x\x5e", "a compressed file of joblib or zlib", "the same data, uncompressed"),
    (
        b"\xd0\xcf\x11\xe0",
        "a workbook of an older spreadsheet (.xls)",
        "the sheet saved as CSV in UTF-8",
    ),
    (b"\x89HDF", "an HDF5 file", "another format"),
    (b"%PDF", "a PDF document", "another file"),
    (b"\x93NUMPY", "a single array of numpy (.npy)", "a file with all keys"),
    (b"PAR1", "a Parquet file", "another format"),
    (b"MATLAB 5.0", "a file of MATLAB", "another format"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "what it holds, unpacked with unzstd"),
    (b"bplist", "a property list of macOS", "another file"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<script", b"<table")
_WORKBOOKS = (
    b"xl/",
    b"[Content_Types].xml",
    b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
)


def foreign(path: Path) -> tuple[str, str] | None:
    """What ``path`` is instead of what it should be, and what to obtain instead; None for anything
    not known here.

    Raises OSError for a file that cannot be read.
    """
    with path.open("rb") as file:
        return foreign_bytes(file.read(_HEAD))


def foreign_bytes(head: bytes) -> tuple[str, str] | None:
    """As ``foreign``, of a file's first bytes."""
    head = bytes(head[:_HEAD])
    if not head:
        return "an empty file", "the whole file: its download never began"
    if not any(head):
        return "nothing but zeros", "the whole file: its download was interrupted"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES):
        return "a web page", "the file itself: a page with a message was downloaded in its place"
    if head.startswith(b"PK\x03\x04") and any(name in head for name in _WORKBOOKS):
        return "a workbook of a spreadsheet", "the sheet saved as CSV in UTF-8"
    for start, what, instead in _STARTS:
        if head.startswith(start):
            return what, instead
    return None
