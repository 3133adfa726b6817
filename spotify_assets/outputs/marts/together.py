"""Two accounts beside each other."""

from dataclasses import dataclass, replace
from datetime import date

from spotify_assets.outputs.marts.look import Look


@dataclass(frozen=True)
class Both:
    """An artist of two accounts, with the plays of each."""

    key: str
    name: str | None
    plays: int
    plays_of_other: int


@dataclass(frozen=True)
class Taste:
    """What two accounts have in common in a period.

    Attributes:
        alike_per_1000: of each one's plays, the share of every artist; of these shares the lesser
            of the two, added up. 1000 for the same artists in the same shares.
        in_common: the artists that both played, by the lesser of the two shares.
        artists_in_common: how many they are.
        only_one, only_other: artists that one played most and the other never did in the period.
    """

    alike_per_1000: int
    artists_in_common: int
    in_common: list[Both]
    only_one: list[Both]
    only_other: list[Both]


def taste(look: Look, one: str, other: str, first: date, last: date, limit: int) -> Taste:
    """What two accounts have in common, and what each could show the other."""
    ours, theirs = (_artists(look, account, first, last) for account in (one, other))
    all_ours, all_theirs = (sum(each.plays for each in of.values()) for of in (ours, theirs))
    both = [
        (
            min(mine.plays / all_ours, theirs[key].plays / all_theirs),
            replace(mine, plays_of_other=theirs[key].plays),
        )
        for key, mine in ours.items()
        if key in theirs
    ]
    both.sort(key=lambda each: (-each[0], each[1].key))
    return Taste(
        alike_per_1000=int(1000 * sum(share for share, _ in both)),
        artists_in_common=len(both),
        in_common=[artist for _, artist in both[:limit]],
        only_one=[artist for key, artist in ours.items() if key not in theirs][:limit],
        only_other=[artist for key, artist in theirs.items() if key not in ours][:limit],
    )


def _artists(look: Look, account: str, first: date, last: date) -> dict[str, Both]:
    """The artists of an account by key, the most played first."""
    query = f"""
        select
            tracks.artist_key as key, max(tracks.artist_name) as name, sum(played.plays) as plays,
            0 as plays_of_other
        from {look.played([account], first, last)} as played
        inner join dim_tracks as tracks on tracks.track_key = played.track_key
        where played.content_type = 'track' and tracks.artist_key <> 'unknown'
        group by tracks.artist_key
        order by sum(played.plays) desc, tracks.artist_key
    """  # noqa: S608 # ours
    return {row.key: Both(**row._mapping) for row in look.rows(query)}
