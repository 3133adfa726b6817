"""Every kind of answer of the sandbox's Web API against Spotify's own description of it.

Spotify's description names fields without saying which are always there. Here each is taken as
required and no other as allowed, so that the list of deviations below is complete: what new apps
do not get, and what Spotify answers otherwise than it says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatch
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from spotify_assets.sandbox.answer_faults import ANSWER_FAULTS, API
from spotify_assets.sandbox.removed import REMOVED
from spotify_assets_tests.unit.sandbox.client import App

Json = dict[str, Any]
PLAYS, ME, AUDIO = "/me/player/recently-played", "/me", "/audio-features/{id}"
ONE_TRACK = "/tracks/{id}"


@dataclass(frozen=True)
class Deviation:
    """What differs from the description, in which answers (patterns of their names), and why."""

    text: str
    answers: tuple[str, ...]
    reason: str


def missing(where: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{where}: {name!r} is a required property" for name in names)


def null(where: str, kind: str) -> tuple[str, str]:
    """The library says of a null both that it is not nullable and that it has the wrong type."""
    return f"{where}: None for not nullable", f"{where}: None is not of type {kind!r}"


WITH_PLAYS = ("plays, fifty", "plays, the rest", "plays, null context", "plays, short ones")
ALL_PLAYS = (*WITH_PLAYS, "plays, none")
WITH_NULL_CONTEXT = ("plays, fifty", "plays, null context", "plays, short ones")
# Where a track and its album are in an answer, and in which answers.
TRACKS = (
    ("items/*/track", "items/*/track/album", WITH_PLAYS),
    ("", "album", ("track",)),
)
REMOVED_FIELDS = "removed for apps of 2026"
IN_WORDS = "plain text, as reported"
DEVIATIONS = (
    *(
        Deviation(text, answers, REMOVED_FIELDS)
        for track, album, answers in TRACKS
        for text in (
            *missing(track, "available_markets", "linked_from", "popularity", "preview_url"),
            *missing(album, "available_markets"),
        )
    ),
    *(
        Deviation(text, answers, "only there where something is restricted")
        for *places, answers in TRACKS
        for where in places
        for text in missing(where, "restrictions")
    ),
    *(
        Deviation(text, answers, "only the ISRC is there, in all of 100 recorded items")
        for track, _, answers in TRACKS
        for text in missing(f"{track}/external_ids".lstrip("/"), "ean", "upc")
    ),
    *(
        Deviation(
            f"{album}: Additional properties are not allowed ('is_playable' was unexpected)",
            answers,
            "there in recorded answers, though not described",
        )
        for _, album, answers in TRACKS
    ),
    *(
        Deviation(text, ALL_PLAYS, "described, and not there in any recorded answer")
        for text in missing("", "total")
    ),
    *(
        Deviation(text, WITH_NULL_CONTEXT, "null where the player did not say")
        for text in null("items/*/context", "object")
    ),
    *(
        Deviation(text, ("plays, the rest", "plays, none"), "null on the last page, as it says")
        for text in null("next", "string")
    ),
    *(
        Deviation(text, ("plays, none",), "null beyond the fiftieth play")
        for text in null("cursors", "object")
    ),
    *(
        Deviation(text, ("me",), REMOVED_FIELDS)
        for text in missing("", "country", "email", "explicit_content", "followers", "product")
    ),
    *(
        Deviation(text, ("403 audio features", "fault forbidden_no_message"), "as measured")
        for text in missing("error", "message")
    ),
    Deviation(
        "error: Additional properties are not allowed ('reason' was unexpected)",
        ("fault quota_exceeded", "fault forbidden_premium_required"),
        "told of in a blog of July 2026, or measured; not described",
    ),
    Deviation(
        "it is text/plain", ("403 not listed", "fault forbidden_not_listed"), f"{IN_WORDS} in 2026"
    ),
    Deviation("it is text/plain", ("fault rate_limited_plain",), f"{IN_WORDS} in 2021"),
    Deviation("it is text/html", ("fault server_error_html",), "what a proxy before Spotify says"),
    Deviation("it has no type", ("fault server_error_empty",), "has no body either"),
    *(
        Deviation(f"status {status} is not described", answers, "documented in general only")
        for status, answers in (
            (400, ("400*",)),
            (404, ("404*",)),
            (500, ("fault server_error_json",)),
            (502, ("fault server_error_html",)),
            (503, ("fault server_error_empty",)),
        )
    ),
)


@dataclass(frozen=True)
class Answer:
    """One kind of answer: of which operation, and how to get it."""

    name: str
    operation: str
    get: Callable[[App], requests.Response]


def plays(app: App, **params: str | int) -> requests.Response:
    return app.recently_played(app.log_in()["access_token"], **params)


def the_rest(app: App) -> requests.Response:
    """The last page of the window that has plays."""
    first = plays(app, limit=30).json()
    return plays(app, limit=30, before=first["cursors"]["before"])


def beyond(app: App) -> requests.Response:
    return plays(app, limit=50, before=plays(app, limit=50).json()["cursors"]["before"])


def a_track(app: App) -> requests.Response:
    token = app.log_in()["access_token"]
    listed = app.recently_played(token, limit=1).json()["items"][0]["track"]
    return app.get(f"/tracks/{listed['id']}", token)


def null_context(app: App) -> requests.Response:
    truth = app.plays("mira", "2026-10-01T00:00:00Z")
    newest = [play for play in truth if play["context_uri"] is None][-1]
    app.sandbox.clock.set(datetime.fromisoformat(newest["played_at"]))
    return plays(app, limit=1)


def short_ones(app: App) -> requests.Response:
    app.sandbox.faults.on("short_plays")
    return plays(app, limit=50)


def expired(app: App) -> requests.Response:
    token = app.log_in()["access_token"]
    app.sandbox.clock.advance(timedelta(hours=1))
    return app.recently_played(token)


def not_listed(app: App) -> requests.Response:
    app.sandbox.not_listed = ("mira",)
    return app.get("/me", app.log_in()["access_token"])


def at(path: str, **asked: str) -> Callable[[App], requests.Response]:
    return lambda app: app.get(path, app.log_in(**asked)["access_token"])


def with_fault(name: str) -> Callable[[App], requests.Response]:
    def get(app: App) -> requests.Response:
        app.sandbox.faults.on(name)
        return plays(app)

    return get


# Faults that answer in a form of their own. What is broken on purpose is left out.
BROKEN = {"other_shape", "not_json", "reset"}
FAULTS = [
    fault.name
    for fault in ANSWER_FAULTS
    if fault.instead and fault.parameters["path"].default == API and fault.name not in BROKEN
]
ANSWERS = (
    Answer("me", ME, at("/me")),
    Answer("plays, fifty", PLAYS, lambda app: plays(app, limit=50)),
    Answer("plays, the rest", PLAYS, the_rest),
    Answer("plays, none", PLAYS, beyond),
    Answer("plays, null context", PLAYS, null_context),
    Answer("plays, short ones", PLAYS, short_ones),
    Answer("track", ONE_TRACK, a_track),
    Answer("400 limit", PLAYS, lambda app: plays(app, limit=51)),
    Answer("400 cursor", PLAYS, lambda app: plays(app, after=1, before=2)),
    Answer("401 missing", ME, lambda app: app.get("/me", None)),
    Answer("401 invalid", ME, lambda app: app.get("/me", "made-up")),
    Answer("401 expired", PLAYS, expired),
    Answer("403 scope", PLAYS, at("/me/player/recently-played", scope="")),
    Answer("403 not listed", ME, not_listed),
    Answer("403 removed", "/tracks", at("/tracks?ids=1")),
    Answer("403 audio features", AUDIO, at("/audio-features/1")),
    Answer("404 recommendations", "/recommendations", at("/recommendations")),
    Answer("404 track", ONE_TRACK, at("/tracks/4uLU6hMCjMI75M1A2tKUQC")),
    Answer("404 nothing", ME, at("/me/nothing")),
    *(Answer(f"fault {name}", PLAYS, with_fault(name)) for name in FAULTS),
)


class Description:
    """Spotify's description, and what an answer deviates from it."""

    def __init__(self, path: Path) -> None:
        self.document: Json = yaml.safe_load(path.read_text("utf-8"))

    def deviations(self, operation: str, answer: requests.Response) -> set[str]:
        """What differs, in words; places in lists are written as *."""
        described = self.document["paths"][operation]["get"]["responses"]
        found, status = set[str](), str(answer.status_code)
        if status not in described:
            found.add(f"status {status} is not described")
        kind = answer.headers.get("Content-Type", "no type").partition(";")[0]
        if kind != "application/json":
            return found | ({"it has no type"} if kind == "no type" else {f"it is {kind}"})
        # All described errors have one form.
        response = self._resolved(described.get(status, described["403"]))
        schema = self._strict(response["content"]["application/json"]["schema"])
        return found | set(self._differences(schema, answer.json()))

    def deprecated(self) -> set[tuple[str, str]]:
        """Method and path of all operations that are called deprecated."""
        return {
            (method.upper(), re.sub(r"\{.*?\}", "<id>", path))
            for path, operations in self.document["paths"].items()
            for method, operation in operations.items()
            if isinstance(operation, dict) and operation.get("deprecated")
        }

    @staticmethod
    def _differences(schema: Json, body: object) -> Iterator[str]:
        # Validates `nullable` and formats as OpenAPI 3.0 means them.
        for error in OAS30Validator(schema, format_checker=oas30_format_checker).iter_errors(body):
            steps = ["*" if isinstance(step, int) else step for step in error.absolute_path]
            yield f"{'/'.join(steps)}: {error.message}"

    def _resolved(self, node: Json) -> Json:
        if "$ref" not in node:
            return node
        steps = node["$ref"].removeprefix("#/").split("/")
        return self._resolved(reduce(lambda found, step: found[step], steps, self.document))

    def _strict(self, node: Json) -> Json:
        """The schema in one piece, with every described field required and no other allowed."""
        schema = dict(self._resolved(node))
        for part in map(self._strict, schema.pop("allOf", [])):
            properties = part.get("properties", {}) | schema.get("properties", {})
            schema = part | schema | ({"properties": properties} if properties else {})
        if "items" in schema:
            schema["items"] = self._strict(schema["items"])
        if "properties" in schema:
            fields = {name: self._strict(field) for name, field in schema["properties"].items()}
            schema |= {"properties": fields, "required": [*fields], "additionalProperties": False}
        return schema


