"""`quote`, `reserve`, `commit`, `release`, `extend`, `charge` and `refund`: the hot path, by hand."""

from __future__ import annotations

from argparse import Namespace

from creditgate.answers import Decided
from creditgate.errors import already_settled
from creditgate.terms import Decision, ReservationState
from creditgate_server.cli.authorization_views import (
    Rows,
    again,
    balance_facts,
    commit_outcome,
    commit_rows,
    cost_rows,
    given_back,
    outcome,
    refund_rows,
    reserve_outcome,
    unenforced,
)
from creditgate_server.cli.connection import connect, new_id
from creditgate_server.cli.documents import document_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed, denial_of
from creditgate_server.cli.options import actual_fields, usage_fields
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Facts, Sentence, Text, Tone, counted, text_of


def quote(arguments: Namespace, output: Output) -> ExitCode:
    """Price a usage."""
    with connect(arguments) as client:
        answer = client.quote(arguments.account_id, **usage_fields(arguments))
    words = outcome(answer, f"{counted(answer.cost.credits, 'credit')}; would be allowed", "would be denied")
    return _show(answer, words, cost_rows(answer.cost), output)


def reserve(arguments: Namespace, output: Output) -> ExitCode:
    """Hold the credits of a usage."""
    arguments.operation_id = arguments.operation_id or new_id()
    with connect(arguments) as client:
        answer = client.reserve(
            arguments.account_id,
            reservation_id=arguments.operation_id,
            ttl=arguments.ttl,
            allow_partial=arguments.partial,
            expiry_action=arguments.expiry_action,
            **usage_fields(arguments),
        )
    rows: Rows = [
        ("reservation", answer.reservation_id if answer.allowed else None),
        ("expires", answer.expire_time),
        ("recipients", answer.recipients_granted if answer.decision is Decision.ALLOWED_PARTIAL else None),
        *cost_rows(answer.cost),
    ]
    exit_code = _show(answer, reserve_outcome(answer), rows, output)
    if answer.allowed and answer.state is not None and answer.state is not ReservationState.PENDING:
        # A script that sends what this command allows must not send what nothing is held for.
        output.problem(str(already_settled(answer.reservation_id, answer.state)))
        return ExitCode.NEGATIVE
    return exit_code


def charge(arguments: Namespace, output: Output) -> ExitCode:
    """Take the credits of a usage in one step."""
    arguments.operation_id = arguments.operation_id or new_id()
    with connect(arguments) as client:
        answer = client.charge(
            arguments.account_id,
            charge_id=arguments.operation_id,
            event_time=arguments.event_time,
            **usage_fields(arguments),
        )
    taken = f"{counted(answer.credits, 'credit')} taken{again(replayed=answer.replayed)}"
    rows: Rows = [("charge", answer.charge_id if answer.allowed else None), *cost_rows(answer.cost)]
    return _show(answer, outcome(answer, taken, "denied, nothing taken"), rows, output)


def commit(arguments: Namespace, output: Output) -> ExitCode:
    """Capture what was really used of a hold."""
    actual, labels = actual_fields(arguments)
    if actual and arguments.credits is not None:
        raise CommandFailed(ExitCode.USAGE, "--credits says all that was used: leave out the size and --recipients")
    if arguments.keep_open:
        arguments.operation_id = arguments.operation_id or new_id()
    elif arguments.operation_id is not None:
        raise CommandFailed(ExitCode.USAGE, "--commit-id tells several commits of a hold apart: it needs --keep-open")
    with connect(arguments) as client:
        answer = client.commit(
            arguments.account_id,
            arguments.reservation_id,
            credits=arguments.credits,
            keep_open=arguments.keep_open,
            commit_id=arguments.operation_id,
            labels=labels,
            **actual,
        )
    rows: Rows = [("commit", arguments.operation_id), *commit_rows(answer)]
    document = document_of(answer)
    if arguments.keep_open:
        document["commit_id"] = arguments.operation_id
    output.answer(document, [Sentence(commit_outcome(answer)), Facts(rows), balance_facts(answer.balance)])
    return ExitCode.DONE


def release(arguments: Namespace, output: Output) -> ExitCode:
    """Give a hold back."""
    with connect(arguments) as client:
        answer = client.release(arguments.account_id, arguments.reservation_id, arguments.reason)
    expired = answer.state is ReservationState.EXPIRED
    words = "it had expired, and was given back then" if expired else f"released{again(replayed=answer.replayed)}"
    facts = Facts(given_back(answer))
    output.answer(document_of(answer), [Sentence(Text(words, Tone.GOOD)), facts, balance_facts(answer.balance)])
    return ExitCode.DONE


def extend(arguments: Namespace, output: Output) -> ExitCode:
    """Let a hold expire later."""
    with connect(arguments) as client:
        answer = client.extend(arguments.account_id, arguments.reservation_id, arguments.ttl)
    words = f"{arguments.reservation_id} is held until {text_of(answer.expire_time).words}"
    output.answer(document_of(answer), [Sentence(Text(words, Tone.GOOD))])
    return ExitCode.DONE


def refund(arguments: Namespace, output: Output) -> ExitCode:
    """Give back what was captured."""
    arguments.operation_id = arguments.operation_id or new_id()
    with connect(arguments) as client:
        answer = client.refund(
            arguments.account_id,
            reservation_id=arguments.reservation_id,
            charge_id=arguments.charge_id,
            credits=arguments.credits,
            refund_id=arguments.operation_id,
        )
    done = f"{counted(answer.credits, 'credit')} refunded" if answer.credits else "nothing was left to refund"
    words = Text(done + again(replayed=answer.replayed), Tone.GOOD)
    rows: Rows = [("refund", arguments.operation_id), *refund_rows(answer)]
    document = {"refund_id": arguments.operation_id, **document_of(answer)}
    output.answer(document, [Sentence(words), Facts(rows), balance_facts(answer.balance)])
    return ExitCode.DONE


def _show(answer: Decided, words: Text, rows: Rows, output: Output) -> ExitCode:
    """Print a decision; a denial also as a line that says what to do."""
    facts = Facts([*rows, *unenforced(answer)])
    output.answer(document_of(answer), [Sentence(words), facts, balance_facts(answer.balance)])
    denial = denial_of(answer)
    if denial is not None:
        output.problem(denial)
    return ExitCode.DONE if answer.allowed else ExitCode.NEGATIVE
