"""Where a process listens: ``host:port``."""

import re
from dataclasses import dataclass, replace
from typing import Any, Self

_FORM = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.%a-z]+)\]|(?P<host>[^:\[\]\s/]*)):(?P<port>[0-9]{1,5})"
)
PORTS = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """A place to listen.

    Attributes:
        host: a name or an address; empty for all addresses of the machine.
        port: 0 stands for any that is free.
    """

    host: str
    port: int

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read ``127.0.0.1:9000``, ``[::1]:9000``, or ``:9000`` for all addresses.

        Raises:
            ValueError: it is none of these.
        """
        found = _FORM.fullmatch(str(given).strip())
        if found is None or int(found["port"]) > PORTS:
            raise ValueError(f"{given!r} is not an address to listen on, like 127.0.0.1:9000")
        return cls(found["six"] or found["host"], int(found["port"]))

    def moved(self, by: int) -> "Address":
        """Return the address so many ports further; any free port stays any."""
        return self if self.port == 0 else replace(self, port=self.port + by)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
