"""Settings: who wins, what is refused, and what a child process is told."""

from __future__ import annotations

import glob
import inspect
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import tzlocal.unix
from dagster._core.storage.sqlite import create_db_conn_string
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

import spotify_assets.settings
from spotify_assets.settings import (
    CHECKOUT,
    NO_ZONES,
    KeepBackups,
    Settings,
    SettingsError,
    machines_zone,
)

# Every name differs from its default and from what the hostile `.env` below says.
EVERYTHING = {
    "SPOTIFY_CLIENT_ID": "an-id",
    "SPOTIFY_CLIENT_SECRET": "a-very-secret-secret",
    "SPOTIFY_REDIRECT_URI": "http://127.0.0.1:9999/back",
    "SPOTIFY_API_URL": "http://127.0.0.1:9998/v1",
    "SPOTIFY_ACCOUNTS_URL": "http://127.0.0.1:9997",
    "SPOTIFY_ASSETS_DATA": "/somewhere/else",
    "SPOTIFY_TIMEZONE": "Asia/Kathmandu",
    "SPOTIFY_LOCALE": "de-CH",
    "DAGSTER_HOME": "/another/home",
    "SPOTIFY_KEEP_PAGES_DAYS": "36",
    "SPOTIFY_KEEP_RUNS_DAYS": "91",
    "SPOTIFY_KEEP_BACKUPS": "last=4 daily=8 weekly=6 monthly=13",
    "SPOTIFY_ALERT_COMMAND": "notify --to 'Mira H' 'https://example.org/a-secret-address'",
    "SPOTIFY_ASSETS_COVERS": "off",
    "SPOTIFY_ASSETS_HOSTS": "laptop.local:3000 localhost:3001",
}


def env_file(tmp_path: Path, **values: str) -> Path:
    path = tmp_path / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
    return path


def test_without_any_setting_spotify_itself_is_meant() -> None:
    settings = Settings.load({}, env_file=None)
    assert settings.api_url == "https://api.spotify.com/v1"
    assert settings.accounts_url == "https://accounts.spotify.com"
    assert settings.redirect_uri == "http://127.0.0.1:8765/callback"
    assert settings.client_id == settings.client_secret == ""
    assert settings.timezone == machines_zone()
    assert settings.data == CHECKOUT / "data"
    assert settings.dagster_home == CHECKOUT / "dagster_home"


def test_a_missing_env_file_is_an_empty_one(tmp_path: Path) -> None:
    assert Settings.load({}, tmp_path / "no.env") == Settings.load({}, env_file=None)


def test_the_env_file_is_read(tmp_path: Path) -> None:
    assert Settings.load({}, env_file(tmp_path, SPOTIFY_CLIENT_ID="from-file")).client_id == (
        "from-file"
    )


def test_the_environment_beats_the_env_file(tmp_path: Path) -> None:
    file = env_file(tmp_path, SPOTIFY_CLIENT_ID="from-file")
    assert Settings.load({"SPOTIFY_CLIENT_ID": "from-env"}, file).client_id == "from-env"


def test_an_empty_value_in_the_environment_beats_the_env_file(tmp_path: Path) -> None:
    file = env_file(tmp_path, SPOTIFY_CLIENT_SECRET="left-over", SPOTIFY_ASSETS_DATA="/left/over")
    settings = Settings.load({"SPOTIFY_CLIENT_SECRET": "", "SPOTIFY_ASSETS_DATA": ""}, file)
    assert settings.client_secret == ""
    assert settings.data == CHECKOUT / "data"


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "from-the-process")
    assert Settings.load(env_file=None).client_id == "from-the-process"


def test_blanks_around_a_value_do_not_count() -> None:
    assert Settings.load({"SPOTIFY_CLIENT_ID": " an-id \t"}, env_file=None).client_id == "an-id"


