"""Starts child processes that end with their parent (util-linux's setpriv), and ends those that outlived theirs."""

import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bitcoingame.local.defaults import CHECKOUT

_PROC = Path("/proc")
_END_SECONDS = 10
_IF_PARENT_LIVES = '[ "$PPID" = "$0" ] && exec "$@"'

# The one capability that opens a checkout under a closed directory such as /root. PostgreSQL looks for its own
# programs by access(2), which heeds the capability only under this "secure bit".
_REACH_OF_ROOT = [
    "--inh-caps=-all,+dac_override",
    "--ambient-caps=-all,+dac_override",
    "--securebits=+no_setuid_fixup",
]


def dying_with_parent(number: signal.Signals, *options: str) -> list[str]:
    """Words to put before a command, so that the kernel sends it the signal when the thread that starts it ends.

    The shell starts nothing if the parent died before setpriv ran. Empty without util-linux's setpriv.
    """
    if not _has_setpriv():
        return []
    return ["setpriv", *options, f"--pdeathsig={number.name}", "sh", "-c", _IF_PARENT_LIVES, str(os.getpid())]


def service_user() -> pwd.struct_passwd | None:
    """The user that the embedded servers run as if we are root, because PostgreSQL refuses to run as root.

    It is the owner of the checkout, who can then go on without root, or else nobody. None if we are not root.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = pwd.getpwuid(CHECKOUT.stat().st_uid)
    except KeyError:
        return pwd.getpwnam("nobody")
    return owner if owner.pw_uid else pwd.getpwnam("nobody")


def spawn(
    command: list[str],
    *,
    directory: Path,
    output: IO[Any] | int,
    user: pwd.struct_passwd | None,
    on_orphaned: signal.Signals,
) -> subprocess.Popen[bytes]:
    """Start a server as the given user, in a session of its own, so that the terminal's Ctrl-C does not reach it."""
    options = _options_for(user, command[0], directory) if user else []
    return subprocess.Popen(
        [*dying_with_parent(on_orphaned, *options), *command],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def end_orphans(program: str, directory: Path, number: signal.Signals) -> None:
    """End the program's processes that a killed parent left in the directory: by `number`, then by SIGKILL."""
    found = functools.partial(_find, lambda pid: _is(pid, program, directory))
    for attempt in (number, signal.SIGKILL):
        deadline = time.monotonic() + _END_SECONDS
        send(attempt, found())
        while found() and time.monotonic() < deadline:
            time.sleep(0.02)


def kill_session(leader: int) -> None:
    """Kill what a process that has ended left behind in its session."""
    send(signal.SIGKILL, _find(lambda pid: os.getsid(pid) == leader))


def send(number: signal.Signals, pids: list[int]) -> None:
    """Send the signal to those of the processes that still live."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@functools.cache
def _has_setpriv() -> bool:
    """BusyBox's program of the same name knows no parent-death signal."""
    trial = ["setpriv", "--pdeathsig=SIGTERM", "true"]
    return bool(shutil.which("setpriv")) and subprocess.run(trial, capture_output=True, check=False).returncode == 0


def _options_for(user: pwd.struct_passwd, program: str, directory: Path) -> list[str]:
    """What makes setpriv run the program as the user, with root's reach only if the user cannot get at it."""
    if not _has_setpriv():
        raise OSError("as root it needs util-linux's setpriv; or run as an ordinary user")
    options = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    can_reach = ["sh", "-c", 'test -x "$0" && test -r "$0" && cd "$1"', program, str(directory)]
    trial = subprocess.run(["setpriv", *options, *can_reach], cwd="/", stderr=subprocess.DEVNULL, check=False)
    return options if trial.returncode == 0 else [*options, *_REACH_OF_ROOT]


def _find(matches: Callable[[int], bool]) -> list[int]:
    found = []
    for entry in os.listdir(_PROC) if _PROC.exists() else []:
        with contextlib.suppress(OSError):  # it ended, or it is not ours to look at
            if entry.isdigit() and matches(int(entry)):
                found.append(int(entry))
    return found


def _is(pid: int, program: str, directory: Path) -> bool:
    binary = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    return os.path.basename(binary) == program and os.readlink(f"/proc/{pid}/cwd") == str(directory.resolve())
