"""The documents are true: every example runs as it stands, every link leads somewhere, every table says what is there.

A page's blocks run in order, in an empty directory, against a fresh server whose address takes the place of
127.0.0.1:50051:

- `bash` and `python` must succeed; those that begin with `grpcurl` or `buf curl` run where that tool can be had;
- `yaml` and `toml` whose first line is `# name.ext` become that file;
- `output` is what the block before prints: its lines in order, others may stand between them, `…` is anything;
- the rest is for reading: `console` and `text` are transcripts kept by hand; `go` and the like are excerpts of files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from tests import toolchains
from tests.acceptance.pages import INDEX, OPERATING, PAGES, README, ROOT, TEXTS, Block, Page
from tests.acceptance.workplace import Workplace, first_line_missing

from creditgate_server.options import OPTIONS
from creditgate_server.settings import load_settings, shown

LINE_CHARACTERS_MAX = 120

RUN = ("bash", "python")
FILES = ("yaml", "toml")
EXCERPTS = ("go", "javascript", "typescript", "java")
READ = ("output", "console", "text", "json", "mermaid", *EXCERPTS)

TOOLS: Mapping[str, Callable[[], Path]] = {"grpcurl": toolchains.grpcurl, "buf": partial(toolchains.find, "buf")}
"""Tools that are not everywhere, and how to find them; a block is of one if it begins with its name."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., "AbstractContextManager[str]"]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_text = pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)


@pytest.mark.timeout(toolchains.FETCH_TIMEOUT_S)
@pytest.mark.parametrize("page", [page for page in PAGES if page.blocks], ids=lambda page: page.name)
def test_every_block_runs_one_after_the_other(page: Page, serve: Serve, tmp_path: Path) -> None:
    server, directory = tmp_path / "server", tmp_path / "page"
    server.mkdir()
    directory.mkdir()

    with serve(server) as target:
        workplace = Workplace(directory, target, server / "data")
        printed = ""
        for block in page.blocks:
            if block.language in FILES:
                workplace.write(block)
            elif block.language in RUN:
                printed = workplace.run(block, program_of(block))
            elif block.language == "output":
                first_missing = first_line_missing(block.code, printed)
                assert first_missing is None, f"line {block.line}: not printed: {first_missing}\n{printed}"


def program_of(block: Block) -> Path | None:
    """Find the program of the tool that a block is of, if any; without it skip what follows, which may rely on it."""
    for tool, find in TOOLS.items():
        if block.language == "bash" and block.code.startswith(f"{tool} "):
            try:
                return find()
            except pytest.skip.Exception as skipped:
                pytest.skip(f"from line {block.line} on: {skipped}")
    return None


@each_page
def test_every_block_is_of_a_known_kind(page: Page) -> None:
    kinds = {*RUN, *FILES, *READ}

    assert [(block.line, block.language) for block in page.blocks if block.language not in kinds] == []


@each_page
def test_output_follows_what_prints_it(page: Page) -> None:
    before = ("", *(block.language for block in page.blocks))

    assert [
        block.line
        for previous, block in zip(before, page.blocks, strict=False)
        if block.language == "output" and previous not in RUN
    ] == []


@each_page
def test_every_excerpt_stands_in_a_file_that_the_page_links(page: Page) -> None:
    """Code in other languages is run with the file that it is taken from; here it only has to be the same."""
    linked = [page.path.parent / link.partition("#")[0] for link in page.links if "://" not in link]
    sources = [path.read_text(encoding="utf-8", errors="replace") for path in linked if path.is_file()]

    assert [
        (block.line, block.first_line)
        for block in page.blocks
        if block.language in EXCERPTS and not any(is_excerpt(block.code, source) for source in sources)
    ] == []


def is_excerpt(code: str, source: str) -> bool:
    """Tell whether code stands in a source, whatever its indentation; a line `// …` stands for any others."""
    pieces = re.split(r"^// …$", without_indentation(code), flags=re.MULTILINE)
    pattern = ".*".join(re.escape(piece.strip()) for piece in pieces)
    return re.search(pattern, without_indentation(source), re.DOTALL) is not None


def without_indentation(code: str) -> str:
    return "\n".join(map(str.strip, code.splitlines()))


@each_text
def test_every_link_leads_somewhere(page: Page) -> None:
    assert [link for link in page.links if "://" not in link and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Page, link: str) -> bool:
    file, _, anchor = link.partition("#")
    path = page.path.parent / file if file else page.path
    if not anchor:
        return path.exists()
    target = Page(str(path.resolve().relative_to(ROOT)))
    return path.suffix == ".md" and path.is_file() and anchor in target.anchors


@each_text
def test_no_line_is_too_long(page: Page) -> None:
    """But for the rows of tables, which cannot be broken."""
    lines = enumerate(page.text.splitlines(), start=1)

    assert [number for number, line in lines if len(line) > LINE_CHARACTERS_MAX and not line.startswith("|")] == []


def test_the_index_names_every_page() -> None:
    linked = {(INDEX.path.parent / link.partition("#")[0]).resolve() for link in INDEX.links}

    assert [page.name for page in PAGES if page != INDEX and page.path not in linked] == []


def test_the_commands_that_the_readme_names_first_are_there() -> None:
    named = re.findall(r"^\$ \./(\S+)", README.text, re.MULTILINE)

    assert set(named) == {"scripts/demo", "scripts/test"}
    for script in named:
        assert os.access(ROOT / script, os.X_OK)


def test_the_story_that_the_readme_shows_is_the_one_that_the_demo_tells(creditgate: Run) -> None:
    (shown_story,) = [block.code for block in README.blocks if block.first_line == "The story"]

    assert section(creditgate("demo", COLUMNS="80").stdout, "The story") == section(shown_story, "The story")


def section(text: str, title: str) -> list[str]:
    """The lines from a title to the next empty line, without spaces at their ends."""
    lines = [*map(str.rstrip, text.splitlines()), ""]
    start = lines.index(title)
    return lines[start : lines.index("", start)]


def test_the_settings_are_all_there_with_their_defaults() -> None:
    defaults = {**shown(load_settings({}, {})), "data_dir": "~/.local/share/creditgate"}
    rows = []
    for option in OPTIONS:
        default = defaults[option.name]
        words = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(f"| `{option.variable}` | {words} | {option.explanation} |")

    assert re.findall(r"^\| `CREDITGATE_.*$", OPERATING.text, re.MULTILINE) == rows