@pytest.mark.parametrize("name", ["SPOTIFY_ASSETS_DATA", "DAGSTER_HOME"])
def test_a_relative_folder_lies_in_the_checkout_wherever_we_stand(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.load({name: "some/where"}, env_file=None)
    folder = settings.data if name == "SPOTIFY_ASSETS_DATA" else settings.dagster_home
    assert folder == CHECKOUT / "some/where"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load({"SPOTIFY_ASSETS_DATA": "~/plays"}, env_file=None).data == (
        tmp_path / "plays"
    )


# Pieces of paths: what means something in a URL, to a shell, in SQL, to glob or in a .env.
PIECES = ["a", "A", "4", "1", "%", "?", "#", "&", " ", "+", "'", '"', ";", ":", "@", "=", "[", "*"]
PIECES += ["$", "\\", "~", "ü", "日", "e\u0301", "\n", "%41", "%20", "%zz", "%2F", "{{"]


@pytest.mark.parametrize("setting", ["SPOTIFY_ASSETS_DATA", "DAGSTER_HOME"])
@given(name=st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_a_folder_is_refused_exactly_where_dagster_would_write_elsewhere(
    setting: str, name: str
) -> None:
    path = f"/plays/of {name}x"
    # As Dagster makes its address of it.
    (_, _, found) = create_db_conn_string(path, "runs").partition("sqlite:///")
    in_place = make_url(f"sqlite:///{found}").database == f"{path}/runs.db"
    in_place &= glob.escape(path) == path  # so it looks for dagster.yaml
    try:
        Settings.load({setting: path}, env_file=None)
    except SettingsError as error:
        assert not in_place
        assert f"Rename that folder, or set {setting} to a path" in str(error)
        assert "\n" not in str(error)
    else:
        assert in_place


def test_all_that_is_kept_lies_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings.load({"SPOTIFY_ASSETS_DATA": str(tmp_path / "data")}, env_file=None)
    paths = [
        value
        for name in dir(Settings)
        if isinstance(getattr(Settings, name), property)
        and isinstance(value := getattr(settings, name), Path)
    ]
    assert len(paths) >= 7
    assert all(path.is_relative_to(tmp_path / "data") for path in paths)
    assert not (tmp_path / "data").exists()  # reading settings creates nothing


@pytest.mark.parametrize("name", ["SPOTIFY_API_URL", "SPOTIFY_ACCOUNTS_URL"])
@pytest.mark.parametrize(
    "address",
    [
        "http://api.spotify.com/v1",
        "http://localhost:8080",
        "http://192.168.1.4/v1",
        "http://127.0.0.1.example.org/v1",
        "http://127.0.0.1@example.org/v1",
        "ftp://127.0.0.1/v1",
        "api.spotify.com/v1",
        "127.0.0.1:8080",
        "https://",
        "https:///v1",
        "http://[",
    ],
)
def test_an_address_over_which_tokens_may_not_travel_is_refused(name: str, address: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.load({name: address}, env_file=None)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://api.spotify.com/v1/", "https://api.spotify.com/v1"),
        ("HTTPS://mirror.example.org", "HTTPS://mirror.example.org"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080/v1//", "http://[::1]:8080/v1"),
    ],
)
def test_https_and_the_loopback_are_accepted_without_a_slash_at_the_end(
    address: str, kept: str
) -> None:
    assert Settings.load({"SPOTIFY_API_URL": address}, env_file=None).api_url == kept


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "../../etc/passwd", "/etc/passwd", "a\0b", "ü", "tzdata.zi"]
)
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_TIMEZONE"):
        Settings.load({"SPOTIFY_TIMEZONE": zone}, env_file=None)


@pytest.mark.parametrize("name", sorted(NO_ZONES))
def test_a_file_of_the_zone_data_that_names_no_place_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"SPOTIFY_TIMEZONE is '{name}', which is no zone"):
        Settings.load({"SPOTIFY_TIMEZONE": name}, env_file=None)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Set this machine's zone: by TZ, and by what tzlocal and /etc/localtime say of it."""

    def zone(tz: str, named: str | None = None, localtime: str | None = None) -> None:
        monkeypatch.setenv("TZ", tz)
        time.tzset()
        monkeypatch.setattr(tzlocal.unix, "_cache_tz_name", None)
        if named is not None:
            monkeypatch.setattr(tzlocal, "get_localzone_name", lambda: named or None)
        copy = tmp_path / "localtime"
        if localtime is not None:
            shutil.copy(Path("/usr/share/zoneinfo", localtime), copy)
        monkeypatch.setattr(spotify_assets.settings, "LOCALTIME", copy)
        machines_zone.cache_clear()

    yield zone
    monkeypatch.undo()
    time.tzset()
    machines_zone.cache_clear()


@pytest.mark.parametrize(
    "tz",
    [
        "Europe/Berlin",
        ":Europe/Berlin",
        "/usr/share/zoneinfo/Europe/Berlin",
        ":/usr/share/zoneinfo/Europe/Berlin",
    ],
)
def test_without_a_zone_that_of_the_environment_is_meant(
    tz: str, machine: Callable[..., None]
) -> None:
    machine(tz)
    for settings in (
        Settings.load({}, env_file=None),
        Settings.load({"SPOTIFY_TIMEZONE": " "}, env_file=None),
    ):
        assert settings.timezone == "Europe/Berlin"
        assert settings.environment()["SPOTIFY_TIMEZONE"] == "Europe/Berlin"
    assert Settings.load({"SPOTIFY_TIMEZONE": "Asia/Tokyo"}, env_file=None).timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("named", "localtime", "zone"),
    [
        # A container with the host's /etc/localtime: the image's /etc/timezone says UTC.
        ("Etc/UTC", "Europe/Berlin", "Europe/Berlin"),
        ("Nowhere/At-all", "Europe/Berlin", "Europe/Berlin"),
        ("", "Europe/Berlin", "Europe/Berlin"),
        # It names a zone, and its clock agrees.
        ("Europe/Vienna", "Europe/Berlin", "Europe/Vienna"),
    ],
)
def test_a_name_counts_only_where_its_clock_is_the_machines(
    named: str, localtime: str, zone: str, machine: Callable[..., None]
) -> None:
    machine("CET-1CEST,M3.5.0,M10.5.0/3", named, localtime)
    assert machines_zone() == zone


