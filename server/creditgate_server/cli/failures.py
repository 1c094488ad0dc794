"""What a failed call means to whoever typed the command: the exit status, one line that helps, and a document."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from creditgate import errors
from creditgate.answers import Decided, Denial
from creditgate.terms import Decision, DenialReason
from creditgate_server.cli.documents import Document, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.views import text_of

FLAGS: Final[Mapping[str, str]] = {
    "account_id": "ACCOUNT",
    "parent_id": "PARENT",
    "reservation_id": "the id",
    "charge_id": "the id",
    "grant_id": "the id",
    "refund_id": "the id",
    "transfer_id": "the id",
    "target_account_id": "TARGET",
    "credits": "credits",
    "recipient_count": "--recipients",
    "recipient": "--to",
    "sender": "--from",
    "display_name": "--name",
    "rate_card_id": "the rate card",
    "change_id": "the id",
    "plan_id": "--name",
    "interval": "--every",
    "anchor_time": "--anchor",
    "roll_over_cap": "--roll-over",
    "roll_over_ttl": "--roll-over-for",
    "expire_time": "--expires",
    "effective_time": "--effective",
    "channels": "--channel",
    "regions": "--region",
    "labels": "--label",
}
"""Fields of the interface that the command line calls otherwise than `--field-name`."""

TIMES: Final[Mapping[str, str]] = {
    "effective": "--effective",
    "expires": "--expires",
    "event_time": "--event-time",
    "anchor": "--anchor",
}
"""Options that may be said relative to now."""

REMEDIES: Final[Mapping[type[errors.CallFailed], str]] = {
    errors.AccountNotFound: "see `creditgate accounts`, or create it with `creditgate accounts create {account_id}`",
    errors.ParentNotFound: "create it with `creditgate accounts create {parent_id}`",
    errors.AccountAlreadyExists: "see `creditgate accounts show {account_id}`",
    errors.ReservationNotFound: "see `creditgate holds {account_id}`",
    errors.RateCardNotFound: "see `creditgate rates`",
    errors.GrantNotFound: "see `creditgate grants {account_id} --ended`",
    errors.IdTooOld: "if it was not, charge it without --event-time",
    errors.OverageRejected: "see `creditgate holds {account_id} {reservation_id}`",
    errors.RefundExceedsCaptured: "without --credits all that is left is refunded",
    errors.TransferNotCovered: "see `creditgate balance {account_id}`",
    errors.AccountNotEmpty: "see `creditgate holds {account_id}` and `creditgate accounts list {account_id}`",
    errors.AccountNotSelfFunded: "see `creditgate accounts show {account_id}`",
}
"""What helps with a failure, filled in from its metadata."""

_FIELD: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""A field of the interface in a sentence: no other word has an underscore."""


SUBJECTS: Final[Mapping[type[errors.CallFailed], tuple[str, tuple[str, ...]]]] = {
    errors.ReservationNotFound: ("reservation", ("reservation_id",)),
    errors.ChargeNotFound: ("charge", ("charge_id",)),
    errors.GrantNotFound: ("grant", ("grant_id",)),
    errors.HoldAlreadyReleased: ("reservation", ("reservation_id",)),
    errors.HoldAlreadyCommitted: ("reservation", ("reservation_id",)),
    errors.HoldExpired: ("reservation", ("reservation_id",)),
    errors.HoldStillOpen: ("reservation", ("reservation_id",)),
    errors.OverageRejected: ("reservation", ("reservation_id",)),
    errors.GrantAlreadyRevoked: ("grant", ("grant_id",)),
    errors.IdReused: ("id", ("operation_id", "reservation_id")),
}
"""What a failure is about, and the arguments that may name it."""


class CommandFailed(Exception):
    """A command cannot do what it was asked to, for reasons that it found itself; each is a line to print."""

    def __init__(self, exit_code: ExitCode, *lines: str) -> None:
        super().__init__(*lines)
        self.exit_code = exit_code
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Remedy:
    """What helps: a command and what it does, or, where no command does, words that say what."""

    words: str
    command: str = ""

    def __str__(self) -> str:
        """Write it as a part of a line."""
        return f"`{self.command}` {self.words}" if self.command else self.words


def exit_code_of(failure: errors.CallFailed) -> ExitCode:
    """Return the exit status of a failed call."""
    if isinstance(failure, errors.InvalidRequest):
        return ExitCode.USAGE
    if isinstance(failure, errors.Unavailable):
        return ExitCode.NOT_NOW if failure.reason else ExitCode.UNREACHABLE
    return ExitCode.FAILED


