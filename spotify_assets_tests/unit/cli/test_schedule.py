"""Collecting goes on after a restart: what `schedule` writes, read by the tools that run it."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from spotify_assets import scheduler
from spotify_assets.cli import main
from spotify_assets.scheduler import TASK
from spotify_assets.settings import Settings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell for the stand-ins")

FOLDERS = ["plain", "with a space", "100%h", 'it\'s "quoted"', "a$HOME`id`", "back\\slash", "<&>é"]
LOGS = '#!/bin/sh\necho "${0##*/} $*" >> "$HOME/calls"\n'
CRONTAB = (
    LOGS
    + """
if [ "$1" = "-l" ]; then
    [ -e "$HOME/crontab" ] || { echo "no crontab for mira" >&2; exit 1; }
    cat "$HOME/crontab"
else
    cat > "$HOME/crontab"
fi
"""
)
REFRESH = """#!/bin/sh
printf '%s\\n' "$SPOTIFY_ASSETS_DATA" "$DAGSTER_HOME" "$@" > "$HOME/called"
"""


class Machine:
    """A home folder, stand-ins for the tools of a machine, and the commands of a user there."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.bin, self._patch = home, home / "tools", monkeypatch
        self.bin.mkdir(parents=True)
        self.use("world")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")
        self.tool("systemctl", LOGS + "exit 1\n")  # none for users, as in a container
        self.tool("loginctl", LOGS)

    def use(self, name: str) -> None:
        """Work in a checkout and a data folder below a folder of this name."""
        self.world = self.home / name
        self.command = self.world / "bin" / "spotify-assets"
        self.command.parent.mkdir(parents=True, exist_ok=True)
        self._script(self.command, REFRESH)
        self._patch.setattr(sys, "executable", str(self.command.with_name("python")))
        self._patch.setenv("SPOTIFY_ASSETS_DATA", str(self.world / "data"))
        self._patch.setenv("DAGSTER_HOME", str(self.world / "dagster"))

    def tool(self, name: str, script: str) -> None:
        self._script(self.bin / name, script)

    def _script(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def run(self, *arguments: str, fails: bool = False) -> str:
        done = CliRunner().invoke(main, ["schedule", *arguments])
        assert done.exit_code == int(fails), done.output
        return done.output

    def called(self) -> list[str]:
        """Environment and arguments of the last call of `spotify-assets`."""
        return (self.home / "called").read_text().splitlines()

    @property
    def expected(self) -> list[str]:
        return [str(self.world / "data"), str(self.world / "dagster"), "refresh"]

    def calls(self) -> list[str]:
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def files(self) -> dict[str, str]:
        skipped = {"calls", "called"}
        found = (path for path in self.home.rglob("*") if path.is_file())
        return {str(path): path.read_text() for path in found if path.name not in skipped}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "home", monkeypatch)


# cron


def as_cron_runs(line: str) -> str:
    """The command of a crontab line, as cron hands it to the shell."""
    command = line.split(maxsplit=5)[5]
    before_input = re.split(r"(?<!\\)%", command)[0]  # the rest would be its standard input
    return before_input.replace(r"\%", "%")


@pytest.mark.parametrize("folder", FOLDERS)
def test_cron_calls_the_command_of_this_checkout_on_its_data(machine: Machine, folder: str) -> None:
    machine.tool("crontab", CRONTAB)
    machine.use(folder)
    assert "cron calls refresh every 15 minutes" in machine.run("install")
    (line,) = (machine.home / "crontab").read_text().splitlines()
    assert line.startswith("*/15 * * * * ")
    environment = {"HOME": str(machine.home), "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-c", as_cron_runs(line)], env=environment, check=True)
    assert machine.called() == machine.expected


def test_the_other_lines_of_a_crontab_stay_and_the_same_again_changes_nothing(
    machine: Machine,
) -> None:
    machine.tool("crontab", CRONTAB)
    others = "# mine\nMAILTO=me@example.org\n\n0 4 * * * backup --all  # spotify-assets\n"
    (machine.home / "crontab").write_text(others)
    machine.run("install")
    first = (machine.home / "crontab").read_text()
    assert first.startswith(others)
    machine.run("install")
    assert (machine.home / "crontab").read_text() == first
    assert machine.calls().count("crontab -") == 1
    machine.use("another world")
    machine.run("install")
    assert len((machine.home / "crontab").read_text().splitlines()) == 6
    machine.run("remove")
    assert (machine.home / "crontab").read_text() == first
    machine.use("world")
    assert "cron calls refresh no more." in machine.run("remove")
    assert (machine.home / "crontab").read_text() == others
    assert machine.run("remove") == "Nothing is installed.\n"


