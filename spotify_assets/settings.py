"""Where everything is and how Spotify is reached: read once from the environment and `.env`.

The environment wins over `.env`. Nothing here opens a file other than `.env`, creates a folder
or fails because a credential is missing: what needs one says so when it needs it.
"""

import os
import re
import shlex
import zoneinfo
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values

CHECKOUT = Path(__file__).resolve().parent.parent
# What we make in the data folder, by its name up to the first dot.
OURS = {
    *("spotify", "state", "refresh", "tokens", "locks", "dagster", "dbt", "inbox", "backups"),
    *("scratch", "reports", "dashboard", "covers"),
}
OTHERS = 0o077  # the rights of everybody but the owner
LOOPBACK_HOSTS = ("127.0.0.1", "::1")
LOCALTIME = Path("/etc/localtime")
# Files among the IANA data that name no place: this machine's zone under another name, and none.
NO_ZONES = {"localtime", "posixrules", "Factory"}

# Spotify counts calls per developer account; 96 looks a day stay far inside what is allowed.
LOOK_EVERY_SECONDS = 15 * 60
LOOK_EVERY_SECONDS_IN_SANDBOX = 30


class SettingsError(Exception):
    """A setting that cannot work; the message names it and says what would."""


@dataclass(frozen=True)
class KeepBackups:
    """How many backups stay: the last ones, and the newest of so many days, weeks and months."""

    last: int = 3
    daily: int = 7
    weekly: int = 5
    monthly: int = 12

    def __str__(self) -> str:
        return " ".join(f"{kind}={number}" for kind, number in vars(self).items())