def line_of(failure: errors.CallFailed, arguments: Namespace) -> str:
    """Say what went wrong, of what, and what to do."""
    if isinstance(failure, errors.InvalidRequest) and failure.violations:
        return "; ".join(f"{_flag_of(each.field)} {_in_flags(each.description)}" for each in failure.violations)
    line = _subject(failure, arguments) + str(failure)
    remedy = REMEDIES.get(type(failure))
    if remedy is not None:
        line += f"; {remedy.format_map(_Ids(failure.metadata))}"
    if isinstance(failure, errors.InternalError):
        line += f"; request {failure.request_id}"
    return line


def _subject(failure: errors.CallFailed, arguments: Namespace) -> str:
    """Name what was typed where the failure says "no such" of it: a wrong id is often a misspelt one."""
    if type(failure) not in SUBJECTS:
        return ""
    noun, names = SUBJECTS[type(failure)]
    said = next((value for name in names if (value := vars(arguments).get(name)) is not None), None)
    return "" if said is None else f"{noun} {said} of {arguments.account_id}: "


class _Ids(dict[str, str]):
    """Ids by name; one that the server did not tell stands as a placeholder."""

    def __missing__(self, name: str) -> str:
        return name.removesuffix("_id").upper()


def how_to_repeat(arguments: Namespace, failure: errors.CallFailed | None) -> str:
    """Say how to learn what became of an operation whose outcome is not known; nothing where it is.

    Its id makes repeating it safe. What was said relative to now is said absolutely, or it would be something else.
    """
    said = vars(arguments)
    if said.get("operation_id") is None or not (failure is None or isinstance(failure, errors.OutcomeUnknown)):
        return ""
    times = [f" {flag} {json_of(said[name])}" for name, flag in TIMES.items() if said.get(name) is not None]
    return f"; to learn whether it was done, repeat it with {said['id_flag']} {said['operation_id']}{''.join(times)}"


def error_document(failure: errors.CallFailed | CommandFailed) -> Document:
    """Return the document of what went wrong."""
    if isinstance(failure, CommandFailed):
        return {
            "error": {"code": "", "reason": "", "message": "; ".join(failure.lines), "metadata": {}, "violations": []}
        }
    violations = failure.violations if isinstance(failure, errors.InvalidRequest) else ()
    return {
        "error": {
            "code": failure.code,
            "reason": failure.reason,
            "message": str(failure),
            "metadata": json_of(failure.metadata),
            "violations": json_of(violations),
        }
    }


def denial_of(answer: Decided) -> str | None:
    """Say why a usage was denied, and what to do; None when it was not."""
    if answer.decision is not Decision.DENIED or answer.denial is None:
        return None
    remedy = remedy_of(answer.denial)
    words = [
        f"denied: {errors.denied(answer)}",
        next_credits(answer.denial.next_credit_time),
        str(remedy) if remedy is not None else "",
    ]
    return "; ".join(filter(None, words))


def next_credits(time: datetime | None) -> str:
    """Say when the next credits come, if anybody knows of any."""
    return f"the next credits come on {text_of(time).words}" if time is not None else ""


def remedy_of(denial: Denial) -> Remedy | None:
    """Say what helps against a denial; None where nothing does."""
    level, shortfall = denial.account_id, denial.shortfall
    fills_wallet = Remedy(f"gives the wallet of {level} as many", f"creditgate grant {level} {shortfall}")
    remedies = {
        DenialReason.INSUFFICIENT_CREDITS: fills_wallet,
        DenialReason.LIMIT_REACHED: Remedy(
            f"raises the limit of {level} by as many", f"creditgate grant {level} {shortfall} --kind allotment"
        ),
        DenialReason.FLOOR: Remedy("transactional usage may go below the floor"),
        DenialReason.INBOUND_LIMIT: fills_wallet,
        DenialReason.ACCOUNT_SUSPENDED: Remedy("ends that", f"creditgate accounts update {level} --status active"),
        DenialReason.TOO_MANY_SEGMENTS: Remedy("shorten the text"),
        DenialReason.NO_RATE: Remedy("lists the rules of a card", "creditgate rates show ID"),
    }
    return remedies.get(denial.reason)


def _flag_of(field: str) -> str:
    """Name a field of the interface as the command line does."""
    name = field.rpartition(".")[2]
    return FLAGS.get(name) or ("the usage" if name == "usage" else "--" + name.replace("_", "-"))


def _in_flags(description: str) -> str:
    """Name the other fields in a description of what is wrong with one as the command line does."""
    return _FIELD.sub(lambda match: _flag_of(match[0]), description)