def test_a_checkout_that_moved_replaces_its_line(machine: Machine) -> None:
    machine.tool("crontab", CRONTAB)
    machine.run("install")
    data = os.environ["SPOTIFY_ASSETS_DATA"]
    machine.use("moved")
    os.environ["SPOTIFY_ASSETS_DATA"] = data
    machine.run("install")
    (line,) = (machine.home / "crontab").read_text().splitlines()
    assert "/moved/bin/spotify-assets" in line


def test_a_crontab_that_cannot_be_read_is_not_overwritten(machine: Machine) -> None:
    machine.tool("crontab", LOGS + '[ "$1" = "-l" ] && { echo "you are not allowed" >&2; exit 1; }')
    assert "Error: crontab -l failed: you are not allowed" in machine.run("install", fails=True)
    assert machine.calls() == ["systemctl --user show-environment", "crontab -l"]


def test_where_nothing_is_known_it_says_what_to_call(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(machine.bin))
    said = machine.run("install", fails=True)
    assert f"every 15 minutes: {machine.command} refresh" in said


def test_a_path_that_no_scheduler_takes_is_refused(machine: Machine) -> None:
    machine.tool("crontab", CRONTAB)
    machine.use("two\nlines")
    assert "Error: No scheduler can call a path such as " in machine.run("install", fails=True)
    assert machine.calls() == []


# systemd


@pytest.fixture
def with_systemd(machine: Machine) -> Machine:
    machine.tool("systemctl", LOGS)
    return machine


