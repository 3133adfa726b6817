"""docs/metrics.md from the YAML beside the models: `spotenv/bin/python scripts/metrics.py`.

Run it after a change to a description; a test compares. Not dbt's own docs: those need a built
project and a browser.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
MARTS = CHECKOUT / "dbt_project" / "models" / "marts"
TARGET = CHECKOUT / "docs" / "metrics.md"

HEAD = """\
# What the figures mean

All tables that a query or a chart may use, column by column. Made by `scripts/metrics.py` from the
descriptions beside the models: edit those, or the words up here in the script.

**A play** is one time that something was played, of a track, an episode or an audiobook, once
however many sources tell of it. `fct_plays` has all of them.

**A counted play**, a listen, lasted 30 s: Spotify's own rule. A play that only the API lists counts
too, whatever its estimate, since Spotify lists nothing shorter; not where the estimate is under 1 s
and an extended export has all plays of that time. The marts show counted plays only, unless their
description says otherwise.

**Names.** The names in `fct_plays` and `fct_track_days` are those of the source of each play. The
marts take the best known names from `dim_tracks`, `dim_artists` and `dim_albums`: the API's before
an export's, the newest first. An export names the artist of the album, so its "Various Artists" is
the artist only where nothing else is known. Keys are Spotify's URIs. What has no URI has its name
as key, such as `5 characters: Queen`. An artist or album that only exports name has the URI of the
one artist or album of that name in the API, if there is only one.

**A local day** is one on the clock that the listener had when the play began. The play belongs to
it wholly, and to the hour and the day of the week of its start, also where it ends after midnight.
Weeks begin on Monday. Offline plays and those that a logout ended may be hours off
(`time_is_unreliable`): they are in days and totals, and in nothing that is about hours.

**Measured or estimated.** An export measures how long a play lasted. The API tells only when it
ended: its length is then at most the track's, and no more than the time since the end of the play
before it, a guess that can be too long. Every sum of time has beside it the part that is
estimated, `ms_played_estimated`. Times are whole milliseconds.

**At least.** Where a gap is open, plays may be missing: `is_at_least` is 1 and the true figures can
be higher. Its 0 says that no loss is known, never that all is there.

**Ties.** By plays: the one with more time, then the lesser key as text or number. By time: the one
with more plays, then the lesser key. So a rank is given once and is the same in every build. Shares
and averages are whole numbers, rounded down.

**Skips.** Of plays from the API or the account data nobody knows whether they were skipped:
`skipped` is null there. Such a play is in no numerator and in no denominator: a rate of skips is
skipped plays by those of which it is known.
"""

SECTIONS = (
    ("Facts and dimensions", "Every refresh brings these up to date.", ""),
    ("Views over them", "They follow each new play.", "views"),
    ("Marts of the day", "Tables that the first run after 04:30 builds.", "daily"),
)


def main() -> None:
    """Write the page."""
    TARGET.write_text(page(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(CHECKOUT)}")


def page() -> str:
    """The whole page as it should be."""
    parts = [HEAD]
    for title, what, folder in SECTIONS:
        models = map(described, models_in(MARTS / folder))
        parts += [f"## {title}\n\n{what}\n", *models]
    return "\n".join(parts)


def models_in(folder: Path) -> Iterator[dict[str, Any]]:
    """The models that the YAML files of a folder describe, by name."""
    for path in sorted(folder.glob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["models"]


def described(model: dict[str, Any]) -> str:
    """A model's heading, grain and columns."""
    lines = [f"### {model['name']}\n", one_line(model["description"]) + "\n"]
    lines += ["| column | |", "|---|---|"]
    lines += [
        f"| `{column['name']}` | {one_line(column['description']).replace('|', chr(92) + '|')} |"
        for column in model["columns"]
    ]
    return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    """Text of a YAML block, without its line breaks."""
    return re.sub(r"\s+", " ", text).strip()


if __name__ == "__main__":
    main()
