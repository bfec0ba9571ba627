"""``baton web``: the live page as a process of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Annotated

import typer

import baton
from baton.addresses import Address
from baton.cli.options import App, Dsn, ListenDsn, NoListen, Schema, ShowSecrets
from baton.errors import ConfigurationError, MissingPackage
from baton.loading import load_registry
from baton.masking import hide
from baton.settings import load


class Exposed(ConfigurationError):
    """The page would be open to other machines, and ask nobody who they are."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"{address} can be reached from other machines: name users in BATON_WEB_USERS "
            f"(ada:secret) or tokens in BATON_WEB_TOKENS, or say --insecure"
        )


def web(
    bind: Annotated[
        str, typer.Option(envvar="BATON_WEB_BIND", help="Where to listen; port 0: any free one.")
    ] = "127.0.0.1:4000",
    dsn: Dsn = None,
    schema: Schema = None,
    listen_dsn: ListenDsn = None,
    no_listen: NoListen = False,
    app: App = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", envvar="BATON_WEB_READ_ONLY", help="Only look.")
    ] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="BATON_WEB_ALLOWED_HOSTS",
            help="Name under which the page may be asked for; may be repeated. "
            "[this machine's; any, with users]",
        ),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            envvar="BATON_WEB_REDACT",
            help="Name of arguments whose values are not shown, as those of passwords and tokens "
            "are not. May be repeated.",
        ),
    ] = None,
    show_secrets: ShowSecrets = False,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="BATON_WEB_INSECURE",
            help="Let everybody who reaches the address do everything.",
        ),
    ] = False,
) -> None:
    """Serve the live page, in which workflows, jobs and queues are watched and steered.

    Users and tokens are set in the environment or in baton.toml: BATON_WEB_USERS=ada:secret.
    """
    try:
        address = Address.read(bind)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    settings = load(
        dsn=dsn, schema=schema, listen_dsn=listen_dsn, no_listen=no_listen or None, app=app
    )
    exposed = not _is_local(address.host)
    page = baton.web(
        settings=settings,
        registry=load_registry(settings.app) if settings.app else None,
        read_only=read_only,
        redact=None if show_secrets else hide(*redact or ()),
        allowed_hosts=allowed_host or None,
        insecure=insecure,
    )
    if exposed and not page.asks_who and not insecure:
        raise Exposed(address)
    asyncio.run(_server()(page, address, _say))


def _server() -> Callable[..., Coroutine[None, None, None]]:
    try:
        from baton.web.serving import serve  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingPackage("uvicorn", "web") from None
    return serve


def _say(address: Address) -> None:
    print(f"the live page is at http://{address}", flush=True)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