def test_a_machine_that_says_nothing_is_in_utc_only_if_its_clock_is(
    machine: Callable[..., None],
) -> None:
    machine("UTC0", named="")
    assert machines_zone() == "UTC"
    machine("UTC0", named="Factory")  # a clock without an offset that is no place's
    assert machines_zone() == "UTC"
    machine("XYZ-3", named="")
    with pytest.raises(SettingsError, match=r"\(XYZ\) has no name .* Set SPOTIFY_TIMEZONE"):
        Settings.load({}, env_file=None)
    assert Settings.load({"SPOTIFY_TIMEZONE": "Asia/Tokyo"}, env_file=None).timezone == "Asia/Tokyo"


@pytest.mark.parametrize("name", ["SPOTIFY_KEEP_PAGES_DAYS", "SPOTIFY_KEEP_RUNS_DAYS"])
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "ever", "+7", "٣", "5 days", "100000"])
def test_what_is_no_whole_number_of_days_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is .*: a whole number of days"):
        Settings.load({name: text}, env_file=None)


def test_days_are_read_as_numbers_and_have_defaults() -> None:
    settings = Settings.load({"SPOTIFY_KEEP_PAGES_DAYS": "1"}, env_file=None)
    assert (settings.keep_pages_days, settings.keep_runs_days) == (1, 90)
    assert Settings.load({}, env_file=None).keep_pages_days == 35


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "last",
        "last=",
        "last=-1",
        "last=1.5",
        "last=1,daily=2",
        "yearly=1",
        "last=1 last=2",
        "last=0",
        "last=0 daily=0",
        "last=99999",
        "last=1 daily",
        "xlast=1",
    ],
)
def test_what_does_not_say_which_backups_stay_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_KEEP_BACKUPS is .*: it is written as in"):
        Settings.load({"SPOTIFY_KEEP_BACKUPS": text}, env_file=None)


def test_which_backups_stay_is_read_kind_by_kind() -> None:
    settings = Settings.load({"SPOTIFY_KEEP_BACKUPS": "monthly=2  last=1"}, env_file=None)
    assert settings.keep_backups == KeepBackups(last=1, daily=0, weekly=0, monthly=2)
    assert Settings.load({}, env_file=None).keep_backups == KeepBackups()


@pytest.mark.parametrize("text", ["notify 'Mira", 'notify "https://a-secret', "notify \\"])
def test_an_alert_command_that_cannot_be_split_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_ALERT_COMMAND") as refused:
        Settings.load({"SPOTIFY_ALERT_COMMAND": text}, env_file=None)
    assert "a-secret" not in str(refused.value)


def test_the_sensor_hurries_only_at_a_sandbox() -> None:
    sandbox = Settings.load({"SPOTIFY_API_URL": "http://127.0.0.1:1/v1"}, env_file=None)
    assert sandbox.look_every_seconds < Settings.load({}, env_file=None).look_every_seconds == 900


def test_a_child_sees_exactly_these_settings_whatever_its_env_file_says(tmp_path: Path) -> None:
    # `dagster dev` reads the `.env` of its working directory: a gap would be filled from there.
    settings = Settings.load(EVERYTHING, env_file=None)
    for field in fields(Settings):
        default = getattr(Settings.load({}, env_file=None), field.name)
        assert getattr(settings, field.name) != default, f"{field.name} is not in EVERYTHING"
    hostile = dict.fromkeys(settings.environment(), "http://hostile.example.org")
    file = env_file(tmp_path, **hostile)
    assert Settings.load(settings.environment(), file) == settings


def test_a_child_of_default_settings_sees_the_defaults_whatever_its_env_file_says(
    tmp_path: Path,
) -> None:
    settings = Settings.load({}, env_file=None)
    assert Settings.load(settings.environment(), env_file(tmp_path, **EVERYTHING)) == settings


def test_every_setting_that_is_read_is_passed_to_a_child() -> None:
    read = set(re.findall(r'value\(\s*"([A-Z_]+)"', inspect.getsource(Settings.load)))
    assert read == EVERYTHING.keys()
    assert read <= Settings.load({}, env_file=None).environment().keys()


