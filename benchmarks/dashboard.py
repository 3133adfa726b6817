"""What the dashboard costs on two million plays: its start, its pages in a browser, its memory.

Whole processes: the command, and a headless Chromium. Beside it, in turn, a minimal page of the
same libraries, so that a ratio can be told from a slow machine. To make the plays takes minutes:
SPOTIFY_ASSETS_BENCHMARK_DATA can name a data folder that holds them with all models. It is copied,
since a refresh writes into it while pages are asked for.
"""

import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil

from benchmarks.refreshing import COMMAND, MANY, World
from benchmarks.stored import LISTENERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
MADE = "SPOTIFY_ASSETS_BENCHMARK_DATA"
ROUNDS = 5
START, PAINT, CLICK, CLICK_ALL, WAIT = 0.6, 1.0, 0.3, 1.0, 1.0  # seconds, wanted at most
MEMORY = 60  # MB
MEGABYTE = 1_000_000
GIVE_UP_SECONDS = 60
WITH_CHOICES = ("", "top", "when", "discover", "how")
PERIODS = ("7 days", "28 days", "90 days", "365 days")

# The newest plays are those of a fixed day. So the last 28 days must be the last before that day.
AT_THE_END = """
import sys
from datetime import timedelta
from benchmarks.stored import END
from spotify_assets import times
times.now = lambda: END + timedelta(hours=12)
from spotify_assets.cli import main
main(sys.argv[1:])
"""
PAINTED = """() => new Promise(painted => new PerformanceObserver(entries => {
    const [first] = entries.getEntriesByName('first-contentful-paint')
    if (first) painted(first.startTime)
}).observe({type: 'paint', buffered: true}))"""
CLICK_ON = """words => {
    const link = [...document.querySelectorAll('a')].find(each => each.textContent.trim() === words)
    const at = performance.timeOrigin + performance.now()
    link.click()
    return at
}"""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        seconds: from its start to its first answer.
    """

    process: "subprocess.Popen[bytes]"
    address: str
    seconds: float

    def memory(self) -> float:
        """Its share of the memory in MB: what it shares with others is counted in part (PSS)."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text("ascii").splitlines()
        (kib,) = (line.split()[1] for line in lines if line.startswith("Pss:"))
        return int(kib) * 1024 / MEGABYTE

    def processor(self) -> float:
        """Seconds of processors that it has taken, which another load changes least."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def serving(
    command: Callable[[str], Sequence[str | Path]], environment: Mapping[str, str], first: str = "/"
) -> Iterator[Server]:
    """A server from its start to its end.

    Args:
        command: what starts it, of the port.
        first: the path that is asked for until there is an answer.

    Raises:
        TimeoutError: it does not answer.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    address, started = f"http://127.0.0.1:{port}", time.perf_counter()
    process = subprocess.Popen(command(str(port)), env=environment, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                ask(address + first)
            except URLError:
                if process.poll() is not None or time.perf_counter() > started + GIVE_UP_SECONDS:
                    raise TimeoutError("The server does not answer.") from None
                time.sleep(0.005)
            else:
                break
        yield Server(process, address, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait()


def ask(address: str) -> float:
    """Seconds until a page has come.

    Raises:
        URLError: it did not come, or says that something is wrong.
    """
    started = time.perf_counter()
    with urlopen(address, timeout=GIVE_UP_SECONDS) as answer:
        answer.read()
    return time.perf_counter() - started


def the_dashboard(port: str) -> list[str | Path]:
    """The command as everybody starts it."""
    return [COMMAND, "dashboard", "--port", port]


def at_the_end(port: str) -> list[str | Path]:
    """The same, on the day of the newest plays."""
    return [sys.executable, "-c", AT_THE_END, "dashboard", "--port", port]


def minimal(port: str) -> list[str | Path]:
    """The minimal page."""
    return [sys.executable, "-m", "benchmarks.minimal_page", port]


def main() -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "data")
        world.environment["SPOTIFY_TIMEZONE"] = "Europe/Berlin"  # as the plays are stored
        if made := os.environ.get(MADE):
            world.settings.make_data_folder()
            copy = (
                "cp",
                "--reflink=auto",
                Path(made) / "spotify.db",
                world.settings.warehouse_path,
            )
            subprocess.run(copy, check=True)
        else:
            world.build(MANY)
        world.refresh()  # builds what changed since the models were made
        print(f"The dashboard on {MANY:,} plays; {load()}")
        start(world.environment)
        with (
            serving(at_the_end, world.environment, "/how") as ours,
            serving(minimal, world.environment) as floor,
        ):
            idle = ours.memory()
            look(world, ours, floor)
            beside_a_refresh(world, ours)
            print(
                f"memory of the server (PSS)\n  {ours.memory():.0f} MB after all pages, "
                f"{idle:.0f} MB after the start; the minimal page {floor.memory():.0f} MB; "
                f"wanted at most {MEMORY} MB"
            )
        print(f"  {load()}")


def start(environment: Mapping[str, str]) -> None:
    """Print how long both take from their start to their first answer."""
    pairs = []
    for _ in range(ROUNDS + 1):
        with serving(the_dashboard, environment, "/how") as ours:
            pass
        with serving(minimal, environment) as floor:
            pairs.append((ours.seconds, floor.seconds))
    compare("spotify-assets dashboard, until the first answer", pairs[1:], START)


def look(world: World, ours: Server, floor: Server) -> None:
    """Print when each page is painted, and how long a click takes."""
    if not CHROMIUM.exists():
        print(f"no page was painted: there is no {CHROMIUM}")
        for path in paths(world.settings.warehouse_path).values():
            ask(f"{ours.address}/{path}")
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        print(f"pages until they are painted / the minimal page, in Chromium {browser.version}")
        for name, path in paths(world.settings.warehouse_path).items():
            pairs: list[tuple[float, float]] = []
            taken: list[float] = []
            for _ in range(ROUNDS + 1):
                before = ours.processor()
                painted = paint(browser, f"{ours.address}/{path}")
                taken.append(ours.processor() - before)
                pairs.append((painted, paint(browser, floor.address)))
            busy = statistics.median(taken[1:])  # the first one warms up
            compare(f"  {name}, {busy:.2f} s of the server's processor", pairs[1:], PAINT)
        print("a click on another period or account, until its page is painted")
        one, other = LISTENERS[:2]
        for page in WITH_CHOICES:
            of_one = f"{ours.address}/{page}?account={one}"
            medians = clicks(browser, of_one, [*PERIODS, other])
            words = max(medians, key=medians.__getitem__)
            report(
                f"  {page or 'overview'} of one account, slowest: {words}", medians[words], CLICK
            )
            (of_all,) = clicks(browser, f"{ours.address}/{page}", ["All"]).values()
            report(f"  {page or 'overview'} of all accounts: all time", of_all, CLICK_ALL)
        browser.close()


def paths(warehouse: Path) -> dict[str, str]:
    """The address of each page, by what it is called here."""
    with closing(sqlite3.connect(f"{warehouse.as_uri()}?mode=ro", uri=True)) as database:
        keys = database.execute(
            "select artist_key, album_key, track_key from dim_tracks where track_name = 'Song 0'"
        ).fetchone()
    of_one = ("artists", "albums", "tracks")
    same = ("top", "when", "discover", "how", "together", "year", "plays", "trust", "definitions")
    return {
        "overview": "",
        "overview, all time": "?period=all",
        **{page: page for page in same},
        "year of one account": f"year?account={LISTENERS[0]}",
        "search": "search?q=song+12",
        **{
            f"one of the {kind}": f"{kind}/one?{urlencode({'key': key})}"
            for kind, key in zip(of_one, keys, strict=True)
        },
        **{
            f"{page}, all time": f"{page}?period=all"
            for page in ("top", "when", "discover", "how", "together")
        },
    }


def paint(browser: "Browser", address: str) -> float:
    """Seconds from asking for a page, in a new profile, until something of it is painted."""
    with browser.new_context() as context:
        page = context.new_page()
        answer = page.goto(address)
        assert answer, address
        assert answer.ok, address
        return float(page.evaluate(PAINTED)) / 1000


def clicks(browser: "Browser", address: str, links: Sequence[str]) -> dict[str, float]:
    """Median seconds from a click on each link of a page until what it leads to is painted."""
    taken: dict[str, list[float]] = {words: [] for words in links}
    with browser.new_context() as context:
        page = context.new_page()
        for _ in range(ROUNDS):
            for words in links:
                page.goto(address)
                page.evaluate(PAINTED)
                with page.expect_navigation():
                    clicked = float(page.evaluate(CLICK_ON, words))
                painted = float(page.evaluate(PAINTED) + page.evaluate("performance.timeOrigin"))
                taken[words].append((painted - clicked) / 1000)
    return {words: statistics.median(each) for words, each in taken.items()}


def beside_a_refresh(world: World, ours: Server) -> None:
    """Print how long the slowest page takes while a refresh writes into the same data."""
    refresh = Thread(target=world.refresh)
    asked: list[tuple[float, str]] = []
    addresses = paths(world.settings.warehouse_path).items()
    started = time.perf_counter()
    refresh.start()
    while refresh.is_alive():
        for name, path in addresses:
            asked.append((ask(f"{ours.address}/{path}"), name))
    refresh.join()
    slowest, name = max(asked)
    print(
        f"pages while a refresh runs, which takes {time.perf_counter() - started:.1f} s\n"
        f"  {len(asked)} were asked for and none failed; the median one took "
        f"{statistics.median(seconds for seconds, _ in asked):.2f} s"
    )
    report(f"  the slowest, {name}", slowest, WAIT)


def compare(title: str, pairs: Sequence[tuple[float, float]], wanted: float) -> None:
    """Print the medians of both, and the median ratio."""
    ours, floor = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    report(title, ours, wanted, f" / {floor:.2f} s; {ratio:.1f} x")


def report(title: str, seconds: float, wanted: float, beside: str = "") -> None:
    """Print a figure and its bound, and whether it is missed."""
    missed = "  MISSED" if seconds > wanted else ""
    print(f"{title}: {seconds:.2f} s{beside}, wanted at most {wanted}{missed}", flush=True)


def load() -> str:
    """How busy the machine is, with whatever else runs on it."""
    return "load average {:.1f} {:.1f} {:.1f}".format(*os.getloadavg())


if __name__ == "__main__":
    main()
