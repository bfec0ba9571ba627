"""What is not shown of arguments, results and the like: what stands under the name of a secret."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

HIDDEN = "***"
SECRETS = (
    "password", "passwd", "pwd", "passphrase", "secret", "token", "api_key", "apikey",
    "private_key", "secret_key", "access_key", "encryption_key", "authorization", "credential",
    "credentials", "cookie",
)  # fmt: skip
"""Names of keys whose values are secrets."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-. ]")


def hide(*names: str) -> Callable[[Any], Any]:
    """Return a function that hides the values of keys that are named like secrets, at any depth.

    Args:
        names: of more keys than `SECRETS`. A key is hidden whatever its case and its hyphens, and
            when it ends with a name: ``password`` hides ``DB-Password`` and ``dbPassword`` too.
    """
    is_hidden = secret_names(*names)

    def hidden(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: HIDDEN if is_hidden(str(key)) else hidden(each) for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [hidden(each) for each in value]
        return value

    return hidden


def shown(path: Sequence[str], value: Any) -> str:
    """Return the `repr` of a value without secrets.

    Args:
        path: the names of what it is in, and its own last.
        value: anything.
    """
    under = value
    for name in reversed(path):
        under = {name: under}
    hidden = _HIDE(under)
    for name in path:
        if not isinstance(hidden, Mapping):
            return HIDDEN
        hidden = hidden[name]
    return HIDDEN if hidden is HIDDEN else repr(hidden)


def described(thing: Any) -> str:
    """Return what `repr` says of a dataclass, without the secrets in its fields."""
    said = (
        f"{each.name}={shown([each.name], getattr(thing, each.name))}"
        for each in fields(thing)
        if each.repr
    )
    return f"{type(thing).__qualname__}({', '.join(said)})"


def secret_names(*names: str) -> Callable[[str], bool]:
    """Return a function that says whether a key is named like a secret, as `hide` has it.

    Args:
        names: of more keys than `SECRETS`.
    """
    wanted = {_plain(name) for name in (*SECRETS, *names)}
    ends = tuple(f"_{name}" for name in wanted)

    def is_secret(key: str) -> bool:
        name = _plain(key)
        return name in wanted or name.endswith(ends)

    return is_secret


def _plain(name: str) -> str:
    return _HUMP.sub("_", name).lower()


_HIDE = hide()
