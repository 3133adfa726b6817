"""Random listening histories: a truth, and what Spotify's list and its exports show of it.

The oracle is the truth itself. It knows nothing of the models: each play that any source holds is
one play, its sources are exactly those that hold it, and an export knows how long it was.

Sources hold whole sessions, with long silences between them, and pages begin and end anywhere. So
no play that one source lacks has a row of another play within the minute in which it would be
looked for; nearer than that no rule could tell them apart.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from spotify_assets import times
from spotify_assets.spotify.export.names import Kind
from spotify_assets.spotify.state import LandedPage
from spotify_assets.warehouse.draining import load_of
from spotify_assets.warehouse.exported import STREAMING_HISTORY, ExportFile
from spotify_assets.warehouse.importing import to_batch
from spotify_assets.warehouse.loading import Load

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LISTED_MS = 30 * SECOND  # Spotify lists no shorter play
LARGEST_OFFSET_MS = 3 * SECOND

Row = dict[str, Any]


@dataclass(frozen=True)
class Track:
    """A recording; another `listed_uri` is the same one under the id that Spotify lists it by."""

    uri: str
    listed_uri: str
    isrc: str
    name: str
    artist: str
    album: str
    duration_ms: int


@dataclass
class Play:
    """What happened. `told_at` is when the player told of it: later, where it was offline."""

    track: Track
    start: int
    ms_played: int
    session: int
    end: int
    told_at: int
    offline: bool = False
    logout: bool = False
    incognito: bool = False
    repeated: bool = False
    is_listed: bool = False
    export_ts: str | None = None  # of the extended history, where any package holds it
    minute: str | None = None  # of the account data, where that alone holds it


@dataclass
class History:
    """One listener's truth, and what arrives of it."""

    seed: int
    plays: list[Play] = field(default_factory=list)
    pages: list[list[Row]] = field(default_factory=list)
    files: list[tuple[Kind, str, list[Row]]] = field(default_factory=list)

    def expected(self) -> Counter[tuple[Any, ...]]:
        """The plays of the fact: source, name, ms (None where estimated), both sources' ends."""
        found: Counter[tuple[Any, ...]] = Counter()
        for play in self.plays:
            exported = play.export_ts or play.minute
            if exported or play.is_listed:
                source = "both" if exported and play.is_listed else "export" if exported else "api"
                listed = text(play.end) if play.is_listed else None
                length = play.ms_played if exported else None
                found[source, play.track.name, length, listed, exported] += 1
        return found

    def loads(self, account_id: str, order: random.Random) -> Iterator[Load]:
        """Everything that arrives, in an order."""
        arrivals: list[list[Row] | tuple[Kind, str, list[Row]]] = [*self.pages, *self.files]
        order.shuffle(arrivals)
        for number, arrival in enumerate(arrivals):
            if isinstance(arrival, list):
                moment = text(max(play.told_at for play in self.plays) + HOUR)
                body = json.dumps({"items": arrival})
                yield load_of(
                    LandedPage(f"{account_id}-{number}", account_id, moment, moment, body)
                )
            else:
                _, package, rows = arrival
                rows = order.sample(rows, k=len(rows))
                yield Load(
                    STREAMING_HISTORY,
                    account_id,
                    batches=[to_batch(account_id, rows, Counter())],
                    file=ExportFile(f"{account_id}-{package}", package),
                )


def text(moment: int) -> str:
    """Milliseconds since 1970 as UTC text."""
    return times.to_text(EPOCH + timedelta(milliseconds=moment))


def random_history(seed: int) -> History:
    """The history of a seed."""
    rng = random.Random(seed)
    history = History(seed)
    tracks = [_track(rng, seed, number) for number in range(rng.randint(3, 8))]
    moment = int(datetime(2026, 1, rng.randint(1, 20), tzinfo=UTC).timestamp()) * SECOND
    sessions = rng.randint(2, 5)
    for session in range(sessions):
        plays = _session(rng, tracks, session, moment)
        history.plays += plays
        moment = max(play.told_at for play in plays) + rng.randint(10 * MINUTE, 5 * HOUR)
    history.pages = list(_pages(rng, history.plays))
    held = [range(sessions)[slice(*_span(rng, sessions))] for _ in range(rng.randint(0, 3))]
    offset = rng.randint(-LARGEST_OFFSET_MS, LARGEST_OFFSET_MS)
    stamps = {id(play): _stamp(rng, play, offset) for play in history.plays}
    for number, sessions_held in enumerate(held):
        rows: list[Row] = []
        for play in history.plays:
            if play.session in sessions_held:
                play.export_ts = text(stamps[id(play)])
                rows += _extended(rng, play, play.export_ts, history.plays)
        if rows:
            half = rng.randint(0, len(rows))  # of two files whose times overlap
            rng.shuffle(rows)
            history.files += [
                (Kind.EXTENDED, f"package-{number}", part)
                for part in (rows[:half], rows[half:])
                if part
            ]
    if rng.random() < 0.4:
        history.files += _account_data(rng, history.plays, stamps, sessions)
    return history


def _track(rng: random.Random, seed: int, number: int) -> Track:
    uri = f"spotify:track:{seed}x{number}"
    return Track(
        uri=uri,
        listed_uri=uri if rng.random() < 0.8 else f"{uri}r",
        isrc=f"ISRC{seed}{number}",
        name=f"Song {number}",
        artist=f"Artist {number % 3}",
        album=f"Album {number % 2}",
        duration_ms=rng.choice((33, 41, 62, 180, 240)) * SECOND + rng.randrange(SECOND),
    )


