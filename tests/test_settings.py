import re
from pathlib import Path

import pytest

from aqueduct.settings import (
    Settings,
    SettingsError,
    describe,
    load_settings,
    read_environment,
    settings_table,
    unknown_variables,
)

DOCUMENT = Path(__file__).parents[1] / "docs" / "settings.md"


def test_settings_without_variables_are_the_defaults():
    assert load_settings({"PATH": "/bin", "AQUEDUCT_PORT": " "}) == Settings()


def test_settings_of_every_type_are_read():
    settings = load_settings(
        {
            "AQUEDUCT_PORT": "0",
            "AQUEDUCT_DRAIN_S": "0.5",
            "AQUEDUCT_METRICS": "false",
            "AQUEDUCT_CORS_ORIGINS": "https://a.example, https://b.example,",
            "AQUEDUCT_LOG_FORMAT": "text",
            "AQUEDUCT_DATABASE_URL": "postgres://u:p@db/x",
        }
    )
    assert (settings.port, settings.drain_s, settings.metrics) == (0, 0.5, False)
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert (settings.log_format, settings.database_url) == ("text", "postgres://u:p@db/x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "tcp://10.0.0.1:80"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("DRAIN_S", "nan"),
        ("REQUEST_TIMEOUT_S", "inf"),
        ("METRICS", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("JOURNAL_MAX_BYTES", "-1"),
        ("DATABASE_URL", "mysql://user:hunter2@db/x"),
    ],
)
def test_setting_that_cannot_be_used_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=f"^AQUEDUCT_{name}\\b") as caught:
        load_settings({f"AQUEDUCT_{name}": value})
    assert "hunter2" not in str(caught.value)


def test_settings_shown_hold_no_secret():
    settings = Settings(database_url="postgresql://u:hunter2@db/x", secret_key="hunter2")
    assert "hunter2" not in f"{settings!r} {settings}"


def test_unknown_variable_is_named_with_the_nearest_setting():
    assert unknown_variables({"AQUEDUCT_PROT": "1", "AQUEDUCT_PORT": "1", "AQUEDUCT_TOKEN": "x"}) == (
        "AQUEDUCT_PROT is not a setting; did you mean AQUEDUCT_PORT?",
    )


def test_dotenv_of_every_form_is_read_under_the_process(tmp_path):
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "# a comment\n\nA=1\nexport B='x # y'\nC=pass#word # a comment\nD=\n"
        'E="two words"  \nF=two words\nG=from the file\n',
    )
    assert read_environment({"G": "wins"}, dotenv) == {
        "A": "1",
        "B": "x # y",
        "C": "pass#word",
        "D": "",
        "E": "two words",
        "F": "two words",
        "G": "wins",
    }


@pytest.mark.parametrize("line", ["no equals sign", "1A=b", "A='open", "A='b' c"])
def test_dotenv_line_that_cannot_be_read_is_refused_by_number(tmp_path, line):
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"A=1\n{line}\n")
    with pytest.raises(SettingsError, match="line 2"):
        read_environment({}, dotenv)


def test_dotenv_that_is_missing_changes_nothing(tmp_path):
    assert read_environment({"A": "1"}, tmp_path / ".env") == {"A": "1"}


def test_every_setting_has_a_description():
    assert all(re.search(r"\.$", setting.description) for setting in describe())


def test_settings_document_is_in_step_with_the_table():
    assert settings_table() in DOCUMENT.read_text(encoding="utf-8")