def test_no_text_form_of_the_settings_shows_the_secret() -> None:
    settings = Settings.load(EVERYTHING, env_file=None)
    for text in (repr(settings), str(settings), f"{settings}", f"{[settings]}"):
        assert "an-id" in text
        assert "secret-secret" not in text
        assert "secret-address" not in text


def test_the_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    settings = Settings.load({"SPOTIFY_ASSETS_DATA": str(tmp_path / "data")}, env_file=None)
    settings.make_data_folder()
    settings.make_data_folder()
    assert settings.data.stat().st_mode & 0o777 == 0o700


def test_a_data_folder_that_was_open_is_closed_with_all_that_is_ours_in_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings.load({"SPOTIFY_ASSETS_DATA": str(data)}, env_file=None)
    ours = [settings.warehouse_path, data / "spotify.db-wal", settings.state_path]
    ours += [settings.dagster_storage / "history" / "runs.db", settings.backups / "a" / "b.json"]
    other, elsewhere = data / "of-the-user.txt", tmp_path / "elsewhere.txt"
    for path in (*ours, other, elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o644)
    (settings.backups / "link").symlink_to(elsewhere)
    (tmp_path / "downloads").mkdir(0o755)
    settings.inbox.symlink_to(tmp_path / "downloads")
    photo = tmp_path / "downloads" / "photo.jpg"
    photo.touch()
    photo.chmod(0o644)
    (data / "dagster" / "run.sh").touch()
    (data / "dagster" / "run.sh").chmod(0o755)
    for folder in (data, settings.backups, settings.backups / "a", settings.dagster_storage):
        folder.chmod(0o755)
    settings.make_data_folder()
    for path in (data, *ours, settings.backups, settings.backups / "a", settings.dagster_storage):
        assert path.stat().st_mode & 0o077 == 0, path
    assert (data / "dagster" / "run.sh").stat().st_mode & 0o777 == 0o700
    left = (other, elsewhere, photo)
    assert {path.stat().st_mode & 0o777 for path in left} == {0o644}


@pytest.mark.parametrize("text", ["yes", "1", "true", "offf"])
def test_a_switch_is_on_or_off(text: str) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_ASSETS_COVERS is .*: it is either on or off"):
        Settings.load({"SPOTIFY_ASSETS_COVERS": text}, env_file=None)
    assert Settings.load({"SPOTIFY_ASSETS_COVERS": "On"}, env_file=None).covers_on
    assert not Settings.load({"SPOTIFY_ASSETS_COVERS": "OFF"}, env_file=None).covers_on


def test_further_hosts_are_names_with_ports() -> None:
    text = "Laptop.local:3000, localhost:3001  [::1]:80 listening.example.org"
    assert Settings.load({"SPOTIFY_ASSETS_HOSTS": text}, env_file=None).hosts == (
        "laptop.local:3000",
        "localhost:3001",
        "[::1]:80",
        "listening.example.org",
    )


@pytest.mark.parametrize("text", ["http://laptop:3000", "laptop:3000/", "*", "laptop:port", "a b:"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"SPOTIFY_ASSETS_HOSTS.*laptop\.local:3000"):
        Settings.load({"SPOTIFY_ASSETS_HOSTS": text}, env_file=None)


@pytest.mark.parametrize("locale", ["en-GB", "en_US", "de-CH", "zh-Hant-TW", "fil"])
def test_a_locale_is_taken_as_it_is_written(locale: str) -> None:
    assert Settings.load({"SPOTIFY_LOCALE": locale}, env_file=None).locale == locale


@pytest.mark.parametrize("locale", ["german", "en-GB-oed", "C", "../de", "de CH", "<b>"])
def test_what_is_no_locale_is_refused(locale: str) -> None:
    with pytest.raises(SettingsError, match="SPOTIFY_LOCALE"):
        Settings.load({"SPOTIFY_LOCALE": locale}, env_file=None)


@pytest.mark.parametrize(
    ("environment", "locale"),
    [
        ({"LANG": "en_US.UTF-8"}, "en_US"),
        ({"LANG": "en_US.UTF-8", "LC_TIME": "de_CH.UTF-8@euro"}, "de_CH"),
        ({"LANG": "en_US.UTF-8", "LC_TIME": "de_CH", "LC_ALL": "sv_SE"}, "sv_SE"),
        ({"LANG": "C.UTF-8"}, ""),
        ({"LC_ALL": "POSIX", "LANG": "de_DE"}, ""),
        ({}, ""),
    ],
)
def test_without_one_the_machines_locale_is_used(environment: dict[str, str], locale: str) -> None:
    assert Settings.load(environment, env_file=None).locale == locale
