"""The base of all errors, and what every part may raise."""


class BatonError(Exception):
    """The base of all errors that Baton raises on purpose."""


class InvalidQueue(BatonError):
    """Something that can't be said about a queue."""


class NotFound(BatonError):
    """A job or workflow that does not exist."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"there is no {what} {key}")
        self.key = key


class InvalidFilter(BatonError):
    """Criteria that don't say which jobs are meant."""
