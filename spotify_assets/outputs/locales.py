"""What a locale decides of numbers, dates, the clock and the week.

The few facts that a page needs, as the Unicode CLDR 47 has them; a library that knows all of them
would be larger than the rest of the dashboard.
"""

from dataclasses import dataclass


def _these(words: str) -> frozenset[str]:
    return frozenset(words.split())


# By language: what stands between thousands where it is no comma; the decimal sign is one there.
_POINT = _these("da de el es hr id is it nl pt ro sl sr tr vi")
_SPACE = _these("bg cs et fi hu lt lv nb nn no pl ru sk sv uk")
_NARROW_SPACE = _these("fr")
# By region, whatever its language.
_APOSTROPHE = _these("CH LI")
_COMMA = _these("DO GT HN MX NI PA PE PR SV US")
_MONTH_FIRST = _these("PH PR US")
_TWELVE_HOURS = _these("""
    AE AU BD BH CA CO DZ EG IN IQ JO KR KW LB LY MY NZ OM PH PK PR QA SA SD SG SY TW US VE YE
""")
_FROM_SATURDAY = _these("AE AF BH DJ DZ EG IQ IR JO KW LY OM QA SD SY")
_FROM_SUNDAY = _these("""
    AG AS BD BR BS BT BW BZ CA CO DM DO ET GT GU HK HN ID IL IN JM JP KE KH KR LA MH MM MO MT MX
    MZ NI NP PA PE PH PK PR PY SA SG SV TH TT TW UM US VE VI WS YE ZA ZW
""")
MONDAY, SATURDAY, SUNDAY = 1, 6, 7


@dataclass(frozen=True)
class Locale:
    """How somebody writes figures.

    Attributes:
        first_weekday: as ISO numbers it, 1 for Monday.
    """

    group: str = ","
    decimal: str = "."
    month_first: bool = False
    twelve_hours: bool = False
    first_weekday: int = MONDAY


def locale_of(name: str) -> Locale:
    """The locale of a name such as de-CH or en_US; of one that says nothing, the default."""
    language, *rest = name.replace("_", "-").split("-")
    region = rest[-1].upper() if rest else ""
    group, decimal = _separators(language.lower(), region)
    first = SUNDAY if region in _FROM_SUNDAY else MONDAY
    return Locale(
        group=group,
        decimal=decimal,
        month_first=region in _MONTH_FIRST,
        twelve_hours=region in _TWELVE_HOURS,
        first_weekday=SATURDAY if region in _FROM_SATURDAY else first,
    )


def _separators(language: str, region: str) -> tuple[str, str]:
    if region in _APOSTROPHE:
        return "\N{RIGHT SINGLE QUOTATION MARK}", "."
    if region in _COMMA:
        return ",", "."
    for languages, group in (
        (_POINT, "."),
        (_SPACE, "\N{NO-BREAK SPACE}"),
        (_NARROW_SPACE, "\N{NARROW NO-BREAK SPACE}"),
    ):
        if language in languages:
            return group, ","
    return ",", "."