def _session(rng: random.Random, tracks: list[Track], session: int, moment: int) -> list[Play]:
    plays: list[Play] = []
    offline = rng.random() < 0.2
    for _ in range(rng.randint(1, 12)):
        track = rng.choice(tracks)
        repeats = rng.choice((1, 1, 1, 1, 2, 3, 4))
        for _ in range(repeats):
            mood, length = rng.random(), track.duration_ms
            if mood < 0.08:
                length = 0
            elif mood < 0.2:
                length = rng.randint(1, LISTED_MS - 1)
            elif mood < 0.35:
                length = rng.randint(LISTED_MS, track.duration_ms)
            if offline and any((each.track, each.ms_played) == (track, length) for each in plays):
                continue  # told at one moment, the two rows would have one key
            pause = rng.choice((0, 0, 0, rng.randint(0, 90 * SECOND)))
            end = moment + length + pause if not offline else moment + length
            plays.append(
                Play(track, moment, length, session, end, end, offline, repeated=repeats > 1)
            )
            plays[-1].incognito = not offline and rng.random() < 0.05
            moment = end + rng.randint(2 * SECOND, 6 * SECOND)
    told = moment + rng.randint(4 * MINUTE, 5 * MINUTE)
    if offline:
        for play in plays:
            play.told_at = told
    elif rng.random() < 0.3:
        last = plays[-1]
        last.logout, last.told_at, last.end = True, told, last.start + last.ms_played
    return plays


def _pages(rng: random.Random, plays: list[Play]) -> Iterator[list[Row]]:
    for _ in range(rng.randint(0, 4)):
        begin, end = _span(rng, len(plays))
        listed = [p for p in plays[begin:end] if p.ms_played >= LISTED_MS and not p.incognito]
        for play in listed:
            play.is_listed = True
        yield [_item(play) for play in reversed(listed)]


def _item(play: Play) -> Row:
    track = play.track
    artist = {"name": track.artist, "uri": f"spotify:artist:{track.artist}"}
    return {
        "played_at": text(play.end),
        "context": None,
        "track": {
            "id": track.listed_uri.rpartition(":")[2],
            "uri": track.listed_uri,
            "name": track.name,
            "duration_ms": track.duration_ms,
            "external_ids": {"isrc": track.isrc},
            "artists": [artist],
            "album": {"name": track.album, "uri": "spotify:album:1", "artists": [artist]},
        },
    }


def _stamp(rng: random.Random, play: Play, offset: int) -> int:
    """The second at which an export says that the play ended."""
    if play.told_at != play.end:
        return play.told_at // SECOND * SECOND
    return (play.end + offset + rng.randint(0, SECOND)) // SECOND * SECOND


def _extended(rng: random.Random, play: Play, ts: str, plays: list[Play]) -> list[Row]:
    track = play.track
    row: Row = {
        "ts": f"{ts[:19]}Z",
        "ms_played": play.ms_played,
        "platform": rng.choice(("ios", "android")),
        "conn_country": "DE",
        "master_metadata_track_name": track.name,
        "master_metadata_album_artist_name": track.artist,
        "master_metadata_album_album_name": track.album,
        "spotify_track_uri": track.uri,
        "reason_start": "trackdone",
        "reason_end": "logout" if play.logout else "trackdone",
        "shuffle": False,
        "skipped": rng.choice((False, None)),
        "offline": play.offline,
        "offline_timestamp": play.start // SECOND if rng.random() < 0.7 else play.start,
        "incognito_mode": play.incognito,
    }
    rows = [row]
    if rng.random() < 0.1:
        rows.append({**row, "skipped": True})
    if rng.random() < 0.05:
        rows.append(dict(row))
    alone = sum(each.track == track for each in plays if each.session == play.session) == 1
    if alone and play.told_at == play.end and play.ms_played > MINUTE:
        if rng.random() < 0.1:
            rows.append({**row, "ms_played": play.ms_played - rng.randint(1, LISTED_MS)})
        if rng.random() < 0.1:
            again = times.from_text(ts) + timedelta(seconds=rng.randint(1, play.ms_played // 2_000))
            rows.append({**row, "ts": f"{times.to_text(again)[:19]}Z"})
    return rows


def _account_data(
    rng: random.Random, plays: list[Play], stamps: dict[int, int], sessions: int
) -> Iterator[tuple[Kind, str, list[Row]]]:
    """Minutes only, so sessions in which that is too little to tell plays apart are not in it."""
    begin, end = _span(rng, sessions)
    rows = []
    for session in range(begin, end):
        of_it = [play for play in plays if play.session == session]
        each_once = len({play.track for play in of_it}) == len(of_it)
        if each_once and all(play.told_at == play.end and play.ms_played for play in of_it):
            for play in of_it:
                minute = text(stamps[id(play)])[:16]
                rows.append(
                    {
                        "endTime": minute.replace("T", " "),
                        "artistName": play.track.artist,
                        "trackName": play.track.name,
                        "msPlayed": play.ms_played,
                    }
                )
                if not play.export_ts:
                    play.minute = f"{minute}:00.000Z"
    if rows:
        yield Kind.MUSIC, "account-data", rows


def _span(rng: random.Random, length: int) -> tuple[int, int]:
    begin = rng.randint(0, length)
    return begin, rng.randint(begin, length)
