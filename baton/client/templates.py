"""Templates: workflows as data that are stored by name and version; ``client.templates``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from baton.documents import NAME_BYTES, check_text
from baton.errors import InvalidFlow, NotFound
from baton.store.asking import Asking, Statement, answer, answer_sync
from baton.store.door import Row
from baton.store.pools import Database, SyncDatabase
from baton.store.rows import document
from baton.workers import Registry, current_registry
from baton.workflows import Workflow
from baton.workflows import document as documents
from baton.workflows.compiling import compiled
from baton.workflows.document import FlowDocument
from baton.workflows.parameters import check
from baton.workflows.workflow import Template

log = structlog.get_logger("baton.templates")

VERSIONS = range(1, 2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTemplate:
    """A version of a template.

    Attributes:
        name: what people call it.
        version: grows with each change.
        flow: the workflow as data.
        inserted_at: when this version was stored.
    """

    name: str
    version: int
    flow: FlowDocument
    inserted_at: datetime

    def to_json(self) -> str:
        """Return the workflow as data, as it was stored."""
        return self.flow.model_dump_json(exclude_unset=True, indent=2)


class Templates:
    """Stores workflows as data, and makes workflows of them.

    Every method raises `DatabaseError` when the database refuses or is away.
    """

    def __init__(self, database: Database, registry: Registry | None) -> None:
        self._database = database
        self._registry = registry

    async def put(self, name: str, source: str | bytes | Mapping[str, Any] | Workflow) -> int:
        """Store a template and return its version; what was stored last is not stored again.

        Workers are looked up when it runs: the program that stores it need not know them.

        Args:
            name: what people call it.
            source: its portable form, as `Workflow.from_json` takes it, or a workflow.

        Raises:
            InvalidFlow: it is not of that form, or uses a parameter that it does not declare.
        """
        [(version,)] = await self._database.run("template_put", _checked(name, source))
        return int(version)

    async def get(self, name: str, version: int | None = None) -> StoredTemplate:
        """Return a template, its newest version unless another is named.

        Raises:
            NotFound: there is none.
        """
        return await answer(self._database, _found(name, version))

    async def list(self) -> Sequence[StoredTemplate]:
        """Return the newest version of every template, by name.

        One that can't be read, because somebody has edited its row, is logged and left out.
        """
        return _readable(await self._database.run("template_list"))

    async def workflow(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        registry: Registry | None = None,
    ) -> Workflow:
        """Return a workflow made from a template, to be inserted; it is stamped with the version.

        Args:
            name: which template.
            args: values of its parameters.
            version: which version; by default the newest.
            registry: the workers that it may name; by default the client's.

        Raises:
            NotFound: there is no such template.
            InvalidFlow: a parameter does not fit, or a worker or its arguments don't.
        """
        return _made(await self.get(name, version), args, registry or self._registry)


class SyncTemplates:
    """Does what `Templates` does, for programs without an event loop."""

    def __init__(self, database: SyncDatabase, registry: Registry | None) -> None:
        self._database = database
        self._registry = registry

    def put(self, name: str, source: str | bytes | Mapping[str, Any] | Workflow) -> int:
        """Do what `Templates.put` does."""
        [(version,)] = self._database.run("template_put", _checked(name, source))
        return int(version)

    def get(self, name: str, version: int | None = None) -> StoredTemplate:
        """Do what `Templates.get` does."""
        return answer_sync(self._database, _found(name, version))

    def list(self) -> Sequence[StoredTemplate]:
        """Do what `Templates.list` does."""
        return _readable(self._database.run("template_list"))

    def workflow(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        registry: Registry | None = None,
    ) -> Workflow:
        """Do what `Templates.workflow` does."""
        return _made(self.get(name, version), args, registry or self._registry)


def _checked(name: str, source: str | bytes | Mapping[str, Any] | Workflow) -> dict[str, str]:
    try:
        check_text(name, "the name of a template", most=NAME_BYTES)
    except ValueError as error:
        raise InvalidFlow([str(error)]) from None
    flow = documents.read(source.to_json() if isinstance(source, Workflow) else source)
    check(flow)
    return {"name": name, "definition": flow.model_dump_json(exclude_unset=True)}


def _found(name: str, version: int | None) -> Asking[StoredTemplate]:
    found: Sequence[Row] = []
    if version is None or version in VERSIONS:
        found = yield Statement("template_get", {"name": name, "version": version})
    if not found:
        raise NotFound("template", name if version is None else f"{name}@{version}")
    return _stored(found[0])


def _readable(rows: Sequence[Row]) -> list[StoredTemplate]:
    found = []
    for row in rows:
        try:
            found.append(_stored(row))
        except InvalidFlow as error:
            log.warning("template.unreadable", name=row[0], version=row[1], reason=str(error))
    return found


def _made(
    found: StoredTemplate, args: Mapping[str, Any] | None, registry: Registry | None
) -> Workflow:
    made = compiled(found.flow, registry or current_registry(), args or {})
    made.template = Template(found.name, found.version)
    return made


def _stored(row: Row) -> StoredTemplate:
    name, version, definition, inserted_at = row
    return StoredTemplate(
        name=name,
        version=version,
        flow=documents.read(document(definition)),
        inserted_at=inserted_at,
    )
