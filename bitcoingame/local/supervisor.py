"""`make run`: every process of the service on this machine, from one terminal.

The programs are below. Each is started again when it ends by itself; a signal ends them in reverse order of need: web
first, the embedded servers last. A supervisor that is killed takes its programs along, the kernel sees to that.
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
from typing import Any

from bitcoingame import env
from bitcoingame.local.defaults import CHECKOUT, database_url, redis_url
from bitcoingame.local.keeper import Hold, hold_servers, variables_of_embedded_servers
from bitcoingame.local.processes import children, die_with_parent
from bitcoingame.local.servers import ServerFailed

READY_SECONDS = 120
END_SECONDS = 8
END_AGAIN_SECONDS = 2
SOUND_SECONDS = 60  # a program that ran this long is started again at once
MAX_PAUSE_SECONDS = 30


@dataclass(frozen=True)
class Program:
    name: str
    arguments: tuple[str, ...]
    colour: int


def programs(*, listener: socket.socket) -> list[Program]:
    """What runs, web first; a command that this checkout does not have yet is left out."""
    table = [
        Program("web", ("-m", "bitcoingame.local.web", str(listener.fileno())), 32),
        Program("worker", ("manage.py", "rqworker", "default"), 36),
        Program("scheduler", ("manage.py", "rqscheduler"), 33),
        Program("consumer", ("manage.py", "consume_events"), 35),
        Program("simulator", ("manage.py", "simulate_mining"), 34),
    ]
    return [program for program in table if _exists(program) and _is_wanted(program)]


def _exists(program: Program) -> bool:
    script, command = program.arguments[:2]
    ours = CHECKOUT.glob(f"*/management/commands/{command}.py")
    return script != "manage.py" or command in ("rqworker", "rqscheduler") or any(ours)


def _is_wanted(program: Program) -> bool:
    return program.name != "simulator" or env.boolean("SIMULATE", default=True)


class Supervisor:
    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.port = listener.getsockname()[1]
        self.stopping = asyncio.Event()
        self.hastened = asyncio.Event()
        self.environment = {
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url(),
            "PUBLIC_URL": f"http://localhost:{self.port}",
            "PYTHONUNBUFFERED": "1",
            **_set_variables(),
        }
        self.holding: asyncio.Task[Hold] | None = None
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
        web, *others = programs(listener=self.listener)
        self._keep(web)
        if variables_of_embedded_servers():
            await self._hold_servers()
            self._background(self._watch_servers())
        await self._prepare()
        for program in others:
            self._keep(program)
        await self._wait_until_ready()
        self._welcome()

    async def _hold_servers(self) -> Hold:
        self.holding = asyncio.create_task(asyncio.to_thread(hold_servers))
        return await asyncio.shield(self.holding)  # even a stop in the middle has to know what to release

    async def _prepare(self) -> None:
        code = await self._run_once(Program("prepare", ("-m", "bitcoingame.local.prepare"), 37))
        if code and not self.stopping.is_set():
            raise ServerFailed("The database could not be prepared; the lines above say why.")

    def _keep(self, program: Program) -> None:
        self._background(self._run_for_ever(program))

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
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *program.arguments,
            cwd=CHECKOUT,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=[self.listener.fileno()] if program.name == "web" else [],
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        self.running[program.name] = process
        try:
            await _print_output(program, process)
            return await process.wait()
        finally:
            if process.returncode is not None:
                del self.running[program.name]

    async def _watch_servers(self) -> None:
        """Pass on what the keeper says; when it is gone and we are not stopping, get another."""
        while self.holding and not self.stopping.is_set():
            reader, writer = await asyncio.open_unix_connection(sock=self.holding.result().connection.dup())
            try:
                while line := await reader.readline():
                    say(line.decode().strip())
            finally:
                writer.close()
            if not self.stopping.is_set():
                say("The keeper of the embedded servers ended by itself; starting it again.")
                await self._hold_servers()

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
        if self.holding:
            with contextlib.suppress(ServerFailed):
                hold = await self.holding
                await asyncio.to_thread(hold.release, for_all=True)
        for pid in children():  # what our programs left behind
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

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
        at = f"http://127.0.0.1:{self.port}"
        say(
            f"The Bitcoin Game's social layer is up. Ctrl-C ends it.\n"
            f"  API            {at}/api/v1/\n"
            f"  documentation  {at}/api/docs\n"
            f"  admin          {at}/admin/\n"
            f"  DATABASE_URL   {_without_password(self.environment['DATABASE_URL'])}\n"
            f"  REDIS_URL      {_without_password(self.environment['REDIS_URL'])}"
        )


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
    """Print at once; a reader who went away must not keep us from stopping in good order."""
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
