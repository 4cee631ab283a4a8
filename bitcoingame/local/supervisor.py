"""`make run`: every process of the service on this machine, from one terminal.

PROGRAMS lists them. They start once the embedded servers answer. Each is started again when it ends by itself. A signal
ends web first, then the others, and the embedded servers last. If the supervisor is killed, the kernel ends its
programs too.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from bitcoingame import env
from bitcoingame.local.defaults import CHECKOUT, database_url, redis_url
from bitcoingame.local.keeper import begin_all, end_all, uses_of_embedded_servers
from bitcoingame.local.processes import dying_with_parent, kill_session
from bitcoingame.local.servers import ServerFailed

DEFAULT_PORT = 8000
READY_SECONDS = 120
LOOK_SECONDS = 0.5
END_SECONDS = 8
END_AGAIN_SECONDS = 2
SOUND_SECONDS = 60  # a program that ran this long is started again at once
MAX_PAUSE_SECONDS = 30


@dataclass(frozen=True)
class Program:
    """`arguments` follow `python`. `here` are added under `make run`, `alone` if it runs by itself in a terminal."""

    name: str
    arguments: tuple[str, ...]
    colour: int
    here: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()


QUIET = ("--verbosity", "0")  # RQ's logs at WARNING
IN_ONE_PROCESS = ("--worker-class", "rq.SimpleWorker")  # a debugger sees the jobs
PROGRAMS = [
    Program("web", ("-m", "bitcoingame.local.web"), 32),
    Program("worker", ("manage.py", "rqworker", "default"), 36, here=QUIET, alone=IN_ONE_PROCESS),
    Program("scheduler", ("manage.py", "rqscheduler"), 33, here=QUIET),
    Program("consumer", ("manage.py", "consume_events"), 35),
    Program("simulator", ("manage.py", "simulate_mining"), 34),
]


def left_out() -> list[Program]:
    """What WITHOUT names. Raises ImproperlyConfigured."""
    names = env.words("WITHOUT")
    known = [program.name for program in PROGRAMS]
    for name in names:
        if name not in known:
            raise ImproperlyConfigured(f"WITHOUT must list some of {', '.join(known)}, not {name!r}.")
    return [program for program in PROGRAMS if program.name in names]


def programs() -> list[Program]:
    """What runs, web first. Raises ImproperlyConfigured."""
    without = left_out()
    return [program for program in PROGRAMS if program not in without and _is_wanted(program)]


def _is_wanted(program: Program) -> bool:
    return program.name != "simulator" or env.boolean("SIMULATE", default=True)


class Supervisor:
    """Runs the programs until a signal; without web there is no listener."""

    def __init__(self, *, port: int, listener: socket.socket | None) -> None:
        self.port = port
        self.listener = listener
        self.stopping = asyncio.Event()
        self.hastened = asyncio.Event()
        self.environment = {
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url(),
            "PUBLIC_URL": f"http://localhost:{self.port}",
            "PYTHONUNBUFFERED": "1",
            **_set_variables(),
        }
        self.uses = uses_of_embedded_servers()
        self.servers: asyncio.Task[None] | None = None
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start everything, say where it is, and wait for a signal. Raises ServerFailed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        starting = asyncio.create_task(self._start())
        stop = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stop
        finally:
            self.stopping.set()
            starting.cancel()
            await self._end_all()

    def stop(self) -> None:
        """The first call ends everything in good order, the next in haste."""
        if self.stopping.is_set():
            self.hastened.set()
        else:
            say("Stopping; once more to hasten.")
        self.stopping.set()

    async def _start(self) -> None:
        await self._start_servers()
        await self._prepare()
        for program in programs():
            self._background(self._run_for_ever(program))
            if program.name == "web":  # the others start after it, because they would slow its start down
                await self._wait_until_ready()
        self._welcome()

    async def _start_servers(self) -> None:
        self.servers = asyncio.create_task(asyncio.to_thread(begin_all, self.uses))
        await asyncio.shield(self.servers)  # a stop in the middle waits until it knows what to end
        self._background(self._look_after_servers())

    async def _prepare(self) -> None:
        code = await self._run_once(Program("prepare", ("-m", "bitcoingame.local.prepare"), 37))
        if code and not self.stopping.is_set():
            raise ServerFailed("The database could not be prepared; the lines above say why.")

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.stopping.set()

    async def _run_for_ever(self, program: Program) -> None:
        pause = 0.0
        while not self.stopping.is_set():
            started_at = time.monotonic()
            code = await self._run_once(program)
            if self.stopping.is_set():
                return
            sound = time.monotonic() - started_at >= SOUND_SECONDS
            pause = 1.0 if sound or not pause else min(pause * 2, MAX_PAUSE_SECONDS)
            say(f"{program.name} ended by itself ({_describe(code)}); starting it again in {pause:.0f} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)

    async def _run_once(self, program: Program) -> int:
        listener = [self.listener.fileno()] if self.listener and program.name == "web" else []
        process = await asyncio.create_subprocess_exec(
            *dying_with_parent(signal.SIGKILL),
            sys.executable,
            *program.arguments,
            *program.here,
            *map(str, listener),
            cwd=CHECKOUT,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=listener,
            start_new_session=True,
        )
        self.running[program.name] = process
        try:
            await _print_output(program, process)
            return await process.wait()
        finally:
            if process.returncode is not None:
                del self.running[program.name]
                kill_session(process.pid)

    async def _look_after_servers(self) -> None:
        while True:
            for use in self.uses:
                for sentence in use.look_after():
                    say(sentence)
            await asyncio.sleep(LOOK_SECONDS)

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        answer = ""
        while time.monotonic() < deadline:
            is_ready, answer = await asyncio.to_thread(_ask_readiness, self.port)
            if is_ready:
                return
            await asyncio.sleep(0.1)
        raise ServerFailed(f"The service is not ready after {READY_SECONDS} s: {answer}")

    async def _end_all(self) -> None:
        if web := self.running.get("web"):
            await self._end(web)
        await asyncio.gather(*(self._end(process) for process in self.running.values()))
        for task in self.tasks:
            task.cancel()
        if self.servers:
            await self._end_servers(self.servers)

    async def _end_servers(self, starting: asyncio.Task[None]) -> None:
        with contextlib.suppress(ServerFailed):
            await starting
        if await asyncio.to_thread(end_all, self.uses):
            say("The embedded servers stay until the last command that uses them ends.")

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Ask, ask again (at which a worker drops its job), then kill."""
        for seconds in (END_SECONDS, END_AGAIN_SECONDS):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            if await self._has_ended(process, seconds):
                return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _has_ended(self, process: asyncio.subprocess.Process, seconds: float) -> bool:
        ended = asyncio.create_task(process.wait())
        hastened = asyncio.create_task(self.hastened.wait())
        limit = min(seconds, 1.0) if self.hastened.is_set() else seconds
        waiting = {ended} if self.hastened.is_set() else {ended, hastened}
        await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, hastened):
            task.cancel()
        return process.returncode is not None

    def _welcome(self) -> None:
        say("The Bitcoin Game's social layer is up. Ctrl-C ends it.")
        at = f"http://127.0.0.1:{self.port}"
        if self.listener:
            say(f"  API            {at}/api/v1/\n  documentation  {at}/api/docs\n  admin          {at}/admin/")
        say(
            f"  DATABASE_URL   {_without_password(self.environment['DATABASE_URL'])}\n"
            f"  REDIS_URL      {_without_password(self.environment['REDIS_URL'])}"
        )
        for program in left_out():
            say(f"  left out       {program.name}; alone it is {_command_alone(program, port=self.port)}")


