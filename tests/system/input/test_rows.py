"""The rows I1 to I16 of the fault catalogue: what a scenario may do to the reader, and what it may not."""

from __future__ import annotations

import os
import socket
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from claude_run.checks.registry import default_registry
from claude_run.scenario.files import read_regular
from claude_run.scenario.loader import load
from claude_run.scenario.model import Text
from claude_run.scenario.template import Renderer
from tests.system.input.checking import ONE_TURN, check, check_apart
from tests.unit.checks.builders import status

if TYPE_CHECKING:
    from claude_run.scenario.json_values import Json
    from claude_run.scenario.model import Scenario

ROOT = Path(__file__).parents[3]


def scenario(folder: Path, text: str) -> Scenario:
    """Load one scenario, which must be sound."""
    (folder / "a.yaml").write_text(ONE_TURN + text, encoding="utf-8")
    (loaded,) = load([str(folder / "a.yaml")], vocabulary=default_registry())
    return loaded


@pytest.mark.parametrize(
    ("bomb", "words"),
    [
        (
            "a0: &a0 [x]\n"
            + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30)),
            "aliases are not allowed",
        ),
        (
            "a0: &a0 {k: x}\n"
            + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
            "merge keys are not allowed",
        ),
    ],
    ids=["alias", "merge"],
)
def test_i01_alias_bomb(bomb: str, words: str, tmp_path: Path) -> None:
    """Anchors, aliases and merge keys are refused at their lines, and nothing is expanded."""
    code, said = check_apart(tmp_path, bomb + ONE_TURN)
    assert code == 2
    assert "anchors are not allowed" in said
    assert words in said


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_i02_deep_nesting(opening: str, tmp_path: Path) -> None:
    """What makes the C parser overflow its stack is stopped at the 65th level, in a process that lives on."""
    code, said = check_apart(tmp_path, f"turns: {opening * (1_000_000 // len(opening))}")
    assert code == 2
    assert "nest deeper than 64 levels" in said or "this is not valid YAML" in said


def test_i02_size(tmp_path: Path) -> None:
    """A file over 1 MiB is refused before it is parsed."""
    code, said = check(tmp_path, ONE_TURN + "#" * 1024 * 1024)
    assert code == 2
    assert "larger than 1,024 KiB" in said


def test_i03_number_bombs(tmp_path: Path) -> None:
    """Base 60 is text, and a number beyond 64 bits is a problem with its line; neither takes time."""
    sixty = ":".join(["1", *["59"] * 100_000])
    begin = time.process_time()
    code, said = check(tmp_path, ONE_TURN + f"x-a: {sixty}\nx-b: {'9' * 5000}\nx-c: 1e999\n")
    assert time.process_time() - begin < 5
    assert code == 2
    assert "a.yaml:4:6" in said
    assert "does not fit into 64 bits" in said
    assert "too large for a 64-bit floating-point number" in said
    assert said.count("error: ") == 2


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("010", "010"),
        ("+1", "+1"),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
    ],
)
def test_i04_implicit_typing(written: str, value: Json, tmp_path: Path) -> None:
    """Only null, booleans and the numbers of JSON are no text."""
    loaded = scenario(tmp_path, f"vars: {{v: {written}}}\nsystem: '{{{{ v }}}}'\n")
    assert loaded.vars == {"v": value}


def test_i04_text_fields(tmp_path: Path) -> None:
    """A text field takes no number and no boolean, and the hint is to quote it."""
    code, said = check(tmp_path, "model: claude-haiku-5-5\ndescription: 1e3\nturns: [{user: true}]\n")
    assert code == 2
    assert said.count("error: ") == said.count("quote it") == 2


def test_i05_duplicate_keys(tmp_path: Path) -> None:
    """A key that stands twice is a problem that names both lines."""
    code, said = check(tmp_path, ONE_TURN + "name: a\nname: b\n")
    assert code == 2
    assert "duplicate key `name`: it stands on line 3 already" in said
    assert "--> a.yaml:4:1" in said


def test_i05_duplicate_keys_of_case_files(tmp_path: Path) -> None:
    """JSON readers keep the last of two keys silently; a file of cases with both is refused."""
    (tmp_path / "c.jsonl").write_text('{"id": "a", "v": 1, "v": 2}\n', encoding="utf-8")
    code, said = check(tmp_path, ONE_TURN + "cases: {file: c.jsonl}\nsystem: '{{ v }}'\n")
    assert code == 2
    assert "duplicate key `v`" in said


def test_i06_unknown_keys(tmp_path: Path) -> None:
    """An unknown key comes with its place, a caret and the nearest known one; `x-*` is the user's own."""
    code, said = check(tmp_path, ONE_TURN + "x-mine: {any: thing}\ndescripton: a\n")
    assert code == 2
    assert said.count("error: ") == 1
    assert "unknown key `descripton`" in said
    assert "^^^^^^^^^^ did you mean `description`?" in said


