"""The contracts of import-linter (pyproject.toml) leave no package out."""

import tomllib
from pathlib import Path

from django.conf import settings

ROOT: Path = settings.BASE_DIR
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["name"]: contract for contract in CONFIGURATION["contracts"]}
NO_PART_OF_THE_SERVICE = {"benchmarks"}


def packages_of(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_package_is_read_and_has_layers_of_its_own() -> None:
    packages = packages_of(ROOT) - NO_PART_OF_THE_SERVICE
    exhaustive = [contract["containers"] for contract in CONTRACTS.values() if contract.get("exhaustive")]

    assert set(CONFIGURATION["root_packages"]) == packages
    assert packages <= {container for containers in exhaustive for container in containers}


def test_everything_that_production_runs_is_kept_apart_from_make_run() -> None:
    contract = CONTRACTS["Production runs without `make run`"]
    modules = {path.stem for path in (ROOT / "bitcoingame").glob("[!_]*.py")} | packages_of(ROOT / "bitcoingame")
    production = modules - {"local", "management", "migrations", "tests"}

    ours = {f"bitcoingame.{module}" for module in production} | set(CONFIGURATION["root_packages"]) - {"bitcoingame"}
    assert set(contract["source_modules"]) == ours | {"bitcoingame.management.commands.consume_events"}
