"""Listeners whose rows arrive in portions, so that each rule about touched days is needed.

A history of `histories` is what everybody has; beside it stand scenes, each of which one rule is
for, some days apart so that none does the work of another. What happened truly is of no account
here: two models of the same rows are compared, so rows may be as close and as odd as they like.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from spotify_assets.spotify.export.names import Kind
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load
from spotify_assets.warehouse.zones import first_moment
from spotify_assets_tests.models.histories import HOUR, MINUTE, SECOND, Row, random_history, text

DAY = 24 * HOUR
PORTIONS = 9
PORTIONS_OF_LISTENER = 3
SCENES_OF_LISTENER = 5
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu"),
    *("Pacific/Auckland", "Pacific/Kiritimati"),
)
# Before the first scene; clocks change in the weeks after it, in America, Europe and New Zealand.
FIRST_DAY = datetime(2025, 3, 3, tzinfo=UTC)
ANSWERED = "2026-06-01T00:00:00.000Z"


@dataclass(frozen=True)
class Arrival:
    """A page of the API, or a file of a download."""

    account_id: str
    rows: list[Row]
    file: tuple[Kind, str] | None = None

    def load(self, name: str) -> Load:
        """The load of it under a name that no other load has."""
        if self.file is None:
            body = json.dumps({"items": self.rows})
            return load_of(LandedPage(name, self.account_id, ANSWERED, ANSWERED, body))
        _, package = self.file
        return Load(
            STREAMING_HISTORY,
            self.account_id,
            batches=[to_batch(self.account_id, self.rows, Counter())],
            file=ExportFile(f"{name} of {package}", package),
        )


@dataclass
class Track:
    """What plays of a track have in common."""

    uri: str
    name: str
    artist: str
    isrc: str
    duration_ms: int = 200 * SECOND

    def listed(self, end: int, **others: object) -> Row:
        """An item of the API."""
        artist = {"name": self.artist, "uri": f"spotify:artist:{self.artist}"}
        track = {
            "id": None,
            "uri": self.uri,
            "name": self.name,
            "duration_ms": self.duration_ms,
            "external_ids": {"isrc": self.isrc} if self.isrc else {},
            "artists": [artist],
            "album": {"name": f"Album of {self.name}", "artists": [artist]},
        }
        return {"played_at": text(end), "track": track | others}

    def told(self, end: int, ms_played: int, **others: object) -> Row:
        """A row of the extended history."""
        row = {
            "ts": f"{text(end)[:19]}Z",
            "ms_played": ms_played,
            "master_metadata_track_name": self.name,
            "master_metadata_album_artist_name": self.artist,
            "master_metadata_album_album_name": f"Album of {self.name}",
            "spotify_track_uri": self.uri,
            "reason_end": "trackdone",
            "offline": False,
        }
        return row | others


def minute_told(track: Track, end: int, ms_played: int) -> Row:
    """A row of the account data."""
    return {
        "endTime": text(end)[:16].replace("T", " "),
        "artistName": track.artist,
        "trackName": track.name,
        "msPlayed": ms_played,
    }


@dataclass
class Listener:
    """Whose rows arrive, and when of all portions any does."""

    account_id: str
    zone: str
    rng: random.Random
    portions: list[int]
    arrivals: "Arrivals"
    tracks: int = 0

    def track(self, **others: object) -> Track:
        """A track that nobody else played yet."""
        self.tracks += 1
        name = f"{self.account_id}-{self.tracks}"
        known = {"uri": f"spotify:track:{name}", "name": f"Song {name}", "artist": "Artist"}
        return Track(**(known | {"isrc": f"ISRC-{name}"} | others))  # type: ignore[arg-type]

    def some_time(self) -> int:
        return self.rng.choice(self.portions)

    def lists(self, portion: int, *items: Row) -> None:
        self.arrivals.lists(portion, self.account_id, *items)

    def tells(self, portion: int, *rows: Row, kind: Kind = Kind.EXTENDED) -> None:
        self.arrivals.tells(portion, self.account_id, kind, *rows)


@dataclass
class Arrivals:
    """What arrives in each portion, and how often each scene is played."""

    zones: dict[str, str] = field(default_factory=dict)
    scenes: Counter[str] = field(default_factory=Counter)
    _rows: dict[tuple[int, str, tuple[Kind, str] | None], list[Row]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def lists(self, portion: int, account_id: str, *items: Row) -> None:
        self._rows[portion, account_id, None].extend(items)

    def tells(
        self, portion: int, account_id: str, kind: Kind, *rows: Row, package: str = "scenes"
    ) -> None:
        portion += portion % 2  # every other portion is of pages alone
        self._rows[portion, account_id, (kind, package)].extend(rows)

    def of_portion(self, portion: int, rng: random.Random) -> list[Arrival]:
        """A portion's pages and files, and the rows of each, in any order."""
        found = [
            Arrival(account_id, rng.sample(rows, k=len(rows)), file)
            for (each, account_id, file), rows in self._rows.items()
            if each == portion
        ]
        return rng.sample(found, k=len(found))


