"""Built portion by portion, the incremental models are what they are when built at once.

After each portion they equal an oracle in Python, row for row, and at the end what a full refresh
makes of the same rows, type for type. What was deleted or inserted lies in the days of the rows
that are new, or in those that such a row is documented to reach.
"""

import random
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from spotify_assets import times
from spotify_assets.sandbox.server import Sandbox
from spotify_assets.settings import Settings
from spotify_assets.warehouse.loading import write_load
from spotify_assets.warehouse.tables import (
    account_zones,
    raw_recently_played,
    raw_streaming_history,
)
from spotify_assets.warehouse.warehouse import Warehouse
from spotify_assets.warehouse.zones import BEGIN, END, fix_zones, set_zone
from spotify_assets_tests.models import oracle, oracle_names
from spotify_assets_tests.models.arrivals import PORTIONS, Arrival, again, random_arrivals
from spotify_assets_tests.models.building import dbt_run
from spotify_assets_tests.models.histories import HOUR
from spotify_assets_tests.models.oracle import DAY, LOOK_BACK, MOVED_WITHIN, Raw, Row
from spotify_assets_tests.support import user_of

LISTENERS = 100
FACT, TRACK_DAYS = "fct_plays", "fct_track_days"
NAMES, TRACKS = "int_track_names", "dim_tracks"
MODELS = ("--select", f"+{TRACK_DAYS}", f"+{TRACKS}")
KEYS = {
    FACT: "account_id, play_id",
    TRACK_DAYS: "account_id, local_date, track_key",
    NAMES: "track_key",
    TRACKS: "track_key",
}
# After this portion somebody moves, so that all is built anew.
MOVE_AFTER = 2

Day = tuple[str, int]  # of an account, counted from 1970

# What a portion of pages may do to the fact, and what rows of imports may be. Where one of these
# did not occur, nothing is proven of it.
KINDS = {
    "two rows became one play",
    "a row is a play of its own again",
    "a play left its local date",
    "an estimate changed",
    "a play lies days away from its pair",
    "a time of the API is no end",
    "a play of hours",
    "a row without a URI",
    "a late row",
    "a new variant",
    "account data before the extended history",
    "told of more than three days later",
    "its end is on another day than its start",
}


@dataclass
class Changes:
    """What triggers noted while models were built: where rows were deleted or inserted."""

    days: set[Day] = field(default_factory=set)
    dates_of_plays: set[tuple[str, str]] = field(default_factory=set)
    dates: set[tuple[str, str]] = field(default_factory=set)


