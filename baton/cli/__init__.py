"""The command ``baton``."""


def main() -> None:
    """Run the command that ``sys.argv`` names."""
    from baton.cli.app import app  # noqa: PLC0415  # importing baton.cli.tree needs no commands

    app()