@pytest.fixture(scope="session")
def description() -> Description:
    path = os.environ.get("SPOTIFY_OPENAPI")
    if not path:
        pytest.skip("SPOTIFY_OPENAPI names no file with Spotify's description of its Web API")
    return Description(Path(path))


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.name)
def test_an_answer_differs_from_the_description_just_as_it_is_known_to(
    app: App, description: Description, kind: Answer
) -> None:
    known = {
        deviation.text
        for deviation in DEVIATIONS
        if any(fnmatch(kind.name, pattern) for pattern in deviation.answers)
    }
    found = description.deviations(kind.operation, kind.get(app))
    assert sorted(found - known) == [], "not known"
    assert sorted(known - found) == [], "known, and not so (any more)"


def test_every_deviation_is_of_answers_that_there_are() -> None:
    names = [kind.name for kind in ANSWERS]
    for deviation in DEVIATIONS:
        for pattern in deviation.answers:
            assert any(fnmatch(name, pattern) for name in names), deviation
        assert deviation.reason


def drop(name: str) -> Callable[[Json], object]:
    return lambda item: item.pop(name)


def put(value: object, *place: str) -> Callable[[Json], object]:
    def change(item: Json) -> None:
        *way, name = place
        reduce(lambda node, step: node[step], way, item)[name] = value

    return change


