"""Searching what a program wrote for secrets, in whatever way they came to be written there.

Haystacks are unpacked: databases cell by cell, compressed streams wherever they begin, archives,
text that is hex or base64 of any of these. Needles are searched for as they are, in base64 and in
hex; what URLs and JSON escape and what a terminal's width breaks is undone before.
"""

import base64
import binascii
import bz2
import io
import lzma
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

DEEPEST = 4  # layers of packing, one in the other
LARGEST = 64 * 2**20  # bytes of one inflated stream

STREAM = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08|BZh[1-9]|\xfd7zXZ\x00")
ZSTD = b"\x28\xb5\x2f\xfd"
SQLITE = b"SQLite format 3\0"
# How streams and archives of these kinds begin in base64 and in hex.
BASE64 = re.compile(rb"(?:e[AFJN]|H4sI|Qlpo|/Td6|_Td6|UEsD)[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(rb"(?:78(?:01|5e|9c|da)|1f8b08|425a68|fd377a|504b03)[0-9a-f]{20,}", re.IGNORECASE)
JSON_ESCAPE = re.compile(rb"\\+(?:u00([0-9a-fA-F]{2})|/)")


@dataclass(frozen=True)
class Found:
    """A secret's name, where it lies and how it is written there; never the secret."""

    secret: str
    where: str
    form: str


def search(pieces: Iterable[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[Found]:
    """Where any of the named secrets is in any piece, or packed in it."""
    needles = [
        (name, form, needle)
        for name, secret in secrets.items()
        for form, needle in _forms(secret.encode())
    ]
    found = dict[Found, None]()
    for name, piece in pieces:
        for where, hay in _unpacked(name, piece, DEEPEST):
            for undone, text in _plainer(hay):
                for secret, form, needle in needles:
                    if needle in text:
                        found[Found(secret, where, f"{form}{undone}")] = None
    return list(found)


def files_in(folder: Path, without: Path | None = None) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder as a piece, and every cell of those that are SQLite databases."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink() or (without and without in path.parents):
            continue
        name, content = str(path.relative_to(folder)), path.read_bytes()
        yield name, content
        if content.startswith(SQLITE):
            yield from _cells(path, name)


def _forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    yield "plain", secret
    yield "UTF-16", secret.decode().encode("utf-16-le")
    yield "hex", secret.hex().encode()
    yield "hex", secret.hex().upper().encode()
    for offset in range(3):
        # Characters that depend on what stands before or after the secret are left out.
        first, last = (0, 2, 3)[offset], (offset + len(secret)) * 8 // 6
        encoded = base64.b64encode(bytes(offset) + secret)[first:last]
        yield f"base64 at {offset}", encoded
        yield f"base64 at {offset}", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _plainer(hay: bytes) -> Iterator[tuple[str, bytes]]:
    """The piece as it is, without a URL's escapes, without JSON's, and in one line."""
    yield "", hay
    if b"%" in hay:
        yield " in a URL", unquote_to_bytes(hay)
    if b"%25" in hay:
        yield " in a URL in a URL", unquote_to_bytes(unquote_to_bytes(hay))
    if b"\\u00" in hay or b"\\/" in hay:
        yield " in JSON", JSON_ESCAPE.sub(_escaped, hay)
    if b"\n" in hay:
        yield " over lines", b"".join(hay.split())


def _escaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else b"/"


def _unpacked(where: str, piece: bytes, layers: int) -> Iterator[tuple[str, bytes]]:
    """The piece, and whatever is packed in it."""
    yield where, piece
    if not layers:
        return
    for inner in (*_streams(where, piece), *_archived(piece), *_decoded(piece)):
        yield from _unpacked(f"{where} > {inner[0]}", inner[1], layers - 1)


def _streams(where: str, piece: bytes) -> Iterator[tuple[str, bytes]]:
    """What zlib, gzip, bzip2 and xz made of something, wherever in the piece it begins."""
    if piece.startswith(ZSTD):
        raise NotImplementedError(f"{where} is packed by Zstandard: teach the search to unpack it")
    for match in STREAM.finditer(piece):
        inflated = _inflated(piece[match.start() :])
        if inflated:
            yield f"stream at {match.start()}", inflated


def _inflated(stream: bytes) -> bytes:
    try:
        if stream.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(stream, LARGEST)
        if stream.startswith(b"\xfd7zXZ"):
            return lzma.LZMADecompressor().decompress(stream, LARGEST)
        return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress(stream, LARGEST)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return b""  # it only looked like one


def _archived(piece: bytes) -> Iterator[tuple[str, bytes]]:
    if piece.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(piece)) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)


def _decoded(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """What text stands for that looks like hex or base64 of something packed."""
    for match in HEX.finditer(piece):
        digits = match[0][: len(match[0]) // 2 * 2]
        yield f"hex at {match.start()}", binascii.unhexlify(digits)
    for match in BASE64.finditer(piece):
        text = match[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        text = text[: len(text) - (len(text) % 4 == 1)]
        yield f"base64 at {match.start()}", base64.b64decode(text + b"=" * (-len(text) % 4))


def _cells(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Every value in the database, also what only its write-ahead log holds yet."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            quoted = table.decode().replace('"', '""')
            rows = connection.execute(f'select * from "{quoted}"')
            columns = [column[0] for column in rows.description]
            for number, row in enumerate(rows):
                for column, value in zip(columns, row, strict=True):
                    if isinstance(value, bytes):
                        yield f"{name}, {table.decode()}.{column}, row {number}", value
