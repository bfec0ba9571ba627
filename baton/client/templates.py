"""Templates: workflows as data that are stored by name and version; ``client.templates``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from baton.documents import check_text
from baton.errors import InvalidFlow, NotFound
from baton.store.door import Row
from baton.store.pools import Database
from baton.store.rows import document
from baton.workers import Registry, current_registry
from baton.workflows import Workflow
from baton.workflows import document as documents
from baton.workflows.compiling import compiled
from baton.workflows.document import FlowDocument
from baton.workflows.parameters import check
from baton.workflows.workflow import Template

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
        try:
            check_text(name, "the name of a template")
        except ValueError as error:
            raise InvalidFlow([str(error)]) from None
        flow = documents.read(source.to_json() if isinstance(source, Workflow) else source)
        check(flow)
        params = {"name": name, "definition": flow.model_dump_json(exclude_unset=True)}
        [(version,)] = await self._database.run("template_put", params)
        return int(version)

    async def get(self, name: str, version: int | None = None) -> StoredTemplate:
        """Return a template, its newest version unless another is named.

        Raises:
            NotFound: there is none.
        """
        params = {"name": name, "version": version}
        known = version is None or version in VERSIONS
        found = await self._database.run("template_get", params) if known else []
        if not found:
            raise NotFound("template", name if version is None else f"{name}@{version}")
        return _stored(found[0])

    async def list(self) -> Sequence[StoredTemplate]:
        """Return the newest version of every template, by name."""
        return [_stored(row) for row in await self._database.run("template_list")]

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
        found = await self.get(name, version)
        known = registry or self._registry or current_registry()
        made = compiled(found.flow, known, args or {})
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
