"""`make run`."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from bitcoingame import env
from bitcoingame.local.defaults import CHECKOUT, DEVELOPMENT_HOME
from bitcoingame.local.keeper import open_lock, try_lock
from bitcoingame.local.servers import ServerFailed
from bitcoingame.start import load_settings

_PORT_SECONDS = 2.0  # the web process of a `make run` that was killed may hold the port this long


def main() -> None:
    """Run everything until a signal; exit code 1 and a sentence on stderr when that is not possible."""
    os.environ.setdefault("ENVIRONMENT", "development")
    load_settings()
    if os.environ["ENVIRONMENT"] != "development":
        sys.exit("`make run` is for development: ENVIRONMENT must not be set to anything else.")
    os.chdir(CHECKOUT)
    try:
        _run()
    except (ServerFailed, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    from bitcoingame.local.supervisor import DEFAULT_PORT, Supervisor, programs

    port = env.integer("PORT", DEFAULT_PORT, minimum=1, maximum=65535)
    has_web = any(program.name == "web" for program in programs())
    with _only_one_per_checkout(), _listen(port) if has_web else contextlib.nullcontext() as listener:
        asyncio.run(Supervisor(port=port, listener=listener).run())


@contextlib.contextmanager
def _only_one_per_checkout() -> Iterator[None]:
    with open_lock(DEVELOPMENT_HOME / "run.lock") as file:
        if not try_lock(file):
            raise ServerFailed(f"`make run` is already running in this checkout (process {file.read()}).")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _listen(port: int) -> socket.socket:
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(1024)
            return listener
        except OSError as error:
            listener.close()
            if time.monotonic() > deadline:
                raise ServerFailed(f"Port {port} cannot be used ({error.strerror}): try PORT={port + 1}.") from None
        time.sleep(0.1)


if __name__ == "__main__":
    main()