@pytest.mark.parametrize(
    ("mutate", "found"),
    [
        (drop("played_at"), "items/*: 'played_at' is a required property"),
        (drop("track"), "items/*: 'track' is a required property"),
        (
            put("yesterday", "played_at"),
            "items/*/played_at: 'yesterday' is not a 'date-time'",
        ),
        (put(None, "track", "name"), null("items/*/track/name", "string")),
        (
            put("long", "track", "duration_ms"),
            "items/*/track/duration_ms: 'long' is not of type 'integer'",
        ),
        (
            put("ep", "track", "album", "album_type"),
            "items/*/track/album/album_type: 'ep' is not one of ['album', 'single', 'compilation']",
        ),
        (
            put(1, "made_up"),
            "items/*: Additional properties are not allowed ('made_up' was unexpected)",
        ),
    ],
)
def test_a_damaged_answer_is_refused(
    app: App,
    description: Description,
    mutate: Callable[[Json], object],
    found: str | tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = plays(app, limit=3)
    sound, body = description.deviations(PLAYS, answer), deepcopy(answer.json())
    mutate(body["items"][1])
    monkeypatch.setattr(answer, "json", lambda: body)
    assert description.deviations(PLAYS, answer) == sound | (
        {found} if isinstance(found, str) else {*found}
    )


def test_what_the_description_allows_to_be_null_may_be_null(
    app: App, description: Description, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image's size is `nullable` there, which is OpenAPI's word and not JSON Schema's."""
    answer = plays(app, limit=3)
    sound, body = description.deviations(PLAYS, answer), deepcopy(answer.json())
    body["items"][0]["track"]["album"]["images"][0]["height"] = None
    monkeypatch.setattr(answer, "json", lambda: body)
    assert description.deviations(PLAYS, answer) == sound


def test_what_is_removed_here_is_what_the_description_calls_deprecated(
    description: Description,
) -> None:
    """But three: nobody has told how Spotify refuses them. Here they are not found."""
    refused = {(method, path) for methods, path, _ in REMOVED for method in methods}
    assert description.deprecated() - refused == {
        ("GET", "/browse/featured-playlists"),
        ("GET", "/browse/categories/<id>/playlists"),
        ("GET", "/recommendations/available-genre-seeds"),
    }
    assert refused <= description.deprecated()
