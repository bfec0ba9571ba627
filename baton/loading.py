"""Finds the workers of a program: ``--app package.module`` or ``--app package.module:registry``."""

import importlib
import sys
from pathlib import Path

from baton.errors import ConfigurationError
from baton.workers import Registry, default_registry


def load_registry(app: str | None) -> Registry:
    """Import what ``--app`` names, with the working directory on the path; return its workers.

    Args:
        app: a module, and after a colon the `Registry` in it; without one, the default registry.

    Raises:
        ConfigurationError: there is no such module or attribute, or it defines no workers; when the
            module's own code raised, that is the cause.
    """
    if app is None:
        raise ConfigurationError(
            "there is nothing to run: name the module that defines the workers with --app"
        )
    module_name, _, attribute = app.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    registry = _attribute(_import(module_name, app), attribute) if attribute else None
    _import(module_name, app)
    chosen = registry if registry is not None else default_registry
    if not chosen.names():
        raise ConfigurationError(
            f"--app {app} defines no workers; put @worker() above a function in {module_name}"
        )
    return chosen


def _import(name: str, app: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"--app {app}: there is no module {error.name!r} in {Path.cwd()} or among the "
                f"installed packages"
            ) from None
        raise ConfigurationError(f"--app {app}: importing {name} failed: {error}") from error
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"--app {app}: importing {name} failed: {reason}") from error


def _attribute(module: object, name: str) -> Registry | None:
    try:
        found = getattr(module, name)
    except AttributeError:
        raise ConfigurationError(f"--app: {module!r} has no attribute {name!r}") from None
    return found if isinstance(found, Registry) else None
