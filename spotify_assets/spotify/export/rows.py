"""Reading the rows of a history file, a piece at a time, so that its size does not matter.

A file is one JSON list of flat objects. It is cut between two of them: after a `}` that a comma
follows. Whether such a place is between two rows, or in a title or a nested value, the parser
tells: what stands before it is a list of whole values exactly if it parses as one.

No library for streaming JSON serves: ijson's C reader is slower than this (9 against 6 µs a row
with equal keys refused), and a file of opening brackets fills the memory with it.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import IO, Any

import orjson

from spotify_assets.spotify.export.errors import ExportError

PIECE_BYTES = 8_000_000  # some 10,000 rows, which are parsed and checked together
LONGEST_ROW_BYTES = 1_000_000  # real ones have less than 2,000
LARGEST_FILE_BYTES = 1 << 30  # Spotify's have 13 MB
CUTS_TRIED = 20
FIRST_BYTES = 64_000  # in which a history has dozens of rows
FIRST_ROWS = 20
LONGEST_INTEGER = 20  # digits
LONG_INTEGER = re.compile(rb"[0-9]{19}")
SPACE = b" \t\r\n"  # to Python a page break is space as well, and not to JSON
BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Digits:
    """A number that no database can hold, or Python, as it is written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digits) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._text)


def read_rows(file: IO[bytes]) -> Iterator[list[Any]]:
    """The rows of a file, in lists of some thousands; each row is whatever JSON value it is.

    Raises:
        ExportError: it is no whole JSON list in UTF-8 or is too large, or a row has one key twice.
            Rows that were yielded before are not to be kept.
    """
    waiting, offset, is_first = _start(file), 1, True
    while True:
        read = file.read(PIECE_BYTES)
        waiting += read
        if offset + len(waiting) > LARGEST_FILE_BYTES:
            raise ExportError(
                f"It is larger than {LARGEST_FILE_BYTES >> 20:,} MB, and Spotify's files have 13."
            )
        if not read:
            break
        rows, length = _cut(waiting)
        if rows is None:
            if len(waiting) > PIECE_BYTES + LONGEST_ROW_BYTES:
                _rows(waiting[: waiting.rfind(b"}") + 1], offset)  # says where it is broken
                raise ExportError(f"It has a row of more than {LONGEST_ROW_BYTES:,} bytes.")
            continue
        yield rows
        is_first = False
        waiting, offset = waiting[length:], offset + length
    last = waiting.rstrip(SPACE)
    if not last.endswith(b"]"):
        raise ExportError("It is cut short: the list in it has no end. Download it again.")
    rows = _rows(last[:-1], offset)
    if not rows and not is_first:
        raise ExportError("It is no JSON: a comma stands before the end of the list.")
    yield rows


def first_rows(file: IO[bytes]) -> list[Any]:
    """The first few rows of a file; none where it holds no JSON list. No more of it is read."""
    begin = file.read(64).removeprefix(BYTE_ORDER_MARKS[0])
    if not begin.lstrip(SPACE).startswith(b"["):
        return []
    text = (begin + file.read(FIRST_BYTES)).decode("utf-8", "replace")
    decoder, rows, place = json.JSONDecoder(), list[Any](), text.index("[") + 1
    while len(rows) < FIRST_ROWS:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        try:
            row, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        rows.append(row)
    return rows


def _start(file: IO[bytes]) -> bytes:
    """What follows the bracket that opens the list."""
    begin = file.read(64).lstrip(SPACE)
    if begin.startswith(BYTE_ORDER_MARKS):
        raise ExportError(
            "It begins with a byte-order mark, so some program has rewritten it. "
            "Take the file as Spotify sent it."
        )
    if not begin.startswith(b"["):
        what = ", but a JSON object" if begin.startswith(b"{") else ""
        raise ExportError(f"It holds no JSON list, as Spotify's histories do{what}.")
    return begin[1:]


def _cut(waiting: bytes) -> tuple[list[Any] | None, int]:
    """The rows before the last place between two of them, and how many bytes they and a comma take.

    None where no such place was found.
    """
    end = len(waiting)
    for _ in range(CUTS_TRIED):
        end = waiting.rfind(b"}", 0, end)
        if end < 0:
            break
        comma = len(waiting) - len(waiting[end + 1 :].lstrip(SPACE))
        if waiting[comma : comma + 1] != b",":
            continue
        try:
            return _rows(waiting[: end + 1], 0), comma + 1
        except _Unparsable:
            continue
    return None, 0


class _Unparsable(ExportError):
    """What may yet be the cut's fault."""


def _rows(values: bytes, offset: int) -> list[Any]:
    """The values of a JSON list without its brackets, which stands at an offset in the file."""
    listed = b"[" + values + b"]"
    try:
        rows: list[Any] = orjson.loads(listed)
    except orjson.JSONDecodeError:
        return _rows_slowly(listed, offset)
    # orjson takes the last of equal keys without a word, and rounds integers of more than 64 bits.
    # Each key is a match, and a title may be one as well.
    keys = sum(len(row) for row in rows if isinstance(row, dict))
    is_exact = _count_keys(listed) == keys and not LONG_INTEGER.search(listed)
    return rows if is_exact else _rows_slowly(listed, offset)


def _count_keys(listed: bytes) -> int:
    """How many keys there are, or more: a title may look like one."""
    return listed.translate(None, b" \t\n\r").count(b'":')


def _rows_slowly(listed: bytes, offset: int) -> list[Any]:
    """The same by the standard library, which takes half a character and tells of equal keys."""
    try:
        text = listed.decode("utf-8")
        rows: list[Any] = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except UnicodeDecodeError as error:
        raise _Unparsable(f"It is not UTF-8 near byte {offset + error.start:,}.") from None
    except json.JSONDecodeError as error:
        near = offset + len(text[: error.pos].encode())
        raise _Unparsable(f"It is no JSON near byte {near:,}: {error.msg}.") from None
    except RecursionError:
        raise ExportError("Its values are nested too deeply; no history is like that.") from None
    return rows


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        raise ExportError("A row in it has the same key twice.")
    return unique


def _refuse(constant: str) -> None:
    raise ExportError(f"It is no JSON: {constant} stands in it, which is no number.")


def _integer(digits: str) -> int | Digits:
    number = int(digits) if len(digits) <= LONGEST_INTEGER else 2**64
    return number if -(2**63) <= number < 2**64 else Digits(digits)


def _fraction(digits: str) -> float | Digits:
    number = float(digits)
    return number if math.isfinite(number) else Digits(digits)
