"""Texts that name code are right: dotted paths lead to something, and files named in prose exist."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from bitcoingame.tests.strings_of_code import texts_of

NO_PATHS = {
    "bitcoingame.write",  # an extension of ASGI's scope
    "notifications.emails.unsubscribe",  # the salts of links already sent
    "notifications.emails.confirm",
    "django.request",  # a logger
}

ROOT: Path = settings.BASE_DIR
PACKAGES = sorted(app.name for app in apps.get_app_configs() if Path(app.path).parent == ROOT)
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_FILE = re.compile(r"(?<![\w./-])(?:[\w.-]+/)*\w+\.(?:py|sql|md|toml|ini|yml)\b(?![\w/]|\.\w)")


def python_files() -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))


def dotted_texts(path: Path) -> set[str]:
    return {text for _, text in texts_of(path.read_text()) if _DOTTED.fullmatch(text)} - NO_PATHS


def labels() -> set[str]:
    """Names of models and of permissions, which look like paths."""
    found = set()
    for meta in (model._meta for model in apps.get_models()):
        codenames = [f"{action}_{meta.model_name}" for action in meta.default_permissions]
        codenames += [codename for codename, _ in meta.permissions]
        found |= {meta.label, meta.label_lower, *(f"{meta.app_label}.{codename}" for codename in codenames)}
    return found


def leads_somewhere(path: str) -> bool:
    """Whether the path is a module that can be found, or a name in one that can be imported."""
    try:
        import_string(path)
    except ImportError:
        return is_module(path)
    return True


def is_module(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def test_every_path_in_the_settings_leads_somewhere() -> None:
    paths = {text for text in dotted_texts(ROOT / "bitcoingame/settings.py") if find_spec(text.split(".")[0])}
    assert len(paths) > 40
    assert [path for path in sorted(paths - labels()) if not leads_somewhere(path)] == []


def test_every_path_of_ours_in_the_code_leads_somewhere() -> None:
    files = [path for path in python_files() if "tests" not in path.parts]
    paths = {text for path in files for text in dotted_texts(path) if text.split(".")[0] in PACKAGES}
    assert {"notifications.jobs.deliver_broadcast", "bitcoingame.schedule.run_job"} <= paths
    assert [path for path in sorted(paths - labels()) if not leads_somewhere(path)] == []


@pytest.mark.parametrize("path", ["bitcoingame.nowhere", "bitcoingame.nowhere.at_all", "bitcoingame.schedule.run_jobs"])
def test_a_path_that_leads_nowhere_is_found(path: str) -> None:
    assert not leads_somewhere(path)


def test_every_file_that_is_named_is_there() -> None:
    known = {f"/{path}" for path in all_files()}
    named = {(path, match[0].removeprefix("../")) for path in all_files() for match in _FILE.finditer(prose_of(path))}
    assert len(named) > 50
    lost = [f"{path}: {file}" for path, file in sorted(named) if not any(one.endswith(f"/{file}") for one in known)]
    assert lost == []


def all_files() -> list[Path]:
    """All files of the repository, relative to its root."""
    folders = [ROOT / folder for folder in (*PACKAGES, "docs", "benchmarks", ".ci")]
    paths = [*ROOT.iterdir(), *(path for folder in folders for path in folder.rglob("*"))]
    return [path.relative_to(ROOT) for path in paths if path.is_file()]


def prose_of(path: Path) -> str:
    return (ROOT / path).read_text() if path.suffix in (".py", ".md", ".sql") or path.name == "Makefile" else ""
