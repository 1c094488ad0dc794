"""The documents as a reader meets them: README.md and docs/*.md, their code blocks, headings and links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]

MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code: the word after its fence, what is in it, and the line where it begins."""

    language: str
    code: str
    line: int

    @property
    def first_line(self) -> str:
        return self.code.partition("\n")[0]


@dataclass(frozen=True)
class Page:
    """A document, by its path below the root of the repository."""

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The fenced blocks, in order."""
        return tuple(
            Block(token.info.strip(), token.content, token.map[0] + 1)
            for token in self._tokens
            if token.type == "fence" and token.map is not None
        )

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Where the links and pictures of the prose lead, as they are written."""
        found = (child.attrs.get("href") or child.attrs.get("src") for child in self._words())
        return tuple(str(target) for target in found if target)

    @cached_property
    def anchors(self) -> frozenset[str]:
        """What follows the `#` of a link to a heading, as GitHub makes it."""
        seen = Counter[str]()
        anchors = set()
        for heading, inline in zip(self._tokens, self._tokens[1:], strict=False):
            if heading.type == "heading_open":
                anchor = anchor_of("".join(child.content for child in inline.children or ()))
                anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
                seen[anchor] += 1
        return frozenset(anchors)

    @cached_property
    def _tokens(self) -> list[Token]:
        return MARKDOWN.parse(self.text)

    def _words(self) -> Iterator[Token]:
        for token in self._tokens:
            yield from token.children or ()


def anchor_of(heading: str) -> str:
    """The anchor that GitHub gives to a heading: in small letters, without punctuation, a hyphen for each space."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


README = Page("README.md")
INDEX = Page("docs/README.md")
OPERATING = Page("docs/operating.md")

PAGES = (README, *(Page(f"docs/{path.name}") for path in sorted((ROOT / "docs").glob("*.md"))))
"""The pages whose examples are run."""

TEXTS = (*PAGES, Page("ARCHITECTURE.md"), Page("CHANGELOG.md"), Page("client/examples/README.md"))
"""All that people read."""
