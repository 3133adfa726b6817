"""The process that the tests run in."""

import subprocess
import sys

from spotify_assets.settings import CHECKOUT

CODE = """
import signal, subprocess, sys
import spotify_assets_tests.conftest
child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
subprocess.run([sys.executable, "-c", child], check=True)
"""


def test_a_command_that_a_test_starts_hears_ctrl_c_also_where_the_tests_run_under_nohup() -> None:
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    done = subprocess.run(
        [*ignoring, sys.executable, "-c", CODE],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
