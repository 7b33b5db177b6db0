"""What is shipped is complete and declared: imports against dependencies, and the wheel's contents."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from tests.repo.checkout import PACKAGES, ROOT, tracked_files

SHIPPED = (*PACKAGES, "migrations")


def imported_roots(package: str) -> set[str]:
    """Top-level names that a package's tracked files import, without the standard library."""
    roots: set[str] = set()
    for path in tracked_files():
        if path.suffix == ".py" and path.parts[0] == package:
            for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    roots.update(alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    roots.add(node.module.partition(".")[0])
    return roots - sys.stdlib_module_names


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return {normalised(re.split(r"[\[<>=;~! ]", dependency)[0]) for dependency in project["dependencies"]}


def test_schemas_import_only_the_standard_library_and_msgspec() -> None:
    assert imported_roots("schemas") <= {"schemas", "msgspec"}


@pytest.mark.parametrize("package", SHIPPED)
def test_third_party_imports_are_declared_dependencies(package: str) -> None:
    owners = packages_distributions()
    declared = declared_dependencies()
    undeclared = {
        root
        for root in imported_roots(package) - set(SHIPPED)
        if not declared & {normalised(owner) for owner in owners.get(root, [])}
    }
    assert undeclared == set()


def test_wheel_holds_the_packages_and_the_migrations_and_no_tests(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("aqueduct_gateway-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {str(path) for path in tracked_files() if path.parts[0] in SHIPPED and path.suffix != ".md"}
    assert shipped - names == set()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} <= set(SHIPPED)


def test_compose_file_starts_the_gateway_after_its_migrated_database() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert services["gateway"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["command"] == ["migrate"]
    assert services["postgres"]["image"] == "postgres:16"
    assert all(port.startswith("127.0.0.1:") for port in services["gateway"]["ports"])
