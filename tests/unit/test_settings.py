"""Settings: who wins, what is refused, and in which words."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from baton import Client, SyncClient
from baton.errors import ConfigurationError
from baton.settings import load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(**flags: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**flags)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_everything_has_a_default() -> None:
    settings = load()
    assert settings.conninfo == ""  # libpq's own variables then say where
    assert settings.db_schema == "baton"
    assert settings.app is None
    assert settings.queues == {"default": 20}
    assert (settings.poll_interval, settings.grace, settings.lease_ttl) == (1.0, 15.0, 15.0)
    assert (settings.statement_timeout, settings.pool_size) == (30.0, 10)
    assert (settings.max_args_bytes, settings.max_result_bytes) == (1 << 20, 4 << 20)
    assert (settings.log_level, settings.log_format) == ("info", "auto")


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.grace = 1.0


def test_a_flag_beats_the_environment_which_beats_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "baton.toml").write_text('schema = "file"\ngrace = 1\npoll_interval = 5\n')
    monkeypatch.setenv("BATON_SCHEMA", "environment")
    monkeypatch.setenv("BATON_GRACE", "2")
    settings = load(schema="flag")
    assert settings.db_schema == "flag"
    assert settings.grace == 2
    assert settings.poll_interval == 5


def test_the_dsn_comes_from_the_strongest_of_its_sources(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "baton.toml").write_text('dsn = "postgresql:///file"')
    assert load().conninfo == "postgresql:///file"
    monkeypatch.setenv("DATABASE_URL", "postgresql:///database_url")
    assert load().conninfo == "postgresql:///database_url"
    monkeypatch.setenv("BATON_DSN", "postgresql:///baton_dsn")
    assert load().conninfo == "postgresql:///baton_dsn"
    assert load(dsn="postgresql:///flag").conninfo == "postgresql:///flag"


def test_what_is_empty_or_none_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BATON_DSN", "BATON_SCHEMA", "BATON_GRACE", "BATON_QUEUES", "BATON_APP"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert load() == load(dsn=None, schema=None, queues=None, app=None, grace=None)
    monkeypatch.setenv("DATABASE_URL", "postgresql:///database_url")
    assert load().conninfo == "postgresql:///database_url"


def test_an_empty_flag_or_key_of_the_file_is_not_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("dsn", "listen_dsn", "schema", "app", "node", "grace", "prune", "http", "log_level")
    empty: dict[str, Any] = dict.fromkeys(names, "")
    assert load(**empty) == load()
    (folder / "baton.toml").write_text("".join(f'{name} = ""\n' for name in names))
    assert load() == load(**empty)
    monkeypatch.setenv("DATABASE_URL", "postgresql:///database_url")
    assert load(dsn="").conninfo == "postgresql:///database_url"
    monkeypatch.setenv("BATON_DSN", "postgresql:///baton_dsn")
    monkeypatch.setenv("BATON_SCHEMA", "mine")
    assert Client("", schema="").settings == load()
    assert SyncClient("").settings.conninfo == "postgresql:///baton_dsn"
    assert load(schema="").db_schema == "mine"


def test_pyproject_is_read_where_there_is_no_file_of_ones_own(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.baton]\ngrace = 3\n[tool.other]\nx = 1\n")
    assert load().grace == 3
    (folder / "baton.toml").write_text("lease_ttl = 30")
    settings = load()
    assert (settings.grace, settings.lease_ttl) == (15, 30)


@pytest.mark.parametrize("contents", ["", "[tool.other]\nx = 1", "[tool]", "tool = 5"])
def test_a_pyproject_without_baton_says_nothing(folder: Path, contents: str) -> None:
    (folder / "pyproject.toml").write_text(contents)
    assert load().grace == 15


@pytest.mark.parametrize(
    ("given", "queues"),
    [
        ("default=20", {"default": 20}),
        ("default=20,mail=5", {"default": 20, "mail": 5}),
        (" default = 20 , mail=5, ", {"default": 20, "mail": 5}),
        (["default=20", "mail=5,slow=1"], {"default": 20, "mail": 5, "slow": 1}),
        ({"default": 20}, {"default": 20}),
        ("odd=name=3", {"odd=name": 3}),
    ],
)
def test_queues_are_given_in_many_ways(given: Any, queues: dict[str, int]) -> None:
    assert load(queues=given).queues == queues


def test_queues_are_a_table_in_the_file_and_a_text_in_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "baton.toml").write_text("[queues]\ndefault = 2\nmail = 1\n")
    assert load().queues == {"default": 2, "mail": 1}
    monkeypatch.setenv("BATON_QUEUES", "default=7,mail=8")
    assert load().queues == {"default": 7, "mail": 8}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("default=0", "default=0"),
        ("default=-1", "default=-1"),
        ("default=x", "default=x"),
        ("default=1.5", "default=1.5"),
        ("default=100000", "from 1 to 10,000"),
        ("default=99999999999999999999", "from 1 to 10,000"),
        ("default=", "default="),
        ("default", "'default' is not a queue and its limit"),
        ("=5", "'=5' is not a queue and its limit"),
        ("default=1,default=2", "queue 'default' is given twice"),
        (["mail=1", "mail=1"], "queue 'mail' is given twice"),
        (" , ", "at least one queue"),
        ({}, "at least one queue"),
        ({"default": True}, "default=True"),
        ({"": 5}, "'' can't be the name of a queue"),
        ({"a\0b": 5}, "can't be the name of a queue"),
        (5, "'5' is not a queue and its limit"),
    ],
)
def test_bad_queues_are_named(given: Any, words: str) -> None:
    sentence = refused(queues=given)
    assert sentence.startswith("queues: ")
    assert words in sentence


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("poll_interval", 0, "greater than 0"),
        ("poll_interval", "often", "valid number"),
        ("poll_interval", float("nan"), "nan"),
        ("grace", -1, "greater than or equal to 0"),
        ("grace", float("inf"), "inf"),
        ("lease_ttl", 2.9, "greater than or equal to 3"),
        ("statement_timeout", 0, "greater than or equal to"),
        ("pool_size", 0, "greater than or equal to 1"),
        ("max_args_bytes", "many", "valid integer"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("log_format", "xml", "'auto', 'console' or 'json'"),
        ("app", 5, "valid string"),
        ("no_such_setting", 5, "not permitted"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(name: str, given: Any, words: str) -> None:
    sentence = refused(**{name: given})
    assert sentence.startswith(f"{name}: ")
    assert words in sentence
    assert repr(given) in sentence


def test_a_bad_value_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_GRACE", "soon")
    assert "grace" in refused()


def test_unknown_keys_of_the_file_are_named(folder: Path) -> None:
    (folder / "baton.toml").write_text("queue = 5\n")
    sentence = refused()
    assert "baton.toml sets queue, which Baton does not know" in sentence
    assert "schema" in sentence
    assert "db_schema" not in sentence


@pytest.mark.parametrize("contents", [b"grace == 5", b"\xff", b"[queues\n"])
def test_a_broken_file_is_named(folder: Path, contents: bytes) -> None:
    (folder / "baton.toml").write_bytes(b"\n" + contents)
    assert "baton.toml can't be read" in refused()


def test_a_broken_line_is_named(folder: Path) -> None:
    (folder / "baton.toml").write_text("grace = 1\npoll_interval == 2\n")
    assert "line 2" in refused()


def test_a_wrong_kind_of_table_is_named(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool]\nbaton = 5\n")
    assert "tool.baton must be a table" in refused()


def test_the_password_is_never_shown(folder: Path) -> None:
    dsn = "postgresql://user:secret@host/database"
    settings = load(dsn=dsn)
    assert settings.conninfo == dsn
    assert "secret" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert "secret" not in settings.model_dump_json()
    assert "secret" not in refused(dsn=dsn, grace=-1)
    assert "secret" not in refused(dsn=["secret"])
    (folder / "baton.toml").write_text(f'dsn = "{dsn}"\nunknown = 1\n')
    assert "secret" not in refused()


@pytest.mark.parametrize("name", ["web_users", "web_tokens"])
def test_what_opens_the_live_page_is_never_shown(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ('["ada:60221023"]', "{ada = 60221023}", '"ada 60221023"', "60221023"):
        (folder / "baton.toml").write_text(f"{name} = {given}\n")
        sentence = refused()
        assert sentence.startswith(f"{name}: ")
        assert "60221023" not in sentence
    for given in ('{"ada": 60221023}', '{"ada": ["60221023"]}', '{"60221023', "60221023"):
        monkeypatch.setenv(f"BATON_{name.upper()}", given)
        sentence = refused()
        assert sentence.startswith(f"{name}: ")
        assert "60221023" not in sentence


@pytest.mark.parametrize(
    ("given", "pooled", "direct"),
    [
        ({}, False, "postgresql://a"),
        ({"listen_dsn": "postgresql://b"}, True, "postgresql://b"),
        ({"no_listen": True}, True, None),
        ({"pooled": True}, True, None),
        ({"no_listen": True, "pooled": False}, False, None),
        ({"listen_dsn": "postgresql://b", "pooled": False}, False, "postgresql://b"),
    ],
)
def test_a_pooler_is_told_by_what_goes_past_it(
    given: dict[str, Any], pooled: bool, direct: str | None
) -> None:
    settings = load(dsn="postgresql://a", **given)
    assert (settings.behind_pooler, settings.direct_conninfo) == (pooled, direct)


def test_listening_somewhere_and_not_listening_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BATON_NO_LISTEN", "1")
    dsn = "postgresql://user:secret@host/database"
    assert refused(listen_dsn=dsn).endswith("listen_dsn and no_listen exclude each other")
    assert "secret" not in repr(load())
    monkeypatch.delenv("BATON_NO_LISTEN")
    assert "secret" not in repr(load(listen_dsn=dsn))


def test_settings_need_no_driver() -> None:
    script = """
import sys, types
package = types.ModuleType("baton")
package.__path__ = [sys.argv[1]]
sys.modules["baton"] = package
import baton.settings
assert "psycopg" not in sys.modules
"""
    source = str(Path(__file__).parents[2] / "baton")
    subprocess.run([sys.executable, "-c", script, source], check=True, env=os.environ)
