"""Errors of steps that call language models."""

from collections.abc import Collection

from baton.errors.base import BatonError


class MissingPackage(BatonError):
    """A package that an extra of Baton brings is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}: pip install 'baton[{extra}]'")
        self.package = package


class UnreadableUsage(BatonError):
    """Something in which no usage of a language model can be found."""

    def __init__(self, response: object) -> None:
        super().__init__(
            f"no usage of a language model can be found in a {type(response).__qualname__}; give "
            f"what its package returned, the event of a stream that names it, or a Usage"
        )


class InvalidPricing(BatonError):
    """An object that can't say what calls cost."""

    def __init__(self, given: object) -> None:
        super().__init__(f"prices have a method price(usage), unlike {given!r}")


class InvalidBudget(BatonError):
    """A limit of what language models may be used for that can't be one."""


class UnknownFanOut(BatonError):
    """A step asks for the answers of models that it does not wait for."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        waits = ", ".join(map(repr, sorted(known))) or "none"
        super().__init__(
            f"this step does not wait for {name + ':*'!r} as MultiModel.fan_out makes it; it waits "
            f"for {waits}"
        )
        self.name = name
