"""What all list calls have in common."""

from __future__ import annotations

from typing import Protocol, TypeVar


class PageRequest(Protocol):
    """Asks for one page: the first, or the one that the token of the page before names."""

    page_token: str


class Page(Protocol):
    """One page of a list; an empty token is that of the last."""

    @property
    def next_page_token(self) -> str:
        """Name the page after this one."""


PageRequestT = TypeVar("PageRequestT", bound=PageRequest)
PageT = TypeVar("PageT", bound=Page)
