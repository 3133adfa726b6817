"""What can happen to an answer on its way: cut, late, lost.

Belongs here: what each of these makes of a real answer, and how the server is told to reset a
connection. Does not belong here: when it happens (`answer_faults`), the socket (`server`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from flask import Response

from spotify_assets.sandbox.faults import Values


class Reset(ConnectionError):
    """The connection is to be reset: the peer gets a TCP RST and nothing else."""


def truncated(response: Response, values: Values, stopping: threading.Event) -> Response:
    """The first half of the body, with a length to match."""
    body = response.get_data()
    response.set_data(body[: len(body) // 2])
    return response


def cut_off(response: Response, values: Values, stopping: threading.Event) -> Response:
    """The first half of the body, with the length of the whole."""
    body = response.get_data()
    return _in_pieces(response, iter([body[: len(body) // 2]]))


def slow(response: Response, values: Values, stopping: threading.Event) -> Response:
    """The whole, after a wait."""
    body = response.get_data()

    def pieces() -> Iterator[bytes]:
        _wait(values["seconds"], stopping)
        yield body

    return _in_pieces(response, pieces())


def dripping(response: Response, values: Values, stopping: threading.Event) -> Response:
    """The whole, a byte at a time."""
    body = response.get_data()

    def pieces() -> Iterator[bytes]:
        start, each = time.monotonic(), values["seconds"] / max(len(body), 1)
        for place in range(len(body)):
            _wait(start + each * (place + 1) - time.monotonic(), stopping)
            yield body[place : place + 1]

    return _in_pieces(response, pieces())


def reset(response: Response, values: Values, stopping: threading.Event) -> Response:
    """Nothing at all."""

    def piece() -> bytes:
        raise Reset

    return _in_pieces(response, iter(piece, None))  # raises where the server asks for the body


def _in_pieces(response: Response, pieces: Iterator[bytes]) -> Response:
    """The answer with its own length, whatever comes of its body."""
    response.headers["Content-Length"] = str(len(response.get_data()))
    response.response = pieces
    return response


def _wait(seconds: float, stopping: threading.Event) -> None:
    """Wait, in real seconds. Raises Reset as soon as the sandbox stops."""
    if stopping.wait(max(seconds, 0)):
        raise Reset
