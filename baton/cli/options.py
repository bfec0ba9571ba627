"""Options that several commands share. Each can be set in the environment as well."""

from typing import Annotated

import typer

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        envvar="BATON_DSN",
        show_envvar=True,
        help="PostgreSQL URL. [DATABASE_URL, then libpq's PG* variables]",
    ),
]
ListenDsn = Annotated[
    str | None,
    typer.Option(
        "--listen-dsn",
        envvar="BATON_LISTEN_DSN",
        show_envvar=True,
        help="Where to listen and to hold the lease, when --dsn leads to a pooler. [--dsn]",
    ),
]
NoListen = Annotated[
    bool,
    typer.Option(
        "--no-listen",
        envvar="BATON_NO_LISTEN",
        help="Only poll, and keep nothing in a session: for poolers in transaction mode.",
    ),
]
Schema = Annotated[
    str | None,
    typer.Option("--schema", envvar="BATON_SCHEMA", help="Schema of Baton's tables. [baton]"),
]
App = Annotated[
    str | None,
    typer.Option(
        "--app",
        "-A",
        envvar="BATON_APP",
        help="Module that defines the workers: package.module or package.module:registry.",
    ),
]
ShowSecrets = Annotated[
    bool,
    typer.Option(
        "--show-secrets",
        envvar="BATON_SHOW_SECRETS",
        help="Show what is named like a secret, such as password, too.",
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", "-n", envvar="BATON_LIMIT", min=1, max=10_000, help="How many."),
]
