"""Charts of little: a single bar, a single play, the first two hours."""

import re

import pytest
from markupsafe import Markup

from spotify_assets.outputs import charts
from spotify_assets.outputs.charts import Bar

MINUTE = 60_000


def bars(*minutes: int) -> Markup:
    rows = [Bar("a day", each * MINUTE, 0, False, "1 Mar") for each in minutes]
    return charts.bars(rows, "Hours a day", charts.WIDE, 300)


@pytest.mark.parametrize(
    "chart", [bars(3), charts.columns([("March", 1)], "Plays", charts.WIDE, 150)]
)
def test_a_single_bar_does_not_fill_the_chart(chart: Markup) -> None:
    widths = re.findall(r'<rect class="meas"[^>]* width="([\d.]+)"', chart)
    assert [float(width) < charts.WIDE / 4 for width in widths] == [True]


@pytest.mark.parametrize("most", range(1, 300, 7))
def test_each_line_behind_the_bars_is_named_differently(most: int) -> None:
    names = re.findall(r">([^<]*)</text>", bars(most))[:-1]
    assert len(names) == len(set(names)) > 0


def test_a_single_play_is_said_as_one() -> None:
    for count, words in ((1, "1 play<"), (2, "2 plays<")):
        assert words in charts.columns([("March", count)], "Plays", charts.WIDE, 150)
        assert words in charts.clock({(1, 7): count}, "Plays", charts.NARROW)
