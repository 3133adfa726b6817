"""Have this machine's own scheduler call `refresh` every 15 minutes, also after a restart.

One class for each scheduler: systemd's user timers, launchd, cron, Windows' Task Scheduler. Belongs
here: the files and lines that they want, and their commands. What a refresh does is not known here.
"""

import hashlib
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from xml.etree import ElementTree as ET

from spotify_assets.settings import Settings, SettingsError

EVERY_MINUTES = 15
COMMAND_SECONDS = 60
TASK = "http://schemas.microsoft.com/windows/2004/02/mit/task"


class SchedulerError(Exception):
    """The schedule cannot be installed or removed; the message says why and what helps."""


@dataclass(frozen=True)
class Job:
    """What is to be called every 15 minutes.

    Attributes:
        name: of the job on this machine; each data folder has one.
        environment: what the scheduler has to set; `.env` says the rest.
    """

    name: str
    command: Path
    environment: dict[str, str]

    @classmethod
    def of(cls, settings: Settings) -> "Job":
        """The job that collects into the data folder of these settings.

        Raises:
            SchedulerError: a path has a character that no scheduler takes.
        """
        command = Path(sys.executable).with_name("spotify-assets").absolute()
        if os.name == "nt":
            command = command.with_suffix(".exe")
        environment = {
            "SPOTIFY_ASSETS_DATA": str(settings.data),
            "DAGSTER_HOME": str(settings.dagster_home),
        }
        for path in (str(command), *environment.values()):
            if not path.isprintable():
                raise SchedulerError(f"No scheduler can call a path such as {path!r}.")
        digest = hashlib.sha256(str(settings.data).encode()).hexdigest()
        return cls(f"spotify-assets-{digest[:8]}", command, environment)


class Scheduler(Protocol):
    """A scheduler of this machine."""

    name: str

    def texts(self, job: Job) -> dict[str, str]:
        """What is written, by the file or table that it is written to."""
        ...

    def is_installed(self, job: Job) -> bool:
        """Whether the job is there, of whatever version."""
        ...

    def install(self, job: Job) -> list[str]:
        """Write the job and start it; what its owner should know or do."""
        ...

    def remove(self, job: Job) -> None:
        """Stop the job and remove what was written.

        Raises:
            SchedulerError: it could not be stopped, or not be removed; the message says which.
        """
        ...


def present_scheduler(job: Job) -> Scheduler:
    """The scheduler of this machine that is to have the job.

    Raises:
        SchedulerError: there is none that is known here, or one has the job and does not answer, so
            that with another one two would call.
    """
    if sys.platform == "darwin":
        return Launchd()
    if sys.platform == "win32":
        return TaskScheduler()
    trouble = _try("systemctl", "--user", "show-environment")
    if trouble is None:
        return Systemd()
    if Systemd().is_installed(job):
        raise SchedulerError(
            f"systemd has a timer for this already, and does not answer here: {trouble}. Log in as "
            f"{_user()} and install again, or end it first: spotify-assets schedule remove"
        )
    if shutil.which("crontab"):
        return Cron()
    raise SchedulerError(
        "Neither systemd for users nor cron is here. Have something else call every "
        f"{EVERY_MINUTES} minutes: {Path(sys.executable).with_name('spotify-assets')} refresh"
    )


def installed_schedulers(settings: Settings) -> list[str]:
    """The names of the schedulers that call `refresh` for these settings."""
    try:
        return [each.name for each in schedulers_with(Job.of(settings))]
    except SchedulerError:
        return []


def schedulers_with(job: Job) -> list[Scheduler]:
    """The schedulers that have the job, whether they answer or not."""
    kinds: tuple[Scheduler, ...] = (Systemd(), Cron())
    if sys.platform == "darwin":
        kinds = (Launchd(), Cron())
    if sys.platform == "win32":
        kinds = (TaskScheduler(),)
    return [kind for kind in kinds if kind.is_installed(job)]


def only_in_this_shell(settings: Settings) -> list[str]:
    """The names of settings that are in the environment and not in `.env`, where a job reads."""
    try:
        in_file = Settings.load(environ={}).environment()
    except SettingsError:
        return []
    handed_over = {"SPOTIFY_ASSETS_DATA", "SPOTIFY_ASSETS_DAGSTER", "DAGSTER_HOME"}
    return sorted(
        name
        for name, value in settings.environment().items()
        if name not in handed_over and value != in_file[name]
    )


