"""`make run`."""

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured

from bitcoingame import env
from bitcoingame.local.defaults import CHECKOUT, DEVELOPMENT_HOME, LOCAL, make_directory
from bitcoingame.local.processes import adopt_orphans, end_with_parent
from bitcoingame.local.servers import ServerFailed
from bitcoingame.start import load_settings

_PORT_SECONDS = 2.0  # what a killed predecessor's web process may take to let go of the port


def main() -> None:
    """Run everything until a signal; exit code 1 and a sentence on stderr when that is not possible."""
    os.environ.setdefault("ENVIRONMENT", "development")
    load_settings()
    if os.environ["ENVIRONMENT"] != "development":
        sys.exit("`make run` is for development: ENVIRONMENT must not be set to anything else.")
    from bitcoingame.local.supervisor import Supervisor

    os.chdir(CHECKOUT)
    adopt_orphans()
    if "MAKELEVEL" in os.environ:
        end_with_parent(signal.SIGTERM)
    try:
        with _only_one_per_checkout(), _listen(env.integer("PORT", 8000, minimum=1, maximum=65535)) as listener:
            asyncio.run(Supervisor(listener).run())
    except (ServerFailed, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


@contextlib.contextmanager
def _only_one_per_checkout() -> Iterator[None]:
    try:
        for directory in (LOCAL, DEVELOPMENT_HOME):
            make_directory(directory)
        file = (DEVELOPMENT_HOME / "run.lock").open("a+")
    except OSError as error:
        raise ServerFailed(f"{error.filename} cannot be written: {error.strerror}.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ServerFailed(f"`make run` is already running in this checkout (process {file.read()}).") from None
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