@dataclass(frozen=True)
class Settings:
    """Typed settings; every path is absolute."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    api_url: str
    accounts_url: str
    data: Path
    timezone: str  # an IANA name, this machine's where none is set
    locale: str  # as in de-CH, this machine's where none is set; empty where it has none
    dagster_home: Path
    keep_pages_days: int
    keep_runs_days: int
    keep_backups: KeepBackups
    alert_command: str = field(repr=False)  # may hold an address that is a secret
    covers_on: bool
    hosts: tuple[str, ...]  # further host:port pairs under which browsers may ask our servers

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, env_file: Path | None = CHECKOUT / ".env"
    ) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: an address that is neither https nor plain http on the loopback, a
                folder that Dagster cannot use, no such time zone, none set where the machine's
                has no name, no such locale, a number that is none, a switch that is neither on nor
                off, or a command without its end.
        """
        values = {**_read(env_file), **(os.environ if environ is None else environ)}

        def value(name: str, default: str = "") -> str:
            return (values.get(name) or "").strip() or default

        return cls(
            client_id=value("SPOTIFY_CLIENT_ID"),
            client_secret=value("SPOTIFY_CLIENT_SECRET"),
            redirect_uri=value("SPOTIFY_REDIRECT_URI", "http://127.0.0.1:8765/callback"),
            api_url=_address(
                "SPOTIFY_API_URL", value("SPOTIFY_API_URL", "https://api.spotify.com/v1")
            ),
            accounts_url=_address(
                "SPOTIFY_ACCOUNTS_URL",
                value("SPOTIFY_ACCOUNTS_URL", "https://accounts.spotify.com"),
            ),
            data=_folder_for_dagster("SPOTIFY_ASSETS_DATA", value("SPOTIFY_ASSETS_DATA", "data")),
            timezone=_zone(value("SPOTIFY_TIMEZONE")) or machines_zone(),
            locale=_locale(value("SPOTIFY_LOCALE")) or _machines_locale(values),
            dagster_home=_folder_for_dagster("DAGSTER_HOME", value("DAGSTER_HOME", "dagster_home")),
            keep_pages_days=_days(
                "SPOTIFY_KEEP_PAGES_DAYS", value("SPOTIFY_KEEP_PAGES_DAYS", "35")
            ),
            keep_runs_days=_days("SPOTIFY_KEEP_RUNS_DAYS", value("SPOTIFY_KEEP_RUNS_DAYS", "90")),
            keep_backups=_keep_backups(
                "SPOTIFY_KEEP_BACKUPS", value("SPOTIFY_KEEP_BACKUPS", str(KeepBackups()))
            ),
            alert_command=_command("SPOTIFY_ALERT_COMMAND", value("SPOTIFY_ALERT_COMMAND")),
            covers_on=_switch("SPOTIFY_ASSETS_COVERS", value("SPOTIFY_ASSETS_COVERS", "on")),
            hosts=_hosts("SPOTIFY_ASSETS_HOSTS", value("SPOTIFY_ASSETS_HOSTS")),
        )

    @property
    def warehouse_path(self) -> Path:
        return self.data / "spotify.db"

    @property
    def state_path(self) -> Path:
        return self.data / "state.db"

    @property
    def tokens(self) -> Path:
        return self.data / "tokens"

    @property
    def locks(self) -> Path:
        return self.data / "locks"

    @property
    def dashboard_password(self) -> Path:
        """The hash of the dashboard's password, and who is logged in; in no backup."""
        return self.data / "dashboard.json"

    @property
    def dagster_storage(self) -> Path:
        return self.data / "dagster"

    @property
    def inbox(self) -> Path:
        """Where a download of Spotify's is put to be imported by itself."""
        return self.data / "inbox"

    @property
    def backups(self) -> Path:
        return self.data / "backups"

    @property
    def reports(self) -> Path:
        """Where the year in review is written."""
        return self.data / "reports"

    @property
    def aside(self) -> Path:
        """What a restore replaced; never cleaned up by itself."""
        return self.backups / "aside"

    @property
    def scratch(self) -> Path:
        """Where databases are copied to and tried out; holds nothing that is needed."""
        return self.data / "scratch"

    @property
    def covers(self) -> Path:
        """Album covers, which can be fetched again."""
        return self.data / "covers"

    @property
    def dbt_target(self) -> Path:
        """Where dbt runs leave their artifacts: beside the data that they describe."""
        return self.data / "dbt" / "target"

    @property
    def look_every_seconds(self) -> int:
        """How often the sensor asks Spotify; a sandbox on this machine has no quota to protect."""
        return LOOK_EVERY_SECONDS_IN_SANDBOX if is_loopback(self.api_url) else LOOK_EVERY_SECONDS

    def environment(self) -> dict[str, str]:
        """All settings as variables, for a child process that must see exactly these.

        Every name is present, so that nothing in a `.env` can fill a gap.
        """
        return {
            "SPOTIFY_CLIENT_ID": self.client_id,
            "SPOTIFY_CLIENT_SECRET": self.client_secret,
            "SPOTIFY_REDIRECT_URI": self.redirect_uri,
            "SPOTIFY_API_URL": self.api_url,
            "SPOTIFY_ACCOUNTS_URL": self.accounts_url,
            "SPOTIFY_ASSETS_DATA": str(self.data),
            "SPOTIFY_TIMEZONE": self.timezone,
            "SPOTIFY_LOCALE": self.locale,
            "DAGSTER_HOME": str(self.dagster_home),
            "SPOTIFY_KEEP_PAGES_DAYS": str(self.keep_pages_days),
            "SPOTIFY_KEEP_RUNS_DAYS": str(self.keep_runs_days),
            "SPOTIFY_KEEP_BACKUPS": str(self.keep_backups),
            "SPOTIFY_ALERT_COMMAND": self.alert_command,
            "SPOTIFY_ASSETS_COVERS": "on" if self.covers_on else "off",
            "SPOTIFY_ASSETS_HOSTS": " ".join(self.hosts),
            # dagster.yaml cannot join paths, so the folder below the data folder has its own name.
            "SPOTIFY_ASSETS_DAGSTER": str(self.dagster_storage),
        }

    def make_data_folder(self) -> None:
        """Let there be the data folder, readable by its owner alone with all that is in it.

        One that was there before may be open to everybody. It is closed last, so that a kill on the
        way leaves the rest to the next command. What is not ours to close stays.
        """
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.data.stat().st_mode & OTHERS:
            for child in self.data.iterdir():
                if child.name.partition(".")[0] in OURS and not child.is_symlink():
                    for folder, folders, files in os.walk(child, topdown=False):
                        for name in (*folders, *files):
                            _close(Path(folder, name))
                    _close(child)
            _close(self.data.resolve())


