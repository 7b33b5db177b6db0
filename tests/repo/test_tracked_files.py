"""What must be in every checkout, and what must never be in one."""

import re
from pathlib import Path

import pytest

from tests.repo.checkout import ROOT, tracked_files, tracked_text

# Written in pieces, so that this file does not contain what it looks for.
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "python" + "hosted", "npm" + "js", r"deb" + r"ian\.org", "crates" + r"\.io"])
)
MACHINE_PATHS = re.compile(
    r"(?:^|[^\w.-])/(?:" + "|".join(["wo" + "rk", "tm" + "p", "ro" + "ot", "ho" + r"me/\w+"]) + ")/"
)
LOCK_SUFFIXES = {".lock"}


def locks() -> list[Path]:
    return [path for path in tracked_files() if path.suffix in LOCK_SUFFIXES or path.name == "package-lock.json"]


def occurrences(pattern: re.Pattern[str], text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


@pytest.mark.parametrize("pattern", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["registry hosts", "machine paths"])
def test_tracked_files_name_no_registry_host_and_no_machine_path(pattern: re.Pattern[str]) -> None:
    found = [f"{path}:{line}" for path, text in tracked_text() for line in occurrences(pattern, text)]
    assert found == []


def test_patterns_recognise_what_they_look_for() -> None:
    assert REGISTRY_HOSTS.search("https://" + "py" + "pi.org/simple")
    assert MACHINE_PATHS.search("see /wo" + "rk/main")
    assert not MACHINE_PATHS.search("frame" + "/work" + "/x")


def test_locks_exist_for_python_and_npm() -> None:
    names = {path.name for path in locks()}
    assert {"bootstrap.lock", "requirements.lock", "requirements-dev.lock", "package-lock.json"} <= names


def test_locks_carry_a_hash_for_every_package_and_no_address() -> None:
    for path in locks():
        text = (ROOT / path).read_text("utf-8")
        assert "://" not in text, path
        if path.name == "package-lock.json":
            assert '"resolved"' not in text, path
            assert text.count('"version"') == text.count('"integrity"'), path
        else:
            entries = re.split(r"\n(?=[A-Za-z0-9])", "\n" + text)[1:]
            assert entries, path
            assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == [], path


def test_development_lock_holds_the_runtime_lock_version_for_version() -> None:
    def pins(name: str) -> set[str]:
        return set(
            re.findall(r"^[a-z0-9][^ ]*==[^ ]+", (ROOT / "requirements" / name).read_text("utf-8"), re.MULTILINE)
        )

    assert pins("requirements.lock")
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_every_top_level_folder_states_its_law() -> None:
    folders = {path.parts[0] for path in tracked_files() if len(path.parts) > 1 and not path.parts[0].startswith(".")}
    exempt = {"requirements"}  # holds locks only; `make lock` explains them
    assert [folder for folder in sorted(folders - exempt) if not (ROOT / folder / "README.md").is_file()] == []


def test_changelog_has_an_unreleased_section_with_an_entry() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    section = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section
    assert re.search(r"^- ", section[1], re.MULTILINE)


def test_decision_records_are_complete_listed_and_have_a_number_each() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert len({record.name[:4] for record in records}) == len(records)
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (ROOT / "docs" / "adr" / "README.md").read_text("utf-8"))
    assert listed == [record.name for record in records]
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Cost", "How to undo it"], record.name


def test_relative_links_in_documents_lead_to_files() -> None:
    link = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
    broken = [
        f"{path}: {target}"
        for path, text in tracked_text()
        if path.suffix == ".md"
        for target in link.findall(text)
        if not (ROOT / path.parent / target).exists()
    ]
    assert broken == []