def random_arrivals(seeds: Sequence[int]) -> Arrivals:
    """The arrivals of as many listeners as there are seeds."""
    arrivals = Arrivals()
    scenes = [scene for _ in seeds for scene in SCENES]  # so that each is played
    random.Random(str(seeds)).shuffle(scenes)
    for seed in seeds:
        rng = random.Random(seed)
        listener = Listener(
            account_id=f"listener-{seed}",
            zone=rng.choice(ZONES),
            rng=rng,
            portions=sorted(rng.sample(range(PORTIONS), k=PORTIONS_OF_LISTENER)),
            arrivals=arrivals,
        )
        arrivals.zones[listener.account_id] = listener.zone
        _history(listener, seed)
        day = int(FIRST_DAY.timestamp()) * SECOND
        for _ in range(SCENES_OF_LISTENER):
            scene = scenes.pop()
            day += rng.randint(5, 9) * DAY
            scene(listener, day)
            arrivals.scenes[scene.__name__] += 1
    return arrivals


def _history(listener: Listener, seed: int) -> None:
    """Sessions with repeats, skips, pairs and both exports; a file of which may come once more."""
    rng, history = listener.rng, random_history(seed)
    for page in history.pages:
        listener.lists(listener.some_time(), *page)
    for kind, package, rows in history.files:
        first, again = sorted(rng.choices(listener.portions, k=2))
        listener.arrivals.tells(first, listener.account_id, kind, *rows, package=package)
        if again > first and kind is Kind.EXTENDED:
            changed = [row | _changes(rng) for row in rows]
            listener.arrivals.tells(again, listener.account_id, kind, *changed, package=package)


def _changes(rng: random.Random) -> Row:
    """What another download may tell otherwise of a row."""
    changes: Row = {
        "conn_country": rng.choice(("DE", "FR", None)),
        "skipped": rng.choice((True, False, None)),
        "reason_end": rng.choice(("fwdbtn", "trackdone", "logout", "")),
        "master_metadata_album_album_name": "Album (Deluxe)",
        "incognito_mode": True,
    }
    return {name: changes[name] for name in rng.sample(list(changes), k=rng.randint(0, 2))}


def ticks_over_midnight(listener: Listener, day: int) -> None:
    """Plays around midnight of UTC on days in a row, that anything may list and tell at any time.

    What is made anew needs its neighbours: the estimate the play before it, a pair the other.
    """
    rng = listener.rng
    for night in range(rng.randint(3, 6)):
        tracks = [listener.track() for _ in range(2)]
        moment = day + night * DAY - rng.randint(0, 8 * MINUTE)
        for _ in range(rng.randint(2, 5)):
            track = rng.choice(tracks)
            moment += rng.choice((35 * SECOND, 2 * MINUTE, track.duration_ms))
            end = moment + rng.randint(0, 999)
            ms_played = rng.choice((track.duration_ms, rng.randint(1, 60) * SECOND))
            if rng.random() < 0.8:
                listener.lists(listener.some_time(), track.listed(end))
            if rng.random() < 0.5:
                late = end + rng.randint(-40, 40) * SECOND
                listener.tells(listener.some_time(), track.told(late, ms_played))


