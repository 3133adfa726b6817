"""What an address chooses, and the addresses of the other choices."""

from datetime import date
from urllib.parse import parse_qsl, urlsplit

import pytest

from spotify_assets.outputs.dashboard.choice import Choice, Link
from spotify_assets.outputs.marts.look import Account
from spotify_assets.settings import Settings

DAY = date(2026, 3, 1)
ACCOUNTS = [Account(name, name.title(), DAY, DAY) for name in ("mira", "together", "a&b=c")]


def followed(link: Link, settings: Settings) -> Choice:
    return Choice.of(dict(parse_qsl(urlsplit(link.address).query)), ACCOUNTS, settings)


def test_each_account_and_all_of_them_can_be_chosen_whatever_their_names(
    settings: Settings,
) -> None:
    together, *each = Choice.of({}, ACCOUNTS, settings).listeners("top")
    assert together.is_chosen
    assert followed(together, settings).ids == ["mira", "together", "a&b=c"]
    assert [followed(link, settings).ids for link in each] == [["mira"], ["together"], ["a&b=c"]]
    for link in each:
        chosen = followed(link, settings).listeners("top")
        assert [other.words for other in chosen if other.is_chosen] == [link.words]


@pytest.mark.parametrize(
    "query",
    [
        {"account": "nobody"},
        {"by": "chance"},
        {"period": "0001-01-01..9999-12-31"},
        {"period": "x"},
    ],
)
def test_what_there_is_not_is_refused(query: dict[str, str], settings: Settings) -> None:
    with pytest.raises(ValueError):
        Choice.of(query, ACCOUNTS, settings)