class Models:
    """A warehouse and the models in it."""

    def __init__(self, settings: Settings) -> None:
        settings.make_data_folder()
        self.settings = settings
        self.path = settings.warehouse_path
        self.warehouse = Warehouse(self.path)
        self._loads = 0

    def settle(self, zones: dict[str, str]) -> None:
        """Give listeners their zones before anything of them arrives."""
        interval = {"valid_from": times.to_text(BEGIN), "valid_to": times.to_text(END)}
        rows = [{"account_id": each, "zone": zone, **interval} for each, zone in zones.items()]
        with self.warehouse.writer().begin() as connection:
            connection.execute(insert(account_zones), rows)
        fix_zones(self.warehouse.writer(), "UTC")

    def load(self, arrivals: Iterable[Arrival]) -> None:
        engine = self.warehouse.writer()
        for arrival in arrivals:
            self._loads += 1
            table = raw_streaming_history if arrival.file else raw_recently_played
            write_load(engine, table, arrival.load(f"load {self._loads}"))

    def build(self, *arguments: str) -> Changes:
        """Build models and say what changed in those that were not made anew."""
        self._watch()
        dbt_run(self.settings, *(arguments or MODELS))
        changes = Changes()
        for model, account_id, ended_at, local_date in self.rows("select * from _changes"):
            if model == TRACK_DAYS:
                changes.dates.add((account_id, local_date))
            else:
                changes.days.add((account_id, oracle.to_ms(ended_at) // DAY))
                changes.dates_of_plays.add((account_id, local_date))
        return changes

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query).fetchall()

    def table(self, model: str) -> list[Row]:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"select * from {model} order by {KEYS[model]}")
            return [*map(dict, rows)]

    def types(self, model: str) -> list[tuple[Any, ...]]:
        """Declared types of the columns, and of each row the types of its values."""
        declared = self.rows(f"select name, type from pragma_table_info('{model}')")
        types = ", ".join(f"typeof({name})" for name, _ in declared)
        return [*declared, *self.rows(f"select {types} from {model} order by {KEYS[model]}")]

    def seen(self) -> int:
        """The newest load that the fact has seen; -1 where all is to be built anew."""
        found = self.rows(f"select load_id from model_watermarks where model = '{FACT}'")
        return found[0][0] if found else -1

    def copy(self, other: Settings) -> "Models":
        """The same rows in a warehouse of its own."""
        models = Models(other)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("vacuum into ?", [str(models.path)])
        return models

    def _watch(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript("""
                create table if not exists _changes (model, account_id, ended_at, local_date);
                delete from _changes;
            """)
            there = connection.execute("select name from sqlite_master where type = 'table'")
            for model in {FACT, TRACK_DAYS} & {name for (name,) in there}:
                end = "ended_at" if model == FACT else "first_played_at"
                for event, row in (("delete", "old"), ("insert", "new")):
                    connection.execute(
                        f"create trigger if not exists {model}_{event} after {event} on {model}"
                        f" begin insert into _changes values"
                        f" ('{model}', {row}.account_id, {row}.{end}, {row}.local_date); end"
                    )
            connection.commit()


def touched_days(raw: Raw, seen: int) -> set[Day]:
    """Days of which plays may be made anew for rows of loads that the fact has not seen."""
    return {
        (account_id, each + distance)
        for account_id, each in _spread(raw, set(_days_of_news(raw, seen)))
        for distance in (-1, 0, 1)
    }


def _days_of_news(raw: Raw, seen: int) -> Iterator[Day]:
    for account_id, rows in raw.listed.items():
        yield from ((account_id, row["end"] // DAY) for row in rows if row["load_id"] > seen)


def _spread(raw: Raw, days: set[Day]) -> set[Day]:
    """From the one end of a late play to the other, where the API lists a play near it."""
    links = [
        (account_id, one // DAY, other // DAY)
        for account_id, rows in raw.exported.items()
        for row in rows
        for one in _ends(row)
        for other in _ends(row)
        if one // DAY != other // DAY
        and any(
            -MOVED_WITHIN <= end - play["end"] <= min(row["ms_played"], LOOK_BACK) + MOVED_WITHIN
            or -MOVED_WITHIN <= play["end"] - end <= MOVED_WITHIN
            for play in raw.listed.get(account_id, [])
            if play["track_uri"] == row["uri"] or play["track_name"] == row["track"]
            for end in _ends(row) - {row["end"]}
        )
    ]
    while True:
        more = {
            (account_id, other)
            for account_id, one, other in links
            if any((account_id, one + distance) in days for distance in range(-2, 3))
        }
        if more <= days:
            return days
        days = days | more


def _ends(row: Row) -> set[int]:
    return {end for end in (row["ts_ms"], row["player_end"]) if end is not None}


def assert_as_the_oracle_says(models: Models, raw: Raw, when: str) -> None:
    """Row for row, all columns, each of its type."""
    found = {
        model: {
            account_id: [*map(repr, rows)]
            for account_id, rows in groupby(models.table(model), key=lambda row: row["account_id"])
        }
        for model in (FACT, TRACK_DAYS)
    }
    for account_id in {*raw.listed, *raw.exported}:
        plays = oracle.plays(raw, account_id)
        expected = {FACT: plays, TRACK_DAYS: oracle.track_days(plays)}
        for model, rows in expected.items():
            wrong = Counter(found[model].get(account_id, []))
            wrong.subtract(map(repr, rows))
            lines = [f"{'+' if n > 0 else '-'} {row}" for row, n in wrong.items() if n]
            assert not lines, "\n".join([f"{model} of {account_id} {when}:", *lines])
    tracks = oracle_names.tracks(raw)
    assert models.table(TRACKS) == tracks, when
    assert {row["track_key"] for row in models.table(FACT)} <= {row["track_key"] for row in tracks}


def assert_as_built_at_once(models: Models, other: Settings) -> None:
    full = models.copy(other)
    dbt_run(other, "--full-refresh", *MODELS)
    for model in KEYS:
        assert models.table(model) == full.table(model)
        assert models.types(model) == full.types(model)


def kinds_of_change(before: list[Row], after: list[Row]) -> Iterator[str]:
    """What a portion of pages did to plays."""
    old = {key: row for row in before for key in _keys(row)}
    for row in after:
        known = [old[key] for key in _keys(row) if key in old]
        listed = oracle.to_ms(row["api_played_at"] or row["ended_at"])
        if abs(listed - oracle.to_ms(row["ended_at"])) > 3 * DAY:
            yield "a play lies days away from its pair"
        if row["matched_by"] and "moved" in row["matched_by"] and row not in known:
            yield "a time of the API is no end"
            if row["ms_played"] > 5 * HOUR:
                yield "a play of hours"
        if known and row["source"] == "both" and {each["source"] for each in known} == {"export"}:
            yield "two rows became one play"
        for each in known:
            if each["source"] == "both" != row["source"]:
                yield "a row is a play of its own again"
            if each["local_date"] != row["local_date"]:
                yield "a play left its local date"
            if each["ms_played"] != row["ms_played"] and row["source"] == "api":
                yield "an estimate changed"


def kinds_of_rows(raw: Raw, seen: int) -> Iterator[str]:
    """What is odd about the rows of a portion."""
    for account_id, rows in raw.exported.items():
        old, new = ([row for row in rows if (row["load_id"] > seen) is it] for it in (False, True))
        listed = raw.listed.get(account_id, [])
        ends = [row["end"] for row in [*old, *listed] if row["load_id"] <= seen]
        keys = {row["row_key"] for row in old}
        minutes = {_in_both(row) for row in old if row["kind"] != "extended"}
        for row in new:
            if row["end"] < max(ends, default=0) - DAY:
                yield "a late row"
            if row["row_key"] in keys:
                yield "a new variant"
            if row["kind"] == "extended" and row["uri"] is None:
                yield "a row without a URI"
            if row["kind"] == "extended" and _in_both(row) in minutes:
                yield "account data before the extended history"
            if row["ts_ms"] - (row["player_end"] or row["ts_ms"]) > 3 * DAY:
                yield "told of more than three days later"
            if (row["end"] - row["ms_played"]) // DAY != row["end"] // DAY:
                yield "its end is on another day than its start"


def _in_both(row: Row) -> tuple[str, ...]:
    return row["title"], row["by"], row["ts"][:16]


def _keys(row: Row) -> Iterator[str]:
    yield from (row[name] for name in ("api_row_key", "export_row_key") if row[name])


# Hypothesis begins with the least that there is, which is the same each time.
@given(
    st.lists(st.integers(0, 10**6), min_size=LISTENERS, max_size=LISTENERS, unique=True).filter(
        lambda seeds: max(seeds) > 10 * LISTENERS
    )
)
@settings(
    max_examples=1,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.large_base_example],
)
def test_built_in_portions_the_models_are_what_they_are_built_at_once(
    still_spotify: Sandbox, tmp_path: Path, seeds: list[int]
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))  # another one, where it is run again
    models = Models(user_of(still_spotify.environment(), folder / "user").settings)
    rng = random.Random(str(seeds))
    arrivals = random_arrivals(seeds)
    portions = [arrivals.of_portion(number, rng) for number in range(PORTIONS)]
    portions.append([*again(portions, rng, 20)])  # all of it known
    models.settle(arrivals.zones)
    found = Counter[str]()
    before: list[Row] = []
    for number, portion in enumerate(portions):
        when = f"after portion {number} of {seeds}"
        models.load(portion)
        seen, raw = models.seen(), Raw.read(models.path)
        changes = models.build()
        assert_as_the_oracle_says(models, raw, when)
        after = models.table(FACT)
        found.update(kinds_of_rows(raw, seen))
        # An import makes all anew.
        if seen >= 0 and (portion == portions[-1] or not any(each.file for each in portion)):
            touched = touched_days(raw, seen)
            assert changes.days <= touched, (changes.days - touched, when)
            assert changes.dates <= changes.dates_of_plays, (changes.dates, when)
            assert (portion != portions[-1]) == bool(changes.days), when
            found.update(kinds_of_change(before, after))
        before = after
        if number == MOVE_AFTER:
            mover = rng.choice(sorted(arrivals.zones))
            set_zone(models.warehouse.writer(), mover, "Asia/Tokyo", date(2025, 3, 20))
    assert_as_built_at_once(models, user_of(still_spotify.environment(), folder / "other").settings)
    assert set(found) == KINDS, found


def test_what_a_killed_run_left_the_next_completes_and_a_second_finds_nothing_to_do(
    still_spotify: Sandbox, tmp_path: Path
) -> None:
    """Killed between the fact and the daily aggregate, which then lacks the dates of two portions.

    Dates on which the fact changed stand in a table until the daily aggregate has made them anew;
    so do those of a run that never came to it.
    """
    models = Models(user_of(still_spotify.environment(), tmp_path / "user").settings)
    seeds = range(12)
    rng = random.Random(str(seeds))
    arrivals = random_arrivals(seeds)
    portions = [arrivals.of_portion(number, rng) for number in range(PORTIONS)]
    models.settle(arrivals.zones)
    *known, import_, pages, more_pages = [*portions[0::2], *portions[1::2]][:8]
    models.load(arrival for portion in known for arrival in portion)
    models.build()
    for portion in (pages, more_pages):
        models.load(portion)
        changes = models.build("--select", f"+{FACT}")
        assert changes.days
        assert not changes.dates
    # Days that the fact has made anew are none of the next run's, whose dates they still are.
    changes = models.build()
    assert not changes.days
    assert changes.dates
    assert_as_the_oracle_says(models, Raw.read(models.path), "after the second run")
    assert models.build() == Changes()
    # An import makes the fact anew, and what is made of it.
    models.load(import_)
    models.build("--select", f"+{FACT}")
    models.build()
    assert_as_the_oracle_says(models, Raw.read(models.path), "after the import")
    assert_as_built_at_once(
        models, user_of(still_spotify.environment(), tmp_path / "other").settings
    )
