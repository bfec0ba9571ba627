"""What no line of Baton may do: run what data say, hand words to a shell, write SQL from values."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = sorted([*ROOT.glob("baton/**/*.py"), *ROOT.glob("baton_pytest/**/*.py")])

MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "yaml",
    "code",
}
BUILTINS = {"eval", "exec", "compile", "__import__", "execfile"}
ATTRIBUTES = {
    "os": {"system", "popen", "spawnl", "spawnv"},
    "subprocess": {"getoutput", "getstatusoutput"},
    "pydoc": {"locate"},
    "pkgutil": {"resolve_name"},
    "importlib": {"import_module", "__import__"},
    "builtins": {"eval", "exec", "compile", "__import__"},
}
# What is imported by a name: tables written in the same file, and what stands after --app.
IMPORTERS = {
    "baton/__init__.py": {"_HOMES[name]", "f'baton.{name}'"},
    "baton/llm/__init__.py": {"_HOMES[name]"},
    "baton/cli/app.py": {"module"},
    "baton/loading.py": {"name"},
}
SQL_START = re.compile(
    r"\s*(select|insert into|update|delete from|copy|create|drop|alter|grant|revoke|truncate"
    r"|listen|unlisten|notify|vacuum|call|lock|set|with)\b.*\s",
    re.IGNORECASE | re.DOTALL,
)
# Statements with something put in, each looked at: constants and numbers of this code, names that
# were checked and quoted, or a UUID.
WRITTEN = {
    "baton/store/bulk.py": {"copy baton.jobs ({', '.join(copied.columns)}) from stdin"},
    "baton/store/door.py": {"select {', '.join(calls)}"},
    "baton/store/migrations.py": {
        "create schema {sql.quoted(schema)};",
        "create schema if not exists {sql.quoted(schema)};",
        "drop routine {', '.join(signatures)}",
        "insert into baton.migrations (name, checksum) {note}",
    },
}
ADVISING = "baton/store/doctor/"  # writes commands for people; what it runs itself is below
# Where statements reach the driver; a new place is looked at by whoever adds it here.
EXECUTING = {
    "baton/store/bulk.py": {"_statement(copied, schema)"},
    "baton/store/databases.py": {"statement"},
    "baton/store/door.py": {
        "sql.encoded(name, schema, where)",
        "_session_settings(conn, timeout).encode()",
    },
    "baton/store/events.py": {"statement"},
    "baton/store/grants.py": {"statement"},
    "baton/store/listener.py": {"SQL('listen {}').format(Identifier(channel))"},
    "baton/store/looks.py": {"look.text.encode()"},  # a file's
    "baton/store/doctor/server.py": {
        "SQL('listen {}').format(channel)",
        "SQL('unlisten {}').format(channel)",
    },
    "baton/store/maintenance.py": {
        "SQL('vacuum (analyze) {}').format(self._identifier(table.name))",
        "SQL(statement).format(self._identifier(index.name))",
    },
    "baton/store/migrations.py": {
        "SQL('drop schema {}').format(Identifier(schema))",
        "sql.qualify(text, schema).encode()",
    },
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imported(node: ast.AST, importers: set[str]) -> Iterator[str]:
    """Modules, and functions of modules, that nothing here may have."""
    if isinstance(node, ast.Import):
        yield from (each.name for each in node.names if each.name.split(".")[0] in MODULES)
    elif isinstance(node, ast.ImportFrom) and node.module is not None:
        if node.module.split(".")[0] in MODULES:
            yield node.module
        refused = ATTRIBUTES.get(node.module, set()) - ({"import_module"} if importers else set())
        yield from (f"{node.module}.{each.name}" for each in node.names if each.name in refused)


def named(node: ast.AST) -> Iterator[str]:
    """Functions that run what they are given, called or handed on."""
    match node:
        case ast.Name(id=name) if name in BUILTINS:
            yield name
        case ast.Attribute(value=ast.Name(id=module), attr=attribute):
            if attribute in ATTRIBUTES.get(module, set()) - {"import_module"}:
                yield f"{module}.{attribute}"
        case ast.keyword(arg="shell"):
            yield "shell="


def imports_by_name(node: ast.AST, importers: set[str]) -> Iterator[str]:
    match node:
        case ast.Call(
            func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"),
            args=[what, *_],
        ) if ast.unparse(what) not in importers:
            yield ast.unparse(node)


def dangers(tree: ast.AST, importers: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        yield from imported(node, importers)
        yield from named(node)
        yield from imports_by_name(node, importers)


def test_nothing_is_run_or_imported_that_data_name() -> None:
    assert len(FILES) > 100
    found = {
        name_of(path): [*dangers(tree_of(path), IMPORTERS.get(name_of(path), set()))]
        for path in FILES
    }
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from yaml import load",
        "eval(row)",
        "run = exec",
        "__import__(name)",
        "import_module(name)",
        "from importlib import import_module",
        "importlib.import_module(job.worker)",
        "os.system(row)",
        "from os import popen",
        "subprocess.run(words, shell=True)",
    ],
)
def test_the_check_sees_what_it_looks_for(text: str) -> None:
    assert [*dangers(ast.parse(text), set())] != []


def skeleton(node: ast.AST) -> str | None:
    """The text of a string that something is put into: as an f-string, whatever way it is done."""
    match node:
        case ast.JoinedStr(values=parts):
            if not any(isinstance(each, ast.FormattedValue) for each in parts):
                return None
            return "".join(
                str(each.value)
                if isinstance(each, ast.Constant)
                else "{" + ast.unparse(each.value) + "}"  # type: ignore[attr-defined]
                for each in parts
            )
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Add() | ast.Mod()):
            return text + " {…}"
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), args=args
        ):
            return text if args or node.keywords else None
    return None


def statements(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        text = skeleton(node)
        if text is not None and SQL_START.match(text):
            yield text


STORE = [path for path in FILES if name_of(path).startswith("baton/store/")]


def test_no_statement_is_written_from_values() -> None:
    found = {
        f"{name_of(path)}: {text}"
        for path in STORE
        if not name_of(path).startswith(ADVISING)
        for text in statements(tree_of(path))
        if not text.startswith(tuple(WRITTEN.get(name_of(path), ())))
    }
    assert found == set()


@pytest.mark.parametrize(
    "text",
    [
        'f"select * from {table}"',
        '"delete from baton.jobs where queue = " + queue',
        '"drop table %s" % name',
        '"update {} set x = 1".format(name)',
    ],
)
def test_that_check_sees_what_it_looks_for_too(text: str) -> None:
    assert [*statements(ast.parse(text))] != []


def executed(path: Path) -> set[str]:
    return {
        ast.unparse(node.args[0])
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"execute", "executemany", "copy", "stream"}
        and node.args
        and not isinstance(node.args[0], ast.Constant)
    }


def test_statements_reach_the_driver_in_known_places() -> None:
    found = {name_of(path): executed(path) for path in STORE}
    assert {path: each for path, each in found.items() if each} == EXECUTING


def test_only_the_store_reaches_the_driver() -> None:
    for path in FILES:
        if path not in STORE:
            assert not re.search(r"^\s*(import|from) psycopg", path.read_text(), re.MULTILINE), path