def _command_alone(program: Program, *, port: int) -> str:
    """What to type to run the program in a terminal of its own."""
    python = os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(CHECKOUT) else sys.executable
    variable = f"PORT={port}" if program.name == "web" else f"PUBLIC_URL=http://localhost:{port}"
    words = [python, *program.arguments, *program.alone]
    return " ".join(words if port == DEFAULT_PORT else [variable, *words])


async def _print_output(program: Program, process: asyncio.subprocess.Process) -> None:
    assert process.stdout
    prefix = f"{program.name:<9} | "
    if sys.stdout.isatty():
        prefix = f"\033[{program.colour}m{prefix}\033[0m"
    rest = b""
    while chunk := await process.stdout.read(65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            say(prefix + line.decode(errors="replace"))
    if rest:
        say(prefix + rest.decode(errors="replace"))


def say(text: str) -> None:
    """Print at once. A closed terminal is no error, because we still have to stop the programs in good order."""
    try:
        print(text, flush=True)
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process


def _set_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if value}


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {-code}"


def _ask_readiness(port: int) -> tuple[bool, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as response:
            return response.status == 200, ""
    except urllib.error.HTTPError as error:
        with error:
            return False, error.read(1000).decode(errors="replace")
    except (OSError, ValueError) as error:
        return False, str(error)
