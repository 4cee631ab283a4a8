"""Starting child processes that cannot outlive their parent, as an unprivileged user where need be."""

import contextlib
import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bitcoingame.local.defaults import CHECKOUT

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAP_SETPCAP = 8
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_PROC = Path("/proc")


def die_with_parent(number: int) -> Callable[[], None]:
    """A preexec_fn after which the kernel sends the signal to the child when the thread that started it ends."""
    parent = os.getpid()

    def arm() -> None:  # pragma: no cover - between fork and exec
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), number)

    return arm


def end_with_parent(number: int) -> None:
    """Have the kernel send us the signal when our parent ends."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be found and ended."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """The process ids of this process's children, adopted ones included."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in listing.read_text().split()] if listing.exists() else []


def service_user() -> pwd.struct_passwd | None:
    """Who the embedded servers run as when we are root, which PostgreSQL refuses to be; None means as ourselves.

    In somebody's checkout it is that somebody, so that they can go on without root.
    """
    if os.geteuid() != 0:
        return None
    try:
        owner = pwd.getpwuid(CHECKOUT.stat().st_uid)
    except KeyError:
        return pwd.getpwnam("nobody")
    return owner if owner.pw_uid else pwd.getpwnam("nobody")


def spawn(
    command: list[str], *, directory: Path, output: IO[Any] | int, user: pwd.struct_passwd | None, on_orphaned: int
) -> subprocess.Popen[bytes]:
    """Start a server in its own session, deaf to the terminal's Ctrl-C, as the user given."""
    arm = die_with_parent(on_orphaned)
    options: dict[str, Any] = {}
    if user:
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        if not _can_reach(user, Path(command[0]), directory):
            _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
            options["preexec_fn"] = lambda: _keep_reach_of_root(then=arm)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **{"preexec_fn": arm, **options},
    )


def end_orphans(program: str, directory: Path, number: int) -> None:
    """End the program's processes that a killed parent left in the directory, gently first."""
    for attempt in (number, signal.SIGKILL):
        pids = _find(program, directory)
        for pid in pids:
            _signal(pid, attempt)
        for pid in pids:
            _wait_for_end(pid)


def _find(program: str, directory: Path) -> list[int]:
    names = os.listdir(_PROC) if _PROC.exists() else []
    return [pid for pid in map(int, filter(str.isdigit, names)) if _is(pid, program, directory)]


def _is(pid: int, program: str, directory: Path) -> bool:
    try:
        binary = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        return os.path.basename(binary) == program and os.readlink(f"/proc/{pid}/cwd") == str(directory.resolve())
    except OSError:
        return False


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_for_end(pid: int, seconds: float = 10) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)


def _can_reach(user: pwd.struct_passwd, program: Path, directory: Path) -> bool:
    """Whether the user may run the program, read what lies beside it and enter the directory."""
    script = 'test -x "$0" && test -r "$0" && cd "$1"'
    trial = subprocess.run(
        ["/bin/sh", "-c", script, str(program), str(directory)],
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return trial.returncode == 0


def _keep_reach_of_root(*, then: Callable[[], None]) -> None:  # pragma: no cover - between fork and exec
    """Keep, as an unprivileged user, the one capability that opens a checkout under a closed directory such as /root.

    PostgreSQL only refuses to be the user root. The capability has to be inheritable and ambient to survive exec, and
    access(2), by which PostgreSQL looks for its own programs, heeds it under one of the "secure bits" only.
    """
    _set_capabilities(_CAP_DAC_OVERRIDE, _CAP_SETPCAP)
    _require(_libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    _require(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))
    _set_capabilities(_CAP_DAC_OVERRIDE)
    then()


def _set_capabilities(*capabilities: int) -> None:  # pragma: no cover - between fork and exec
    bits = sum(1 << capability for capability in capabilities)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)
    _require(_libc.capset(header, effective_permitted_inheritable))


def _require(result: int) -> None:  # pragma: no cover - between fork and exec
    if result:
        raise OSError(ctypes.get_errno(), "no capability to enter the checkout")