def keep_to_ourselves() -> None:
    """Let whatever this process and its children create be readable by its owner alone."""
    os.umask(OTHERS)


def _close(path: Path) -> None:
    with suppress(OSError):  # somebody else's, or gone
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)


def _read(env_file: Path | None) -> dict[str, str]:
    if env_file is None or not env_file.is_file():
        return {}
    try:
        return _texts(env_file)
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file} is not UTF-8 text. Save it as UTF-8.") from None


def _texts(env_file: Path) -> dict[str, str]:
    return {name: text for name, text in dotenv_values(env_file).items() if text is not None}


def _folder(text: str) -> Path:
    # Relative to the checkout, not to the working directory: cron starts in the home folder.
    try:
        return (CHECKOUT / Path(text).expanduser()).absolute()
    except RuntimeError:
        raise SettingsError(f"{text!r} begins with the home of nobody here.") from None


# Dagster puts the path of its databases into a URL as it is, where a question mark ends it and
# %41 is an A, and looks for dagster.yaml with a pattern, in which [a] is an a. Where the path means
# something else there, Dagster writes outside of the data folder, without an error.
_CHANGED_BY_DAGSTER = re.compile(r"[?*[]|%[0-9A-Fa-f]{2}")


def _folder_for_dagster(name: str, text: str) -> Path:
    folder = _folder(text)
    changed = _CHANGED_BY_DAGSTER.search(str(folder))
    if changed:
        raise SettingsError(
            f"{name} is the folder {str(folder)!r}. Its path has {changed[0]!r}: Dagster "
            f"would write into other folders. Rename that folder, or set {name} to a path without "
            "? * [ and without % before two hexadecimal digits."
        )
    return folder


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine; no proxy knows the way there."""
    return urlsplit(address).hostname in LOOPBACK_HOSTS


def _address(name: str, address: str) -> str:
    with suppress(ValueError):  # half an IPv6 address
        parts = urlsplit(address)
        if parts.hostname and (
            parts.scheme == "https" or (parts.scheme == "http" and is_loopback(address))
        ):
            return address.rstrip("/")
    raise SettingsError(
        f"{name} is {address!r}: tokens travel only over https, or http to 127.0.0.1. "
        "Change it in .env or in the environment."
    )


def _locale(name: str) -> str:
    if name and not re.fullmatch(
        r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_]([A-Za-z]{2}|[0-9]{3}))?", name
    ):
        raise SettingsError(
            f"SPOTIFY_LOCALE is {name!r}. Write it as in en-GB or de-CH, or leave it empty for "
            "this machine's."
        )
    return name


def _machines_locale(environ: Mapping[str, str]) -> str:
    """As POSIX has it: the first of these that is set decides."""
    names = ("LC_ALL", "LC_TIME", "LANG")
    text = next((environ[name] for name in names if environ.get(name)), "")
    with suppress(SettingsError):
        return _locale(re.split(r"[.@]", text)[0])
    return ""


def _zone(name: str) -> str:
    with suppress(ValueError, OSError, ZoneInfoNotFoundError):
        if name not in NO_ZONES:
            return ZoneInfo(name).key if name else ""
    raise SettingsError(
        f"SPOTIFY_TIMEZONE is {name!r}, which is no zone of the IANA list. "
        "Write it as in Europe/Berlin, or leave it empty for this machine's."
    )


@cache
def machines_zone() -> str:
    """The IANA name of this machine's time zone.

    A name counts only if its clock agrees with the machine's. In a container that mounts the host's
    /etc/localtime, the image's own /etc/timezone still says UTC, and tzlocal believes it.

    Raises:
        SettingsError: no name agrees, as with TZ=XYZ-3.
    """
    for name in _possible_names():
        if name not in NO_ZONES and _is_on_the_machines_clock(name):
            return name
    raise SettingsError(
        f"This machine's time zone ({datetime.now().astimezone().tzname()}) has no name in the "
        "IANA list. Set SPOTIFY_TIMEZONE in .env, as in Europe/Berlin."
    )


def _possible_names() -> Iterator[str]:
    import tzlocal

    with suppress(ValueError, OSError, ZoneInfoNotFoundError):
        yield ZoneInfo(tzlocal.get_localzone_name() or "").key
    yield from _zones_with_rules_of(LOCALTIME)
    yield "UTC"


def _zones_with_rules_of(file: Path) -> list[str]:
    """The zones whose file has the same content, those first that stand for their neighbours."""
    with suppress(OSError):
        rules = file.read_bytes()
        folders = [Path(folder) for folder in zoneinfo.TZPATH if Path(folder).is_dir()]
        zones = sorted(
            name
            for name in zoneinfo.available_timezones()
            if any(_has_content(folder / name, rules) for folder in folders)
        )
        # Europe/Berlin, not Arctic/Longyearbyen, which is a link to it.
        tables = [table for f in folders if (table := f / "zone1970.tab").is_file()]
        listed = {word for table in tables for word in table.read_text("utf-8").split()}
        return sorted(zones, key=lambda name: name not in listed)
    return []


def _has_content(file: Path, content: bytes) -> bool:
    with suppress(OSError):
        return file.stat().st_size == len(content) and file.read_bytes() == content
    return False


def _is_on_the_machines_clock(zone: str) -> bool:
    """Whether the zone has the offsets of this machine's clock in every month of this year."""
    year, clock = datetime.now(UTC).year, ZoneInfo(zone)
    moments = [datetime(year, month, 1, 12, tzinfo=UTC) for month in range(1, 13)]
    return all(
        moment.astimezone().utcoffset() == moment.astimezone(clock).utcoffset()
        for moment in moments
    )


