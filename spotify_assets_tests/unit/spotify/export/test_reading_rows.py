"""Reading a history a piece at a time: the same rows as a parser that reads it at once, or none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spotify_assets.spotify.export import rows as reader
from spotify_assets.spotify.export.errors import ExportError
from spotify_assets.spotify.export.rows import Digits, read_rows
from spotify_assets_tests.unit.spotify.export.downloads import a_row, rows_of

AWKWARD = [
    "},{",
    "}, {",
    '"},"',
    '\\"},{\\"',
    '":',
    '"ts":',
    '"ts" : "',
    "\\",
    "\\\\",
    '\\"',
    "]",
    "[",
    "}]",
    "},]",
    "{}",
    ",,",
    "\n},\n{\n",
    "\u2028\u2029\u0085",
    "größe 🎧 美",
    "\ud800",
    "\udfff\ud800",
    "\0",
    "NaN",
    "",
]
texts = st.sampled_from(AWKWARD) | st.text(
    st.sampled_from('{}[]",:\\ \nab/u0') | st.characters(exclude_categories=()), max_size=12
)
titles = st.lists(texts, max_size=3).map("".join)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | titles
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(titles, inner, max_size=3),
    max_leaves=6,
)
histories = st.lists(values | st.dictionaries(titles, values, max_size=5), max_size=12)
layouts = st.fixed_dictionaries(
    {
        "separators": st.tuples(
            st.sampled_from([",", ", ", " ,", "\n,\t", "\r\n ,\r\n "]),
            st.sampled_from([":", ": ", " : ", "\t:\n", " :"]),
        ),
        "indent": st.sampled_from([None, None, 0, 1, 2, "\t"]),
        "ensure_ascii": st.booleans(),
    }
)
pieces = st.integers(1, 200)


def tries(number: int) -> settings:
    quiet = [HealthCheck.too_slow]
    return settings(max_examples=number, deadline=None, database=None, suppress_health_check=quiet)


def written(history: Any, layout: dict[str, Any]) -> bytes:
    try:
        return json.dumps(history, **layout).encode()
    except UnicodeEncodeError:  # half a character has no UTF-8
        return json.dumps(history, **{**layout, "ensure_ascii": True}).encode()


def in_pieces(content: bytes, piece: int) -> list[Any]:
    with patch.object(reader, "PIECE_BYTES", piece):
        return [row for rows in read_rows(io.BytesIO(content)) for row in rows]


def strictly(value: Any) -> str:
    """A text that is equal for equal JSON only, keys in their order; for ==, 1 is True."""
    return json.dumps(value)


@tries(100)
@given(histories, layouts, pieces)
def test_a_history_is_read_as_any_json_parser_reads_it(
    history: list[Any], layout: dict[str, Any], piece: int
) -> None:
    content = written(history, layout)
    found = in_pieces(content, piece)
    assert strictly(found) == strictly(json.loads(content))
    assert len(found) == len(json.load(io.BytesIO(content)))


@tries(60)
@given(
    st.lists(titles, min_size=1, max_size=30), layouts, pieces, st.sampled_from([b"", b" \r\n\t"])
)
def test_titles_that_look_like_json_change_nothing(
    names: list[str], layout: dict[str, Any], piece: int, space: bytes
) -> None:
    history = [
        a_row(number, master_metadata_track_name=name, episode_name=f"{name}{name}")
        for number, name in enumerate(names)
    ]
    content = space + written(history, layout) + space
    # Two halves that come to stand together are one character.
    assert in_pieces(content, piece) == json.loads(content)


TOKENS = (
    *b' \t\r\n\x0b\x0c\0,:[]{}"\\0-.eE',
    *(
        b'"a":1,',
        b'"a" :1,',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"\\ud800",
        b"\\u00",
        b"\xff",
        b"\xc3",
    ),
    *(b"},{", b"}]", b"],[", b"null", b"truefalse", b"\xef\xbb\xbf", b"//", b"[[[[", b"9" * 30),
)
changes = st.lists(
    st.tuples(
        st.sampled_from(["cut", "begin", "insert", "delete", "double"]),
        st.floats(0, 1),
        st.integers(1, 12),
        st.sampled_from(TOKENS).map(
            lambda token: token if isinstance(token, bytes) else bytes([token])
        ),
    ),
    min_size=1,
    max_size=3,
)


def changed(content: bytes, what: str, share: float, length: int, token: bytes) -> bytes:
    place = int(share * len(content))
    after = content[place + length :]
    return {
        "cut": content[:place],
        "begin": content[place:],
        "insert": content[:place] + token + content[place:],
        "delete": content[:place] + after,
        "double": content[: place + length] + content[place:],
    }[what]


class WrongKeysError(Exception):
    """An object has one key twice."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise WrongKeysError
    return dict(pairs)