def units(machine: Machine) -> dict[str, Path]:
    folder = machine.home / ".config" / "systemd" / "user"
    return {path.suffix: path for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("folder", [name for name in FOLDERS if not set(name) & set("'\"\\")])
def test_systemd_accepts_the_units_and_finds_the_command(
    with_systemd: Machine, folder: str
) -> None:
    tool = shutil.which("systemd-analyze", path="/usr/bin:/bin")
    if tool is None:
        pytest.skip("systemd-analyze is not installed")
    with_systemd.use(folder)
    # The data folder may have any name.
    os.environ["SPOTIFY_ASSETS_DATA"] = str(with_systemd.home / "".join(FOLDERS))
    with_systemd.run("install")
    files = list(units(with_systemd).values())
    done = subprocess.run(
        [tool, "--user", "verify", *files],
        env={**os.environ, "XDG_RUNTIME_DIR": str(with_systemd.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if with_systemd.home.name in line]
    assert (done.returncode, complaints) == (0, [])


@pytest.mark.parametrize("folder", ["it's", 'a"b', "back\\slash"])
def test_a_command_that_systemd_would_not_call_is_refused(
    with_systemd: Machine, folder: str
) -> None:
    with_systemd.use(folder)
    before = with_systemd.files()
    assert "systemd calls no command with a quote" in with_systemd.run("install", fails=True)
    assert with_systemd.files() == before


def test_a_timer_is_enabled_for_ever_and_also_without_a_session(with_systemd: Machine) -> None:
    assert "systemd calls refresh every 15 minutes, also after a restart" in with_systemd.run(
        "install"
    )
    found = units(with_systemd)
    timer = found[".timer"].read_text()
    assert "OnCalendar=*:0/15\nPersistent=true\n" in timer
    assert "WantedBy=timers.target" in timer
    service = found[".service"].read_text()
    assert f'Environment="SPOTIFY_ASSETS_DATA={with_systemd.world}/data"' in service
    name = found[".timer"].name
    assert with_systemd.calls() == [
        "systemctl --user show-environment",
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {name}",
        "loginctl enable-linger",
    ]
    files = with_systemd.files()
    with_systemd.run("install")
    assert with_systemd.files() == files
    assert json.loads(with_systemd.run("--json")) == {"installed": ["systemd"]}
    with_systemd.run("remove")
    assert units(with_systemd) == {}
    assert f"systemctl --user disable --now {name}" in with_systemd.calls()
    assert "Nothing is installed. Next:" in with_systemd.run()


# Where systemd has the job and does not answer, or refuses it.

NO_BUS = LOGS + "echo 'Failed to connect to bus' >&2; exit 1\n"
LINKS = (
    LOGS
    + """
link="$HOME/.config/systemd/user/timers.target.wants/$4"
[ "$2" = enable ] && mkdir -p "${link%/*}" && ln -sf "../$4" "$link"
exit 0
"""
)


def refusing(step: str) -> str:
    """A systemctl that refuses the steps of this pattern of the shell."""
    return LOGS + f'case $2 in {step}) echo "Access denied" >&2; exit 1;; esac\n'


def test_remove_ends_a_timer_of_a_systemd_that_does_not_answer(with_systemd: Machine) -> None:
    with_systemd.tool("crontab", CRONTAB)
    with_systemd.tool("systemctl", LINKS)
    with_systemd.run("install")
    name = units(with_systemd)[".timer"].name
    with_systemd.tool("systemctl", NO_BUS)
    said = with_systemd.run("remove", fails=True)
    assert "did not stop it: Failed to connect to bus." in said
    assert f"To stop it now: XDG_RUNTIME_DIR=/run/user/{os.getuid()} systemctl --user stop" in said
    assert [path for path in with_systemd.home.rglob("*") if path.name == name] == []
    assert "Nothing is installed. Next:" in with_systemd.run()
    assert with_systemd.run("remove") == "Nothing is installed.\n"


@pytest.mark.parametrize("step", ["daemon-reload", "enable", "enable|disable", "[de]*"])
def test_an_installation_that_systemd_refuses_leaves_nothing(
    with_systemd: Machine, step: str
) -> None:
    with_systemd.tool("systemctl", refusing(step))
    before = with_systemd.files()
    assert "failed: Access denied" in with_systemd.run("install", fails=True)
    assert with_systemd.files() == before
    assert "Nothing is installed. Next:" in with_systemd.run()


@pytest.mark.parametrize("step", ["daemon-reload", "enable"])
def test_an_installation_that_systemd_refuses_leaves_the_one_before(
    with_systemd: Machine, step: str
) -> None:
    with_systemd.run("install")
    before = {path: path.read_text() for path in units(with_systemd).values()}
    data = os.environ["SPOTIFY_ASSETS_DATA"]
    with_systemd.use("moved")
    os.environ["SPOTIFY_ASSETS_DATA"] = data
    with_systemd.tool("systemctl", refusing(step))
    with_systemd.run("install", fails=True)
    assert {path: path.read_text() for path in units(with_systemd).values()} == before


def test_cron_does_not_get_what_a_systemd_that_does_not_answer_has(with_systemd: Machine) -> None:
    with_systemd.tool("crontab", CRONTAB)
    with_systemd.run("install")
    with_systemd.tool("systemctl", NO_BUS)
    before = with_systemd.files()
    said = with_systemd.run("install", fails=True)
    assert "systemd has a timer for this already, and does not answer here: Failed to" in said
    assert with_systemd.files() == before
    with_systemd.run("remove", fails=True)
    assert "cron calls refresh every 15 minutes" in with_systemd.run("install")
    assert json.loads(with_systemd.run("--json")) == {"installed": ["cron"]}


def test_a_line_of_the_crontab_goes_when_systemd_gets_the_job(machine: Machine) -> None:
    machine.tool("crontab", CRONTAB)
    machine.run("install")
    machine.tool("systemctl", LOGS)
    assert machine.run("install").endswith("cron calls refresh no more.\n")
    assert json.loads(machine.run("--json")) == {"installed": ["systemd"]}
    assert (machine.home / "crontab").read_text() == ""


def test_remove_ends_it_wherever_it_is(with_systemd: Machine) -> None:
    with_systemd.tool("crontab", CRONTAB)
    with_systemd.run("install")
    job = scheduler.Job.of(Settings.load())
    scheduler.Cron().install(job)
    with_systemd.tool("systemctl", NO_BUS)
    said = with_systemd.run("remove", fails=True)
    assert said.startswith("cron calls refresh no more.\nError: The files of systemd's timer")
    assert json.loads(with_systemd.run("--json")) == {"installed": []}


def test_where_lingering_is_not_allowed_it_says_the_command(with_systemd: Machine) -> None:
    with_systemd.tool("loginctl", LOGS + "echo 'Access denied' >&2; exit 1\n")
    assert "always run: sudo loginctl enable-linger " in with_systemd.run("install")


def test_what_would_be_written_can_be_printed_first(with_systemd: Machine) -> None:
    before = with_systemd.files()
    said = with_systemd.run("install", "--print")
    assert with_systemd.files() == before
    with_systemd.run("install")
    for path in units(with_systemd).values():
        assert f"# {path}\n{path.read_text()}" in said


def test_a_setting_that_is_only_in_the_shell_is_named(
    with_systemd: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "an-id-of-the-shell")
    said = with_systemd.run("install")
    assert "Set only in this shell, so not there: SPOTIFY_CLIENT_ID" in said
    assert "an-id-of-the-shell" not in said + "".join(with_systemd.files().values())


# launchd


@pytest.mark.parametrize("folder", FOLDERS)
def test_launchd_gets_a_property_list_of_the_command(
    machine: Machine, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    loaded = machine.home / "loaded"
    machine.tool(
        "launchctl",
        LOGS + f'case $1 in bootstrap) touch "{loaded}";; bootout) rm "{loaded}" 2>/dev/null;;'
        f' print) [ -e "{loaded}" ];; esac\n',
    )
    machine.use(folder)
    machine.run("install")
    (path,) = (machine.home / "Library" / "LaunchAgents").iterdir()
    found = plistlib.loads(path.read_bytes())
    assert found == {
        "Label": path.stem,
        "ProgramArguments": [str(machine.command), "refresh"],
        "EnvironmentVariables": {
            "SPOTIFY_ASSETS_DATA": str(machine.world / "data"),
            "DAGSTER_HOME": str(machine.world / "dagster"),
        },
        "StartInterval": 900,
        "RunAtLoad": True,
    }
    machine.run("install")
    boots = [call for call in machine.calls() if call.startswith("launchctl bootstrap")]
    assert boots == [f"launchctl bootstrap gui/{os.getuid()} {path}"]
    machine.run("remove")
    assert not path.exists()
    assert not loaded.exists()


# Task Scheduler


@pytest.mark.parametrize("folder", FOLDERS)
def test_windows_gets_a_task_that_runs_the_command(
    machine: Machine, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = machine.home / "task.xml"
    machine.tool("schtasks", LOGS + f'[ "$1" = /create ] && cp "$6" "{copy}"; exit 0\n')
    machine.use(folder)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        machine.run("install")
        machine.run("remove")
    name = scheduler.Job.of(Settings.load()).name
    assert machine.calls()[-1] == f"schtasks /delete /f /tn {name}"
    task = ET.fromstring(copy.read_bytes().decode("utf-16"))
    action = {element.tag: element.text for element in task.iterfind(".//{*}Exec/*")}
    assert action[f"{{{TASK}}}Command"] == sys.executable
    assert task.findtext(".//{*}Interval") == "PT15M"
    arguments = action[f"{{{TASK}}}Arguments"] or ""
    assert "%" not in arguments  # Windows would take it for a variable
    # What Python gets to run, after the quoting of the command line is undone.
    script = re.sub(r'(\\*)\\"', r'\1"', arguments.removeprefix('-c "').removesuffix('"'))
    seen: dict[str, Any] = {}
    patched = script.replace("from spotify_assets.cli import main; main(['refresh'])", "")
    exec(patched, seen)  # ours
    assert os.environ["SPOTIFY_ASSETS_DATA"] == str(machine.world / "data")


# Status


def test_status_says_by_what_the_accounts_are_polled_and_when_they_last_were(
    with_systemd: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spotify_assets import timetable
    from spotify_assets.spotify.state import Identity, State

    settings = Settings.load()
    state = State(settings.state_path)
    state.attach(Identity("mira", None, None), None, "2099-01-01T00:00:00.000Z")

    def status() -> tuple[str, dict[str, Any]]:
        shown = CliRunner().invoke(main, ["status"]).stdout
        return shown, json.loads(CliRunner().invoke(main, ["status", "--json"]).stdout)

    shown, answer = status()
    assert "Nothing polls (last poll never). Next: spotify-assets schedule install" in shown
    assert (answer["polled_by"], answer["last_poll_at"]) == ([], None)
    state.record_failed_look("mira", "no answer")
    with_systemd.run("install")
    shown, answer = status()
    assert re.search(r"Polled by systemd; last poll \d\d-\d\d \d\d:\d\d\n", shown)
    assert answer["polled_by"] == ["systemd"]
    assert answer["last_poll_at"] == answer["accounts"][0]["last_try_at"]
    timetable.leave_sign(settings)
    assert "Polled by Dagster's daemon and systemd; last poll" in status()[0]
    assert answer["accounts"][0]["is_logged_in"] is True
    state.log_out("mira")
    assert status()[1]["accounts"][0]["is_logged_in"] is False