def _days(name: str, text: str) -> int:
    if not re.fullmatch(r"0*[1-9][0-9]{0,4}", text):
        raise SettingsError(f"{name} is {text!r}: a whole number of days is needed, 1 to 99999.")
    return int(text)


def _keep_backups(name: str, text: str) -> KeepBackups:
    words = [re.fullmatch("(last|daily|weekly|monthly)=([0-9]{1,4})", w) for w in text.split()]
    numbers = {word[1]: int(word[2]) for word in words if word}
    if len(numbers) != len(words) or not any(numbers.values()):
        raise SettingsError(
            f"{name} is {text!r}: it is written as in {str(KeepBackups())!r}, and what is left out "
            "counts as 0. At least one must stay."
        )
    return KeepBackups(**{**dict.fromkeys(vars(KeepBackups()), 0), **numbers})


def _switch(name: str, text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise SettingsError(f"{name} is {text!r}: it is either on or off.")
    return text.lower() == "on"


def _hosts(name: str, text: str) -> tuple[str, ...]:
    hosts = tuple(text.lower().replace(",", " ").split())
    for host in hosts:
        if not re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", host):
            raise SettingsError(
                f"{name} has {host!r}: each is written as in laptop.local:3000, the name and the "
                "port that stand in the browser's address bar."
            )
    return hosts


def _command(name: str, text: str) -> str:
    try:
        shlex.split(text)
    except ValueError as error:
        # The text may hold a secret, so it is not repeated.
        raise SettingsError(
            f"{name} cannot be split into words: {error}. Quote it as in a shell."
        ) from None
    return text
