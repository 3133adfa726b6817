"""Which requests are answered: by what a browser says of them, and by what no browser sent."""

import pytest

from spotify_assets.same_origin import hosts_of, refusal

HOSTS = hosts_of(3000, ["Laptop.local:3000"])
OURS = {"Host": "127.0.0.1:3000"}
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),  # curl, and Spotify's clients
        ("POST", {}),
        ("GET", {"Sec-Fetch-Site": "none", **NAVIGATION}),  # an address that somebody types
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:3000"}),
        ("POST", {"Origin": "http://127.0.0.1:3000"}),  # a browser of before 2023
        ("GET", {"Sec-Fetch-Site": "cross-site", **NAVIGATION}),  # a link, Spotify's redirect
        ("GET", {"Sec-Fetch-Site": "same-site", **NAVIGATION}),  # a link on another port of ours
        ("GET", {"Host": "localhost:3000"}),
        ("GET", {"Host": "[::1]:3000"}),
        ("GET", {"Host": "laptop.LOCAL:3000", "Origin": "https://laptop.local:3000"}),
    ],
)
def test_own_pages_and_programs_are_answered(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, OURS | headers, HOSTS) is None


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Host": "evil.example:3000"}),  # a name that was rebound to us
        ("GET", {"Host": "127.0.0.1:3001"}),
        ("GET", {"Host": "127.0.0.1"}),
        ("GET", {"Host": ""}),
        ("GET", {"Host": "laptop.local"}),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),  # an image
        ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "websocket"}),
        ("GET", {"Sec-Fetch-Site": "cross-site", **NAVIGATION, "Sec-Fetch-Dest": "iframe"}),
        ("POST", {"Sec-Fetch-Site": "cross-site", **NAVIGATION}),  # a form
        ("HEAD", {"Sec-Fetch-Site": "cross-site", **NAVIGATION}),
        ("GET", {"Sec-Fetch-Site": "anything"}),
        ("POST", {"Origin": "http://evil.example"}),
        ("POST", {"Origin": "null"}),  # a sandboxed frame, a file
        ("POST", {"Origin": "http://127.0.0.1:3001"}),
        ("POST", {"Origin": "http://localhost:3000"}),  # ours, but another origin than was asked
        ("GET", {"Origin": "http://[::1"}),
    ],
)
def test_what_another_page_sends_is_refused(method: str, headers: dict[str, str]) -> None:
    assert refusal(method, OURS | headers, HOSTS)


def test_browsers_leave_out_the_port_80() -> None:
    assert refusal("GET", {"Host": "127.0.0.1"}, hosts_of(80)) is None


def test_a_reason_never_repeats_a_name_of_any_length() -> None:
    assert len(str(refusal("GET", {"Host": "x" * 10_000}, HOSTS))) < 300