def test_i07_tags(tmp_path: Path) -> None:
    """A tag is a problem, and what it names is not run."""
    planted = tmp_path / "planted"
    code, said = check(tmp_path, ONE_TURN + f"x-a: !!python/object/apply:os.mkdir [{planted}]\nx-b: !own c\n")
    assert code == 2
    assert said.count("tags are not allowed") == 1
    assert "also at 4:6" in said
    assert not planted.exists()


def test_i07_unsafe_loaders_are_banned() -> None:
    """The linter refuses every loader that can build Python objects."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert {"yaml.load", "yaml.full_load", "yaml.unsafe_load"} <= set(banned)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"x-a: a\0b\n", "U+0000 may not stand"),
        (b'x-a: "a\\0b"\n', "may not hold the character NUL"),
        (b'x-a: "\\ud800"\n', "this is not valid YAML"),
        (b"x-a: \xed\xa0\x80\n", "not UTF-8"),
        (b"x-a: \xff\n", "not UTF-8"),
        (b"x-a:\n\tb: c\n", "indent with spaces"),
        (b"x-a: \x1b[31m\n", "U+001B may not stand"),
    ],
)
def test_i08_characters(text: bytes, words: str, tmp_path: Path) -> None:
    """NUL, surrogates, tabs for spaces and bytes that are no text are refused in words."""
    code, said = check(tmp_path, ONE_TURN.encode() + text)
    assert code == 2
    assert words in said


def test_i08_byte_order_mark(tmp_path: Path) -> None:
    """A byte-order mark is taken off UTF-8, and UTF-16 is named."""
    assert check(tmp_path, b"\xef\xbb\xbf" + ONE_TURN.encode())[0] == 0
    code, said = check(tmp_path, ONE_TURN.encode("utf-16"))
    assert code == 2
    assert "not UTF-8, but UTF-16" in said


def test_i09_several_documents(tmp_path: Path) -> None:
    """A second document in a file is a problem at its line."""
    code, said = check(tmp_path, ONE_TURN + "---\n" + ONE_TURN)
    assert code == 2
    assert "a file holds one YAML document" in said
    assert "--> a.yaml:3:1" in said


@pytest.mark.parametrize("key", ["system: {{file: {}}}", "cases: {{file: {}}}", "x: 1"])
def test_i10_file_paths(key: str, tmp_path: Path) -> None:
    """Neither `..`, nor an absolute path, nor a link leads out of the folder; nothing waits or has no end."""
    home = tmp_path / "home"
    home.mkdir()
    secret = tmp_path / "secret.csv"
    secret.write_text("id,canary\na,b\n", encoding="utf-8")
    (home / "link.csv").symlink_to(secret)
    (home / "folder-link").symlink_to(tmp_path)
    os.mkfifo(home / "fifo.csv")
    (home / "device.csv").symlink_to("/dev/zero")
    names = [
        "../secret.csv",
        str(secret),
        "link.csv",
        "folder-link/secret.csv",
        "fifo.csv",
        "device.csv",
        ".",
    ]
    for name in names:
        text = ONE_TURN + key.format(name) if "{}" in key else f"turns: [{{user: [{{document: '{name}'}}]}}]"
        code, said = check(home, text)
        assert code == 2, name
        assert "canary" not in said


def test_i10_a_file_exchanged_for_a_link(tmp_path: Path) -> None:
    """A link that takes the place of a file after its path was checked is not followed."""
    (tmp_path / "file").write_text("text", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_regular(tmp_path / "file", 9, follow=False) == b"text"
    with pytest.raises(OSError, match="link"):
        read_regular(tmp_path / "link", 9, follow=False)


def test_i10_wider_root(tmp_path: Path) -> None:
    """`--file-root` widens the fence, and it is the user who says so."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "shared.md").write_text("Be brief.", encoding="utf-8")
    text = ONE_TURN + "system: {file: ../shared.md}\n"
    assert check(home, text)[0] == 2
    assert check(home, text, "--file-root", str(tmp_path))[0] == 0


@pytest.mark.parametrize(
    "source",
    [
        "{{ cycler.__init__.__globals__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''|attr('__class__') }}",
        "{{ range(1000000000) }}",
        "{% include '/etc/passwd' %}",
        "{{ env.ANTHROPIC_API_KEY }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'a' * 10**8 }}",
        "{{ 10 ** (10 ** 10) }}",
    ],
)
def test_i11_template_injection(source: str, tmp_path: Path) -> None:
    """What reaches for Python, files, the environment, names of nobody, or computes, is found by `check`."""
    code, said = check(tmp_path, f'model: m\nturns: [{{user: "{source}"}}]\n')
    assert code == 2
    assert "a.yaml:2:" in said


