"""Pictures in Markdown: what they show, and that no name can be more than a name."""

import re
from base64 import b64decode
from collections import Counter
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt
from markupsafe import Markup

from spotify_assets.outputs import charts, figures, pictures
from spotify_assets.outputs.marts.rankings import Ranked

HOSTILE = [
    "```",
    "```\n# heading\n```",
    "~~~ \r\n\r\n<script>alert(1)</script>",
    "| a | b |",
    "`code` ``more``",
    "[link](javascript:alert(1))",
    "![image](https://evil.example/x.png)",
    "https://evil.example",
    "line\u2028one\u2029two\x0bthree\x0cfour\x85five\x00",
    "\u202emirrored",
]
SVG = "{http://www.w3.org/2000/svg}"
DATA = re.compile(r"!\[([^\]]+)\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)")
AT_ONCE = 1000  # characters from which on Dagster's page wants a click


def ranked(name: str | None, plays: int = 1, rank: int = 1, subtitle: str | None = None) -> Ranked:
    return Ranked(rank, "key", name, subtitle, plays, 1, None, is_new=False)


def drawn(markdown: str) -> list[str]:
    """The lines of a code block that is all there is."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)
    assert [token.type for token in tokens] == ["fence"]
    return tokens[0].content.removesuffix("\n").split("\n")


def shown(markdown: str) -> ET.Element:
    """The image that is all there is."""
    match = DATA.fullmatch(markdown)
    assert match
    return ET.fromstring(b64decode(match[2]))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_in_its_line_and_nothing_else(name: str) -> None:
    rows = [ranked(name), ranked("x", rank=2, subtitle=name), ranked(None, rank=3)]
    lines = drawn(pictures.ranking(rows))
    clean = pictures.one_line(name)
    assert clean.isprintable()
    assert [line.split(" ", 1)[0] or line[1] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith(f" 1 {clean}")
    assert lines[1].endswith(f" 1 x, {clean}")
    assert lines[2].endswith(" 1 (no name)")


def test_a_ranking_has_a_bar_for_each_line_and_is_shown_at_once() -> None:
    rows = [
        ranked("x" * 500, plays=2_000_000 - place * 100_000, rank=place + 1, subtitle="y" * 500)
        for place in range(12)
    ]
    markdown = pictures.ranking(rows)
    assert len(markdown) < AT_ONCE
    lines = drawn(markdown)
    assert len(lines) == 10
    assert [line.count("█") for line in lines] == [20, 19, 18, 17, 16, 15, 14, 13, 12, 11]
    assert lines[9].startswith("10 ")
    assert " 1,100,000 x" in lines[9]


def test_days_are_as_high_as_their_amounts_and_marked_where_plays_may_be_missing() -> None:
    assert drawn(pictures.days([0, 1, 400, 800], {})) == [" ▁▄█"]
    assert drawn(pictures.days([8, 0, 4], {1})) == ["█ ▄", " ^"]
    assert drawn(pictures.days([0, 0], {0})) == ["  ", "^"]


def test_the_clock_is_densest_where_most_was_played() -> None:
    lines = drawn(pictures.clock({(1, 0): 1, (7, 23): 100, (3, 12): 50}))
    assert [line[:3] for line in lines] == ["   ", *map(figures.short_weekday, figures.week())]
    assert lines[0].index("12") == 4 + 12
    assert (lines[1][4], lines[7][4 + 23], lines[3][4 + 12]) == ("·", "█", "▒")
    assert len(pictures.clock({})) < AT_ONCE


@pytest.mark.parametrize(
    "chart",
    [
        charts.columns([("a", 3), ("b", 0), ("c", 7)], "Plays", 200, 100, at_least={1, 2}),
        charts.bars(
            [charts.Bar("a", 9, 3, True, "a"), charts.Bar("b", 8, 0, False, "b")], "T", 200, 100
        ),
        charts.clock({(1, 5): 3, (2, 6): 1}, "Clock & more <1>", 300),
    ],
)
def test_an_image_has_every_bar_of_its_chart_and_brings_the_colours_of_the_pages(
    chart: Markup,
) -> None:
    markdown = pictures.image(chart)
    svg, whole = shown(markdown), ET.fromstring(chart)
    bars = Counter(
        bar.attrib["class"]
        for bar in whole.iter("rect")
        if bar.attrib["class"] != "over" and float(bar.attrib["height"])
    )
    paths = {path.attrib["class"]: path.attrib["d"].count("M") for path in svg.iter(f"{SVG}path")}
    assert {kind: count for kind, count in paths.items() if count} == bars
    assert [text.text for text in svg.iter(f"{SVG}text")] == [
        text.text for text in whole.iter("text")
    ]
    style = next(svg.iter(f"{SVG}style")).text or ""
    assert pictures.STYLE.read_text() in style
    for kind in bars:
        assert f".{kind.split()[-1]} {{" in style
    assert svg.find(f"{SVG}title") is not None
    assert {each.tag.removeprefix(SVG) for each in svg.iter()} <= {
        *("svg", "title", "style", "pattern", "rect", "path", "line", "text", "polyline")
    }


def test_the_palette_is_in_one_place() -> None:
    folder = pictures.STYLE.parent
    light, dark = re.findall(r":root \{(.*?)\}", pictures.STYLE.read_text(), re.DOTALL)
    names = set(re.findall(r"(--[\w-]+):", light))
    assert set(re.findall(r"(--[\w-]+):", dark)) == names
    for file in folder.glob("*.css"):
        assert set(re.findall(r"var\((--[\w-]+)\)", file.read_text())) <= names | {"--s"}, file
    assert not set(re.findall(r"(--[\w-]+):", (folder / "look.css").read_text())) & names
