"""Settings: read once, from ``baton.toml``, the environment and flags, each stronger than the last.

What is empty counts as not set. The DSN has more sources: a flag, ``BATON_DSN``, ``DATABASE_URL``,
the file, and then libpq's own ``PGHOST``, ``PGDATABASE`` and so on fill in whatever is still
missing.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import from_json
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from baton.addresses import Address
from baton.documents import check_text
from baton.errors import ConfigurationError
from baton.llm.tables import Tariff, read_prices
from baton.pruning import PruneRule, read_age, read_retention, read_rules
from baton.queues import SLOTS_LIMIT

_NUMBER = re.compile(r"-?[0-9]{1,9}")
_NEVER_SHOWN = {"dsn", "listen_dsn", "web_users", "web_tokens"}


def _queues(given: Any) -> Any:
    """Read ``default=20,mail=5``, a list of such texts, or a table."""
    if isinstance(given, dict):
        pairs = [(str(name), limit) for name, limit in given.items()]
    else:
        words = given if isinstance(given, list | tuple) else [given]
        pairs = [_queue(part) for word in words for part in str(word).split(",") if part.strip()]
    queues: dict[str, int] = {}
    for name, limit in pairs:
        if not name.strip() or "\0" in name:
            raise ValueError(f"{name!r} can't be the name of a queue")
        if name in queues:
            raise ValueError(f"queue {name!r} is given twice")
        if type(limit) is not int or not 0 < limit <= SLOTS_LIMIT:
            raise ValueError(
                f"{name}={limit}: how many jobs run at once is a number from 1 to {SLOTS_LIMIT:,}"
            )
        queues[name] = limit
    if not queues:
        raise ValueError("at least one queue is needed, like default=20")
    return queues


def _queue(word: str) -> tuple[str, Any]:
    name, separator, limit = (part.strip() for part in word.rpartition("="))
    if not separator or not name:
        raise ValueError(f"{word.strip()!r} is not a queue and its limit, like default=20")
    return name, int(limit) if _NUMBER.fullmatch(limit) else limit


def _node(given: Any) -> Any:
    return given if given is None else check_text(given, "the name of a process")


def _address(given: Any) -> Address | None:
    return given if given is None or isinstance(given, Address) else Address.read(given)


def _log_age(given: Any) -> float | None:
    return None if given is None else read_age(given, "the age of logs")


def _stats_age(given: Any) -> float | None:
    return None if given is None else read_age(given, "the age of what was recorded")


def _audit_age(given: Any) -> float | None:
    # "none" keeps all: what is empty counts as not given, and TOML has no word for it
    return None if given in (None, "none") else read_age(given, "the age of the audit log")


def _secrets(given: Any) -> Any:
    """Read ``ada:secret,bob:word``, JSON, or a table."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        return from_json(given)
    if not isinstance(given, str):
        return given
    pairs = [part.strip().partition(":") for part in given.split(",") if part.strip()]
    if not all(name and separator and secret for name, separator, secret in pairs):
        raise ValueError("names and secrets are given like ada:secret,bob:word")
    return {name: secret for name, _, secret in pairs}


def _names(given: Any) -> Any:
    if isinstance(given, str):
        return tuple(name.strip() for name in given.split(",") if name.strip())
    return given


Secrets = Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_secrets)]


