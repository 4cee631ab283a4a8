"""Where development keeps its data, and the addresses and keys it uses when the environment names none.

Computing an address starts nothing, so that every process of a checkout arrives at the same one by itself.
"""

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured

# The directory of the package. If that is a link, the link's directory: tests give the code other data that way.
CHECKOUT = Path(__file__).absolute().parents[2].resolve()
LOCAL = CHECKOUT / ".local"
DEVELOPMENT_HOME = LOCAL / "dev"

# The kernel's limit on a socket's path is 107 bytes; the longest name in the directory takes 15.
_MAX_SOCKET_DIRECTORY = 90
# PostgreSQL reads a comma in a socket directory as a list, and URLs give other characters a meaning.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def socket_directory(home: Path) -> Path:
    """The directory of the sockets of the servers at home: inside it, or a short one in /tmp when its path will not do.

    Not $TMPDIR: two terminals may disagree about it.
    """
    directory = home / "run"
    if _PLAIN_PATH.fullmatch(str(directory)) and len(str(directory)) <= _MAX_SOCKET_DIRECTORY:
        return directory
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(f"/tmp/bitcoingame-{os.getuid()}-{digest}")  # noqa: S108 - created 0700, its owner is checked


def database_url(home: Path = DEVELOPMENT_HOME) -> str:
    return f"postgresql://postgres@/bitcoingame?host={socket_directory(home)}"


def redis_url(home: Path = DEVELOPMENT_HOME) -> str:
    return f"unix://{socket_directory(home)}/valkey.sock"


def secret_key() -> str:
    return _kept(LOCAL / "secret_key", lambda: secrets.token_urlsafe(48))


def private_key() -> str:
    """This checkout's own RSA-2048 key for signing tokens, as PEM."""
    return _kept(LOCAL / "private_key.pem", _generate_private_key)


def make_directory(path: Path) -> None:
    """Create a directory others may pass through but not list."""
    try:
        path.mkdir(mode=0o711)
    except FileExistsError:
        return
    path.chmod(0o711)
    give_to_owner_of_checkout(path)


def _kept(path: Path, generate: Callable[[], str]) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read: {error.strerror}.") from None
    try:
        make_directory(LOCAL)
        _create(path, generate())
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be written: {error.strerror}.") from None
    return path.read_text()


def _create(path: Path, content: str) -> None:
    """Create the file with all its content in one step, or do nothing if another process was first."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        give_to_owner_of_checkout(Path(temporary))
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)


def give_to_owner_of_checkout(path: Path) -> None:
    """If root made the file, give it to the owner of the checkout, who could not use it otherwise."""
    if os.geteuid() == 0:
        owner = CHECKOUT.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _generate_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