@pytest.mark.parametrize(
    "source",
    [
        "{% set a = ['0123456789'] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
        "{% set a = '0123456789' %}" + "{% set a = a | join(a) %}" * 60 + "{{ a }}",
        "{% set a = '01234567' | join('01234567') %}" + "{% for i in a %}" * 3 + "{% endfor %}" * 3,
        "{{ 'a'.__class__ }}",
    ],
)
def test_i11_size_bombs(source: str, tmp_path: Path) -> None:
    """A text that grows without bounds, or looks into an object, is found by `check` with its place."""
    begin = time.process_time()
    code, said = check(tmp_path, f'{ONE_TURN}system: "{source}"\n')
    assert code == 2
    assert "a.yaml:3:9" in said
    assert "the text cannot be filled in" in said
    assert time.process_time() - begin < 5


def test_i11_values_are_never_rendered(tmp_path: Path) -> None:
    """Template syntax in a variable, a case or a saved text is text."""
    loaded = scenario(tmp_path, "vars: {v: '{{ 7 * 7 }}'}\nsystem: '{{ v }}'\n")
    assert isinstance(loaded.system, Text)
    assert Renderer(loaded.vars).render(loaded.system, {}) == "{{ 7 * 7 }}"


def test_i12_redos(tmp_path: Path) -> None:
    """A pattern that makes others backtrack for hours answers at once; look-around is refused by `check`."""
    (wanted,) = scenario(tmp_path, "expect: [{not: {matches: '^(a+)+$'}}]\n").expect[0].children
    begin = time.process_time()
    assert status(wanted.kind, wanted.value, "a" * 1_000_000 + "!") == "failed"
    assert time.process_time() - begin < 5
    code, said = check(
        tmp_path, "model: m\nturns: [{user: Hi, expect: [{matches: '(?=a)'}], save: {s: '(a)\\1'}}]\n"
    )
    assert code == 2
    assert "RE2 has no lookahead" in said
    assert "RE2 has no backreferences" in said


def test_i13_pattern_bombs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A pattern too large to compile is found by `check`, at its place, and RE2 prints nothing by itself."""
    code, said = check(tmp_path, ONE_TURN + "expect: [{matches: '((a{100}){100}){100}'}, {matches: '('}]\n")
    assert code == 2
    assert said.count("the pattern is not valid") == 2
    assert "a.yaml:3:" in said
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize(
    "reference", ["https://evil.example/schema.json", "file:///etc/passwd", "other.json", "//evil.example/x"]
)
def test_i14_remote_references(reference: str, tmp_path: Path) -> None:
    """A reference that leads out of the schema is a problem, and nobody follows it."""
    turn = f"{{user: Hi, expect: [{{json: {{$ref: '{reference}'}}}}]}}"
    code, said = check(tmp_path, f"model: claude-haiku-5-5\nturns: [{turn}]\n")
    assert code == 2
    assert "`$ref` may lead only to a place inside this schema" in said


def test_i14_bounded_work() -> None:
    """Work that doubles with each of fifty levels is given up; patterns in a schema do not backtrack."""
    levels: dict[str, Json] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n - 1}"}] * 2} for n in range(1, 50)}
    bomb: Json = {"$defs": {"a0": {"type": "integer"}, **levels}, "$ref": "#/$defs/a49"}
    slow: Json = {"type": "string", "pattern": "^(a+)+$"}
    begin = time.process_time()
    assert status("json", bomb, "1") == "errored"
    assert status("json", slow, '"' + "a" * 10_000 + '!"') == "failed"
    assert time.process_time() - begin < 20


@pytest.mark.parametrize(
    "line",
    [
        "checks: planted.py",
        "expect: [{python: planted.py}]",
        "expect: [{javascript: '1'}]",
        "expect: [{exec: 'touch planted'}]",
        "import: planted",
        "hooks: {before: touch planted}",
        "cases: {file: planted.py}",
        "cases: {command: touch planted}",
        "vars: {v: {$shell: touch planted}}\nx: 1",
    ],
)
def test_i15_no_code(line: str, tmp_path: Path) -> None:
    """A scenario cannot name code: whatever looks like it is an unknown key or an unknown expectation."""
    planted = tmp_path / "planted"
    (tmp_path / "planted.py").write_text(f"open({str(planted)!r}, 'w')\n", encoding="utf-8")
    assert check(tmp_path, ONE_TURN + line + "\n")[0] == 2
    assert not planted.exists()


@pytest.mark.parametrize(
    "key", ["base_url", "headers", "extra_headers", "proxy", "api_key", "env", "mcp_servers"]
)
@pytest.mark.parametrize(
    "place", ["{}: canary", "models: [{{model: m, {}: canary}}]", "variants: [{{id: v, {}: canary}}]"]
)
def test_i16_no_endpoint(key: str, place: str, tmp_path: Path) -> None:
    """No scenario decides where requests go, with which headers or key; a secret in it is not repeated."""
    turns = "turns: [{user: Hi}]\n" if "models" in place else ONE_TURN
    code, said = check(tmp_path, turns + place.format(key) + "\n")
    assert code == 2
    assert f"`{key}`" in said
    assert key == "mcp_servers" or "canary" not in said