class Settings(BaseSettings):
    """Everything that can be set; use `load` to make one.

    Attributes:
        dsn: a PostgreSQL URL or connection string; never shown.
        listen_dsn: where worker processes listen and hold their leases, past a pooler; never shown.
        no_listen: whether worker processes only poll.
        pooled: whether ``dsn`` leads to a pooler in transaction mode; by default it does when
            ``listen_dsn`` or ``no_listen`` is set.
        db_schema: the schema of Baton's tables; ``schema`` in files, ``BATON_SCHEMA``.
        app: the module, and after a colon the `Registry` in it, that defines the workers.
        queues: how many jobs of each queue run at once in a worker process.
        node: what the process is called; by default host and process id.
        poll_interval: seconds after which a worker looks for jobs though nothing was announced.
        events: whether a worker process publishes what becomes of steps and workflows.
        grace: seconds that running jobs have to end when a worker process is stopped.
        child_processes: how many child processes run workers with ``executor="process"``, at most.
        processes: how many worker processes run under one parent.
        prune: which finished jobs are deleted.
        prune_limit: how many jobs a run of the pruner looks at, and so deletes at most; and how
            many rows of each table a run of the pruner of workflows deletes.
        prune_workflows: how many seconds after their end workflows are deleted, once their jobs
            are; ``None`` keeps them.
        debug_log_max_age: seconds after which logs of debugging are deleted; ``None`` keeps them.
        llm_debug: whether what all LLM workers say and hear is captured, and not only that of
            workflows with ``debug``.
        debug_log_max_bytes: the largest capture, as JSON; a larger one is cut.
        llm_stats_max_age: seconds after which is deleted what was recorded of the use of language
            models; ``None`` keeps it, that of a workflow as long as the workflow.
        sweep_interval: seconds between two searches for steps that nobody is going to see to.
        http: where a worker process answers ``/healthz``, ``/readyz`` and ``/metrics``; each of
            several under one parent takes the next port.
        lease_ttl: seconds of silence after which a process's jobs are given to others.
        database_wait: seconds for which a worker process that starts waits for a database that is
            away; later it waits as long as it takes.
        statement_timeout: seconds that a statement may take.
        pool_size: connections of a client at most.
        max_args_bytes: the largest arguments of a job, as JSON.
        max_result_bytes: the largest result of a step, as JSON.
        prices: what models cost that genai-prices does not know, or not well enough.
        web_users: passwords of those who may open the live page, by name; never shown.
        web_tokens: tokens of programs that may, by the name of the program; never shown.
        web_viewers: names of those among them who may only look.
        audit_max_age: seconds after which it is forgotten what people did in the shell and on the
            live page; ``None`` keeps it.
        log_level: the lowest level that a worker process writes.
        log_format: how it writes; ``auto`` is for people on a terminal and JSON otherwise.
    """

    model_config = SettingsConfigDict(
        env_prefix="BATON_", env_ignore_empty=True, frozen=True, extra="forbid"
    )

    dsn: SecretStr = SecretStr("")
    listen_dsn: SecretStr = SecretStr("")
    no_listen: bool = False
    pooled: bool | None = None
    db_schema: Annotated[str, Field(alias="schema", validation_alias="BATON_SCHEMA")] = "baton"
    app: str | None = None
    queues: Annotated[dict[str, int], NoDecode, BeforeValidator(_queues)] = {"default": 20}
    node: Annotated[str | None, BeforeValidator(_node)] = None
    poll_interval: Annotated[float, Field(gt=0, le=3_600)] = 1.0
    events: bool = True
    grace: Annotated[float, Field(ge=0, le=86_400)] = 15.0
    child_processes: Annotated[int, Field(ge=1, le=1_000)] = os.cpu_count() or 1
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    prune: Annotated[tuple[PruneRule, ...], NoDecode, BeforeValidator(read_rules)] = ()
    prune_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    prune_workflows: Annotated[float | None, BeforeValidator(read_retention)] = None
    debug_log_max_age: Annotated[float | None, BeforeValidator(_log_age)] = None
    llm_debug: bool = False
    debug_log_max_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = 65_536
    llm_stats_max_age: Annotated[float | None, BeforeValidator(_stats_age)] = None
    sweep_interval: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    http: Annotated[Address | None, NoDecode, BeforeValidator(_address)] = None
    lease_ttl: Annotated[float, Field(ge=3, le=3_600)] = 15.0
    database_wait: Annotated[float, Field(ge=0, le=31_536_000)] = 60.0
    statement_timeout: Annotated[float, Field(ge=1, le=3_600)] = 30.0
    pool_size: Annotated[int, Field(ge=1, le=1_000)] = 10
    max_args_bytes: Annotated[int, Field(ge=2, le=200_000_000)] = 1_048_576
    max_result_bytes: Annotated[int, Field(ge=2, le=200_000_000)] = 4_194_304
    prices: Annotated[Tariff | None, NoDecode, BeforeValidator(read_prices)] = None
    web_users: Secrets = {}
    web_tokens: Secrets = {}
    web_viewers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = ()
    audit_max_age: Annotated[float | None, BeforeValidator(_audit_age)] = 31_536_000.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "console", "json"] = "auto"

    @property
    def conninfo(self) -> str:
        """The DSN in clear; hand it to the driver and to nobody else."""
        return self.dsn.get_secret_value()

    @property
    def behind_pooler(self) -> bool:
        """Whether connections to the DSN may keep nothing in their session."""
        if self.pooled is not None:
            return self.pooled
        return self.no_listen or bool(self.listen_dsn.get_secret_value())

    @property
    def direct_conninfo(self) -> str | None:
        """The DSN in clear of connections that listen and hold locks; ``None``: there are none."""
        if direct := self.listen_dsn.get_secret_value():
            return direct
        return None if self.no_listen or self.behind_pooler else self.conninfo

    @model_validator(mode="after")
    def _listens_or_not(self) -> Self:
        if self.no_listen and self.listen_dsn.get_secret_value():
            raise ValueError("listen_dsn and no_listen exclude each other")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, the environment, DATABASE_URL, the file; the first one wins."""
        url = os.environ.get("DATABASE_URL")
        database_url = InitSettingsSource(settings_cls, {"dsn": url} if url else {})
        file = InitSettingsSource(settings_cls, _file(cls))
        return init_settings, env_settings, database_url, file


def load(**flags: Any) -> Settings:
    """Read the settings.

    Args:
        flags: what was given explicitly, by name of the setting; ``None`` and an empty text count
            as not given.

    Raises:
        ConfigurationError: something can't be used; the message says which and why.
    """
    given = {_field(name): value for name, value in flags.items() if value not in (None, "")}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error)) from None


def _field(name: str) -> str:
    return "BATON_SCHEMA" if name in {"schema", "db_schema"} else name


def _file(settings: type[Settings]) -> dict[str, Any]:
    """Read ``baton.toml``, or ``[tool.baton]`` of ``pyproject.toml`` when there is none."""
    path = Path("baton.toml")
    table = _toml(path)
    if table is None:
        path = Path("pyproject.toml")
        tools = (_toml(path) or {}).get("tool")
        table = tools.get("baton", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: tool.baton must be a table, not {type(table).__name__}")
    known = {"schema", *settings.model_fields} - {"db_schema"}
    if unknown := sorted(table.keys() - known):
        raise ConfigurationError(
            f"{path} sets {', '.join(unknown)}, which Baton does not know; "
            f"it knows {', '.join(sorted(known))}"
        )
    return {_field(name): value for name, value in table.items() if value != ""}


def _toml(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from None


def _sentence(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = str(problem["loc"][0]).removeprefix("BATON_").lower() if problem["loc"] else "settings"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if name in _NEVER_SHOWN or problem["type"] == "value_error":
        return f"{name}: {message}"
    return f"{name}: {message}, not {problem['input']!r}"