def at_once(content: bytes) -> Any:
    """What the file holds by the letter of JSON in UTF-8, or None where it holds no such list."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, WrongKeysError):
        return None
    return found if isinstance(found, list) else None


@tries(200)
@given(histories.filter(bool), layouts, pieces, changes)
@example([{"a": 1}, {"b": 2}], {}, 1, [("insert", 0.45, 1, b"\x0b")])
@example([{"a": 1}, {"b": 2}], {}, 1, [("insert", 1.0, 1, b"\x0c")])
@example([[]], {"separators": (",", ":"), "indent": None}, 1, [("insert", 0.5, 1, b"1e999")])
def test_a_damaged_history_is_refused_or_read_as_a_json_parser_reads_it(
    history: list[Any], layout: dict[str, Any], piece: int, damage: list[tuple[Any, ...]]
) -> None:
    content = written(history, layout)
    for change in damage:
        content = changed(content, *change)
    expected = at_once(content)
    try:
        found = in_pieces(content, piece)
    except ExportError:
        assert expected is None
    else:
        assert strictly(as_numbers(found)) == strictly(as_numbers(expected))


def as_numbers(value: Any) -> Any:
    """Numbers as all parsers can tell them, floating; one is kept as text, when it is too large."""
    if isinstance(value, dict):
        return {key: as_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(as_numbers, value))
    is_number = isinstance(value, int | float | Digits) and not isinstance(value, bool)
    return float(str(value)) if is_number else value


def test_a_file_is_read_in_its_order_in_pieces_of_some_rows() -> None:
    history = rows_of(*range(500))
    content = json.dumps(history).encode()
    counts = []
    for piece in (1, 10_000, 8_000_000):
        with patch.object(reader, "PIECE_BYTES", piece):
            found = list(read_rows(io.BytesIO(content)))
        assert [row for rows in found for row in rows] == history
        counts.append(len(found))
    assert counts[0] >= 500 > counts[1] > 10 > counts[2]


@pytest.mark.parametrize(
    "number", ["1" * 18, "1" * 19, "9" * 20, "9" * 30, "9" * 5000, "-" + "1" * 18, "1e400", "-0"]
)
def test_a_number_of_any_length_is_a_number_however_its_row_was_parsed(number: str) -> None:
    """A half character sends the rows beside it to another parser."""
    rows = [
        in_pieces(f'[{{"ms_played": {number}, "t": "{title}"}}]'.encode(), 100)[0]["ms_played"]
        for title in ("a", "\\ud800")
    ]
    assert rows[0] == rows[1]
    assert type(rows[0]) is type(rows[1])


def test_a_large_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """No more than some pieces are ever held, and the file is read as its rows are asked for."""
    path = tmp_path / "endsong_0.json"
    with path.open("wb") as file:
        file.write(b"[")
        for number in range(4000):
            file.write((b"," if number else b"") + json.dumps(a_row(number)).encode())
        file.write(b"]")
    read, longest = 0, 0
    with path.open("rb") as file, patch.object(reader, "PIECE_BYTES", 10_000):
        for rows in read_rows(file):
            read += len(rows)
            longest = max(longest, len(rows))
            assert file.tell() <= (read + longest) * 1000
    assert (read, longest < 50) == (4000, True)