def is_told_of_days_later(listener: Listener, day: int) -> None:
    """Plays offline, listed when they ended, or when they were told of, or both, or never."""
    rng = listener.rng
    told = day + rng.randint(0, 12) * DAY + rng.randint(0, DAY)
    moment = day + rng.choice((-4 * MINUTE, rng.randint(0, DAY)))
    for _ in range(rng.randint(1, 4)):
        track = listener.track(duration_ms=rng.randint(40, 200) * SECOND)
        start, moment = moment, moment + track.duration_ms
        row = track.told(max(told, moment), track.duration_ms, offline=True)
        row["offline_timestamp"] = rng.choice((start, start // SECOND))
        row["reason_end"] = rng.choice(("trackdone", "logout"))
        listener.tells(listener.some_time(), row)
        for end in (moment, max(told, moment)):
            if rng.random() < 0.6:
                near = end + rng.randint(-30, 30) * SECOND
                listener.lists(listener.some_time(), track.listed(near))


def pairs_at_the_other_end(listener: Listener, day: int) -> None:
    """A play with two ends whose pair is not where it lies; then there is news at one of them.

    An offline play lies where its player says that it ended, one that a logout ended at `ts`.
    """
    rng = listener.rng
    track = listener.track()
    told = day + rng.randint(4, 9) * DAY + rng.randint(0, DAY)
    ended = day + rng.randint(0, DAY)
    row = track.told(told, track.duration_ms, offline=rng.random() < 0.5)
    row |= {"reason_end": "logout", "offline_timestamp": ended - track.duration_ms}
    first, *news = rng.sample(listener.portions, k=3) if rng.random() < 0.5 else listener.portions
    listener.tells(first, row)
    lies, other = (ended, told) if row["offline"] else (told, ended)
    near = other + rng.randint(-60, 60) * SECOND
    listener.lists(rng.choice((first, news[0])), track.listed(near))
    for portion in news:
        where = rng.choice((lies, other)) + rng.randint(-2, 2) * DAY
        listener.lists(portion, listener.track().listed(where))


def pairs_far_away_and_not_over_midnight(listener: Listener, day: int) -> None:
    """Days later is the nearer pair, over midnight the farther; news come from beyond that one."""
    rng = listener.rng
    track = listener.track()
    side = rng.choice((-1, 1))
    ended = day + side * rng.randint(6, 20) * SECOND
    told = day + rng.randint(5, 9) * DAY + rng.randint(0, DAY)
    first, *news = listener.portions
    start = ended - track.duration_ms
    listener.tells(
        first, track.told(told, track.duration_ms, offline=True, offline_timestamp=start)
    )
    listener.lists(first, track.listed(told // SECOND * SECOND + rng.randint(-5, 5) * SECOND))
    listener.lists(first, track.listed(day - side * rng.randint(1, 25) * SECOND))
    for portion in news:
        hour = rng.randint(1, 23) * HOUR
        listener.lists(portion, listener.track().listed(day - side * DAY - side * hour))


def has_a_variant_with_another_end(listener: Listener, day: int) -> None:
    """A later download says that it was not offline, or since another time."""
    rng, track = listener.rng, listener.track()
    told = day + rng.randint(0, DAY)
    start = told - rng.randint(4, 9) * DAY
    first, later = sorted(rng.sample(listener.portions, k=2))
    row = track.told(told, track.duration_ms, offline=True, offline_timestamp=start)
    other: Row = rng.choice(
        (
            {"offline": False, "conn_country": "DE"},
            {"offline_timestamp": start - rng.randint(1, 3 * DAY), "conn_country": "DE"},
            {"offline_timestamp": rng.choice((0, None))},
        )
    )
    both = [row, row | other]
    if rng.random() < 0.2:
        both.reverse()
    listener.tells(first, both[0])
    listener.tells(later, both[1])


def is_listed_by_its_start_or_late(listener: Listener, day: int) -> None:
    """About midnight, the API's time is the start of a play, or late by a pause, or nearly so."""
    rng = listener.rng
    tracks = [listener.track() for _ in range(2)]
    moment = day - rng.randint(0, 15 * MINUTE)
    for _ in range(rng.randint(3, 6)):
        track = rng.choice(tracks)
        start, moment = moment, moment + rng.choice((track.duration_ms, 2 * SECOND))
        away = rng.choice(
            (start - moment, start - moment - 15 * MINUTE, rng.randint(1, 16) * MINUTE, 0)
        )
        told = track.told(moment, moment - start)
        if rng.random() < 0.2:
            told["spotify_track_uri"] = rng.choice((None, f"{track.uri} again"))
        listener.tells(rng.choice(listener.portions[:2]), told)
        listener.lists(rng.choice(listener.portions[1:]), track.listed(moment + away))
        moment += rng.choice((SECOND, 5 * MINUTE))


def plays_for_hours(listener: Listener, day: int) -> None:
    """Of 5 to 24 h, over midnight: the API's time is its end, its start, or between them."""
    rng = listener.rng
    first, *later = listener.portions
    for night in range(2):
        track = listener.track(duration_ms=24 * HOUR)
        length = rng.randint(5, 24) * HOUR
        end = day + night * 3 * DAY + rng.randint(0, length)
        told = track.told(end, length)
        if rng.random() < 0.3:
            told |= {"offline": True, "offline_timestamp": end - length}
        listener.tells(first, told)
        away = rng.choice((0, length, 6 * HOUR, 6 * HOUR + 15 * MINUTE, rng.randint(0, length)))
        listener.lists(rng.choice(later), track.listed(end - away))
        listener.lists(rng.choice(later), listener.track().listed(end + rng.randint(0, DAY)))


def lacks_uri_or_names(listener: Listener, day: int) -> None:
    """Two downloads tell the same plays, the one without URI, the other without names, or both."""
    rng = listener.rng
    no_names: Row = {
        "master_metadata_track_name": None,
        "master_metadata_album_artist_name": None,
        "master_metadata_album_album_name": None,
    }
    no_uri: Row = {"spotify_track_uri": None}
    lacks: list[Row] = [{}, no_uri, no_names, no_uri | no_names, {"spotify_track_uri": ""}]
    moment = day
    for _ in range(rng.randint(2, 4)):
        track = listener.track()
        moment += track.duration_ms
        length = rng.choice((0, track.duration_ms))
        for lack in rng.choices(lacks, k=3):
            listener.tells(listener.some_time(), track.told(moment, length, **lack))
        if rng.random() < 0.3:  # another track in the same second
            other = listener.track().told(moment, length, **rng.choice((no_uri, {})))
            listener.tells(listener.some_time(), other)
        if rng.random() < 0.5:
            listener.lists(listener.some_time(), track.listed(moment + rng.randint(0, 999)))


def has_account_data_first(listener: Listener, day: int) -> None:
    """To the minute, some alike; then the API or the extended history tells some of them."""
    rng = listener.rng
    first, later = sorted(rng.sample(listener.portions, k=2))
    if rng.random() < 0.2:
        first, later = later, first
    tracks = [listener.track() for _ in range(2)]
    for _ in range(rng.randint(3, 8)):
        track = rng.choice(tracks)
        end = day + rng.randint(-5, 5) * MINUTE + rng.randrange(MINUTE)
        ms_played = rng.choice((5, 25, 55)) * SECOND
        row = minute_told(track, end + rng.choice((0, 0, 0, -MINUTE, MINUTE)), ms_played)
        if rng.random() < 0.2:
            row["artistName"] = "The Artist"
        listener.tells(first, row, kind=Kind.MUSIC)
        if rng.random() < 0.6:
            listener.tells(later, track.told(end, ms_played))
        if rng.random() < 0.4:
            listener.lists(listener.some_time(), track.listed(end))


def plays_for_days(listener: Listener, day: int) -> None:
    """The longest that a row can tell: rows that overlap, and a length to estimate."""
    rng = listener.rng
    track = listener.track(duration_ms=60 * HOUR)
    ms_played = rng.randint(20, 24) * HOUR
    end = day + rng.randint(0, DAY)
    for _ in range(3):
        listener.tells(listener.some_time(), track.told(end, ms_played))
        end += rng.choice((rng.randint(8, 12) * HOUR, rng.randint(20, 29) * HOUR))
    end += 5 * DAY
    for _ in range(2):
        listener.lists(listener.some_time(), listener.track(duration_ms=60 * HOUR).listed(end))
        end += rng.choice((rng.randint(8, 12) * HOUR, rng.randint(30, 50) * HOUR))


def is_shorter_than_it_seemed(listener: Listener, day: int) -> None:
    """The play before it arrives later: then it began after midnight of the listener's clock."""
    rng = listener.rng
    zone = ZoneInfo(listener.zone)
    local: date = datetime.fromtimestamp(day / SECOND, UTC).astimezone(zone).date()
    midnight = int(first_moment(local + timedelta(days=2), listener.zone).timestamp()) * SECOND
    first, later = sorted(rng.sample(listener.portions, k=2))
    listener.lists(first, listener.track().listed(midnight + rng.randint(1, 150) * SECOND))
    before = listener.track()
    end = midnight + rng.randint(-30, 30) * SECOND
    if rng.random() < 0.5:
        listener.lists(later, before.listed(end))
    else:
        listener.tells(later, before.told(end, rng.randint(1, 100) * SECOND))


def is_written_down_twice(listener: Listener, day: int) -> None:
    """By the API within half a minute, by an export with one end or too close, about midnight."""
    rng = listener.rng
    track = listener.track()
    for _ in range(rng.randint(2, 4)):
        away = rng.choice((-30_000, 0, 29_999, rng.randint(-35_000, 35_000)))
        listener.lists(listener.some_time(), track.listed(day + away))
    night = day + 2 * DAY
    long = rng.choice((100 * SECOND, 5 * HOUR))
    tracks: list[Row] = [
        {},
        {"spotify_track_uri": None},
        {"spotify_track_uri": None, "master_metadata_album_album_name": None},
        {"spotify_track_uri": None, "master_metadata_track_name": None},
    ]
    for _ in range(rng.randint(4, 8)):
        end = night + rng.choice((0, rng.randint(-long, long) // SECOND * SECOND))
        ms_played = long + rng.choice((0, 0, 7 * SECOND))
        listener.tells(listener.some_time(), track.told(end, ms_played, **rng.choice(tracks)))


def listens_to_talk(listener: Listener, day: int) -> None:
    """Episodes, books and files without a name."""
    rng = listener.rng
    no_music: Row = {
        "master_metadata_track_name": None,
        "master_metadata_album_artist_name": None,
        "master_metadata_album_album_name": None,
        "spotify_track_uri": None,
    }
    episode = {"episode_name": "Episode", "episode_show_name": "Show"}
    book = {"audiobook_title": "Book", "audiobook_chapter_title": "Chapter"}
    kinds: list[Row] = [
        episode | {"spotify_episode_uri": "spotify:episode:1"},
        episode,
        book | {"audiobook_uri": "spotify:show:1", "audiobook_chapter_uri": "spotify:episode:2"},
        book,
        {},
    ]
    talk = listener.track(uri="spotify:episode:1", name="Episode", artist="Show")
    for _ in range(rng.randint(3, 6)):
        end = day + rng.randint(-10, 10) * MINUTE
        row = talk.told(end, rng.randint(0, 90) * SECOND) | no_music | rng.choice(kinds)
        listener.tells(listener.some_time(), row)
        if rng.random() < 0.4:
            listener.lists(listener.some_time(), talk.listed(end))


def is_named_in_many_ways(listener: Listener, day: int) -> None:
    """Tracks that the API and exports name otherwise, before and after each other, here and there.

    All listeners share these tracks, artists and albums.
    """
    rng = listener.rng
    for _ in range(rng.randint(6, 12)):
        number = rng.randint(1, 6)
        uri = f"spotify:track:named-{number}"
        end = day + rng.randint(0, 3 * DAY)
        names: Row = {
            "master_metadata_track_name": rng.choice((f"Song {number}", "Song", None)),
            "master_metadata_album_artist_name": rng.choice(
                ("Ada", "Bea", "Various Artists", "Blandade Artister", None)
            ),
            "master_metadata_album_album_name": rng.choice(("One", "Two", None)),
            "spotify_track_uri": rng.choice((uri, uri, None)),
        }
        track = listener.track(uri=uri)
        if rng.random() < 0.6:
            row = track.told(end, rng.randint(1, 200) * SECOND, **names)
            listener.tells(listener.some_time(), row)
        if rng.random() < 0.5:
            artist: Row = {"name": rng.choice(("Ada", "Bea", "Cleo", ""))}
            if rng.random() < 0.8:
                artist["uri"] = f"spotify:artist:{rng.randint(1, 3)}"
            album: Row = {
                "name": rng.choice(("One", "Two", "")),
                "artists": [{"name": rng.choice(("Ada", "Various Artists"))}],
            }
            if rng.random() < 0.8:
                album["uri"] = f"spotify:album:{rng.randint(1, 3)}"
            item = track.listed(end, artists=[artist], album=album, name=f"Song {number}")
            listener.lists(listener.some_time(), item)


SCENES: tuple[Callable[[Listener, int], None], ...] = (
    ticks_over_midnight,
    is_told_of_days_later,
    pairs_at_the_other_end,
    pairs_far_away_and_not_over_midnight,
    has_a_variant_with_another_end,
    is_listed_by_its_start_or_late,
    plays_for_hours,
    lacks_uri_or_names,
    has_account_data_first,
    plays_for_days,
    is_shorter_than_it_seemed,
    is_written_down_twice,
    listens_to_talk,
    is_named_in_many_ways,
)


def again(portions: Sequence[list[Arrival]], rng: random.Random, count: int) -> Iterator[Arrival]:
    """Some of what has arrived, once more."""
    arrived = [arrival for portion in portions for arrival in portion]
    yield from rng.sample(arrived, k=count)