class Systemd:
    """A timer of the user's own systemd, which runs without a session while lingering is on."""

    name = "systemd"

    def texts(self, job: Job) -> dict[str, str]:
        environment = "".join(
            f"Environment={_for_systemd(f'{name}={value}')}\n"
            for name, value in job.environment.items()
        )
        description = f"Description=Collect Spotify plays, {job.name}\n"
        service = (
            f"[Unit]\n{description}\n[Service]\nType=oneshot\n{environment}"
            f"ExecStart={_for_systemd(str(job.command))} refresh\n"
        )
        timer = (
            f"[Unit]\n{description}\n[Timer]\nOnCalendar=*:0/{EVERY_MINUTES}\nPersistent=true\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
        folder = _systemd_folder()
        return {
            str(folder / f"{job.name}.service"): service,
            str(folder / f"{job.name}.timer"): timer,
        }

    def is_installed(self, job: Job) -> bool:
        return (_systemd_folder() / f"{job.name}.timer").exists()

    def install(self, job: Job) -> list[str]:
        if set(str(job.command)) & {"'", '"', "\\"}:
            raise SchedulerError(
                f"systemd calls no command with a quote or a backslash in its path: {job.command}. "
                "Move the checkout."
            )
        paths, was_installed = map(Path, self.texts(job)), self.is_installed(job)
        before = {path: path.read_bytes() for path in paths if path.is_file()}
        try:
            _write(self.texts(job))
            _run("systemctl", "--user", "daemon-reload")
            _run("systemctl", "--user", "enable", "--now", f"{job.name}.timer")
        except (SchedulerError, OSError):
            if was_installed:  # and may run
                for path, content in before.items():
                    path.write_bytes(content)
                _try("systemctl", "--user", "daemon-reload")
            else:
                with suppress(SchedulerError):
                    self.remove(job)
            raise
        if _try("loginctl", "enable-linger") is None:
            return []
        command = f"sudo loginctl enable-linger {shlex.quote(_user())}"
        return [f"It runs only while you are logged in here. To let it always run: {command}"]

    def remove(self, job: Job) -> None:
        trouble = _try("systemctl", "--user", "disable", "--now", f"{job.name}.timer")
        for path in self._files(job):
            path.unlink(missing_ok=True)
        _try("systemctl", "--user", "daemon-reload")  # a timer that is stopped needs none
        if trouble is not None:
            stop = f"XDG_RUNTIME_DIR=/run/user/{os.getuid()} systemctl --user stop {job.name}.timer"
            raise SchedulerError(
                "The files of systemd's timer are removed, but systemd did not stop it: "
                f"{trouble}. If it runs, it does so until this machine restarts. To stop it "
                f"now: {stop}"
            )

    def _files(self, job: Job) -> list[Path]:
        """What is written, and the link by which systemd starts the timer."""
        link = _systemd_folder() / "timers.target.wants" / f"{job.name}.timer"
        return [link, *map(Path, self.texts(job))]


class Launchd:
    """An agent of macOS, which runs while its user is logged in."""

    name = "launchd"

    def texts(self, job: Job) -> dict[str, str]:
        content = {
            "Label": job.name,
            "ProgramArguments": [str(job.command), "refresh"],
            "EnvironmentVariables": job.environment,
            "StartInterval": EVERY_MINUTES * 60,
            "RunAtLoad": True,
        }
        return {str(self._path(job)): plistlib.dumps(content).decode()}

    def is_installed(self, job: Job) -> bool:
        return self._path(job).exists()

    def install(self, job: Job) -> list[str]:
        if _write(self.texts(job)):
            _try("launchctl", "bootout", f"{_gui()}/{job.name}")  # one of before
        if _try("launchctl", "print", f"{_gui()}/{job.name}") is not None:
            trouble = _try("launchctl", "bootstrap", _gui(), str(self._path(job)))
            if trouble is not None:
                return [f"It starts at your next login; launchctl said: {trouble}"]
        return []

    def remove(self, job: Job) -> None:
        _try("launchctl", "bootout", f"{_gui()}/{job.name}")
        self._path(job).unlink(missing_ok=True)

    def _path(self, job: Job) -> Path:
        return Path.home() / "Library" / "LaunchAgents" / f"{job.name}.plist"


class Cron:
    """A line of the user's crontab, known by the comment at its end."""

    name = "cron"

    def texts(self, job: Job) -> dict[str, str]:
        words = [f"{name}={shlex.quote(value)}" for name, value in job.environment.items()]
        words += [shlex.quote(str(job.command)), "refresh", ">/dev/null"]
        # cron ends a command at a percent sign, unless a backslash stands before it.
        command = " ".join(words).replace("%", r"\%")
        return {"crontab": f"*/{EVERY_MINUTES} * * * * {command} {self._mark(job)}\n"}

    def is_installed(self, job: Job) -> bool:
        if not shutil.which("crontab"):
            return False
        with suppress(SchedulerError):
            return any(self._is_of(job, line) for line in _crontab())
        return False

    def install(self, job: Job) -> list[str]:
        before = _crontab()
        (line,) = self.texts(job).values()
        if line not in before:
            _write_crontab([*(each for each in before if not self._is_of(job, each)), line])
        return []

    def remove(self, job: Job) -> None:
        _write_crontab([line for line in _crontab() if not self._is_of(job, line)])

    def _mark(self, job: Job) -> str:
        return f"# {job.name}"

    def _is_of(self, job: Job, line: str) -> bool:
        return line.rstrip().endswith(self._mark(job))


class TaskScheduler:
    """A task of Windows."""

    name = "Task Scheduler"

    def texts(self, job: Job) -> dict[str, str]:
        # A task has no environment of its own, and Windows would expand %NAME% in its arguments.
        script = (
            f"import os; os.environ.update({job.environment!r}); "
            "from spotify_assets.cli import main; main(['refresh'])"
        ).replace("%", r"\x25")
        content = {
            "Triggers/TimeTrigger/Repetition/Interval": f"PT{EVERY_MINUTES}M",
            "Triggers/TimeTrigger/StartBoundary": "2026-01-01T00:00:00",
            "Settings/MultipleInstancesPolicy": "IgnoreNew",
            "Settings/DisallowStartIfOnBatteries": "false",
            "Settings/StopIfGoingOnBatteries": "false",
            "Settings/StartWhenAvailable": "true",
            "Actions/Exec/Command": sys.executable,
            "Actions/Exec/Arguments": subprocess.list2cmdline(["-c", script]),
        }
        task = ET.Element("Task", version="1.2", xmlns=TASK)
        for path, value in content.items():
            element = task
            *parents, last = path.split("/")
            for name in parents:
                found = element.find(name)
                element = ET.SubElement(element, name) if found is None else found
            ET.SubElement(element, last).text = value
        ET.indent(task)
        return {f"task {job.name}": ET.tostring(task, encoding="unicode") + "\n"}

    def is_installed(self, job: Job) -> bool:
        return _try("schtasks", "/query", "/tn", job.name) is None

    def install(self, job: Job) -> list[str]:
        (text,) = self.texts(job).values()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "task.xml"
            path.write_text(f'<?xml version="1.0" encoding="UTF-16"?>\n{text}', "utf-16")
            _run("schtasks", "/create", "/f", "/tn", job.name, "/xml", str(path))
        return ["It runs while you are logged in here."]

    def remove(self, job: Job) -> None:
        _run("schtasks", "/delete", "/f", "/tn", job.name)


def _for_systemd(text: str) -> str:
    """A text as one quoted word of a unit file, where percent and backslash mean something."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _systemd_folder() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "systemd" / "user"


def _write(texts: dict[str, str]) -> bool:
    """Write the files that are not there or differ; whether one was written."""
    is_new = False
    for name, text in texts.items():
        path = Path(name)
        with suppress(OSError, UnicodeDecodeError):
            if path.read_text("utf-8") == text:
                continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        is_new = True
    return is_new


def _crontab() -> list[str]:
    done = _call("crontab", "-l")
    if done.returncode and "no crontab" not in done.stderr.lower():
        raise SchedulerError(f"crontab -l failed: {_said(done)}")
    lines = "" if done.returncode else done.stdout
    return [f"{line}\n" for line in lines.splitlines()]


def _write_crontab(lines: list[str]) -> None:
    _run("crontab", "-", text="".join(lines))


def _run(*command: str, text: str | None = None) -> None:
    trouble = _try(*command, text=text)
    if trouble is not None:
        raise SchedulerError(f"{shlex.join(command)} failed: {trouble}")


def _try(*command: str, text: str | None = None) -> str | None:
    """What went wrong with a command, or None."""
    try:
        done = _call(*command, text=text)
    except SchedulerError as error:
        return str(error)
    return _said(done) if done.returncode else None


def _call(*command: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command,
            input=text or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SchedulerError(f"{command[0]} cannot be run: {error}") from None


def _said(done: "subprocess.CompletedProcess[str]") -> str:
    return " ".join((done.stderr or done.stdout).split()) or f"it ended with {done.returncode}"


def _gui() -> str:
    return f"gui/{os.getuid()}"


def _user() -> str:
    import getpass

    return getpass.getuser()
