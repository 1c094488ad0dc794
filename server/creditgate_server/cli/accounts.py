"""`accounts` and `balance`: who there is, on which terms, and what they can spend."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime

from creditgate import Client
from creditgate.answers import Account, AccountSummary, Balance, CreatedAccount, Standing
from creditgate.terms import AccountStatus, Enforcement
from creditgate_server.cli.authorization_views import balance_facts
from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import Document, document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.grant_views import scope_of
from creditgate_server.cli.listings import PAGE_SIZE, first, outermost, shown_while_read
from creditgate_server.cli.options import account_fields
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Facts, Sentence, Table, Text, Tone, Value, View, amount, counted, debt, text_of


def list_all(arguments: Namespace, output: Output) -> ExitCode:
    """List accounts with their balances."""
    with connect(arguments) as client:
        read = shown_while_read(_asked(client, arguments), output, "accounts")
        found, more = first((each for each in read if _is_wanted(each, arguments)), arguments.limit)
    headings = ("Account", "Name", "Status", "Paid by", "Available", "Reserved", "Debt", "Limit left")
    is_filtered = arguments.short_of is not None or arguments.with_status is not None
    empty = "no accounts" if is_filtered else "no accounts: create one with `creditgate accounts create ID`"
    table = Table(headings, [_summary_row(each) for each in found], empty=empty)
    output.answer({"accounts": json_of(found)}, [table, *more])
    return ExitCode.DONE


def _asked(client: Client, arguments: Namespace) -> Iterator[AccountSummary]:
    """Read the accounts below one, those that were named with all below them, or all."""
    if not arguments.accounts:
        yield from client.list_accounts(arguments.parent_id, page_size=PAGE_SIZE)
        return
    for account_id in outermost(arguments.accounts):
        account = client.get_account(account_id)
        yield AccountSummary(account=account, balance=client.get_balance(account_id).balance)
        yield from client.list_accounts(account_id, page_size=PAGE_SIZE)


def _is_wanted(summary: AccountSummary, arguments: Namespace) -> bool:
    """Tell whether the filters admit an account. One that is closed is short of nothing, unless it is asked for."""
    status = summary.account.status
    if arguments.with_status is not None and status is not arguments.with_status:
        return False
    if arguments.short_of is None:
        return True
    is_in_use = status is not AccountStatus.CLOSED or arguments.with_status is not None
    return is_in_use and _spendable(summary.balance) < arguments.short_of


def _spendable(balance_: Balance) -> int:
    """Return what an account can spend: what is available to it, or what its limits leave of that."""
    return balance_.available if balance_.limit_left is None else min(balance_.available, balance_.limit_left)


def create(arguments: Namespace, output: Output) -> ExitCode:
    """Create accounts in the order in which they are named; one that fails ends the command."""
    created: list[CreatedAccount] = []
    try:
        with connect(arguments) as client, output.progress("creating accounts") as on_progress:
            for account_id in arguments.account_ids:
                created.append(client.create_account(account_id, **account_fields(arguments)))
                on_progress(len(created), len(arguments.account_ids))
    finally:
        output.show(map(_created, created))
    output.document({"accounts": json_of(created)})
    return ExitCode.DONE


def _created(answer: CreatedAccount) -> Sentence:
    words = "existed already" if answer.replayed else "created"
    return Sentence(Text(f"{answer.account.account_id} {words}", Tone.GOOD))


def show(arguments: Namespace, output: Output) -> ExitCode:
    """Show the settings of an account."""
    with connect(arguments) as client:
        account = client.get_account(arguments.account_id)
    output.answer({"account": document_of(account)}, [_settings(account)])
    return ExitCode.DONE


def update(arguments: Namespace, output: Output) -> ExitCode:
    """Change settings of an account."""
    settings = account_fields(arguments)
    if not settings:
        raise CommandFailed(ExitCode.USAGE, "say what to change, such as --status suspended")
    with connect(arguments) as client:
        account = client.update_account(arguments.account_id, **settings)
    output.answer({"account": document_of(account)}, [_settings(account)])
    return ExitCode.DONE


def close(arguments: Namespace, output: Output) -> ExitCode:
    """End an account."""
    with connect(arguments) as client:
        answer = client.close_account(arguments.account_id)
    words = f"{answer.account.account_id} {'was closed before' if answer.replayed else 'is closed for good'}"
    rows: list[tuple[str, Value]] = [
        ("revoked", counted(answer.revoked, "credit") if answer.revoked else None),
        ("written off", f"{counted(answer.written_off, 'credit')} of debt" if answer.written_off else None),
    ]
    output.answer(document_of(answer), [Sentence(Text(words, Tone.GOOD)), Facts(rows)])
    return ExitCode.DONE


def balance(arguments: Namespace, output: Output) -> ExitCode:
    """Show what an account can spend, and out of which grants."""
    with connect(arguments) as client:
        standing = client.get_balance(arguments.account_id)
    document: Document = {
        **document_of(standing.balance),
        "grants": json_of(standing.grants),
        "levels": json_of(standing.levels),
    }
    output.answer(document, _standing_views(standing))
    return ExitCode.DONE


def _summary_row(summary: AccountSummary) -> tuple[Value, ...]:
    account, balance_ = summary.account, summary.balance
    return (
        account.account_id,
        account.display_name,
        _status(account.status),
        balance_.payer_id if balance_.payer_id != account.account_id else None,
        _short(balance_.available),
        balance_.reserved,
        debt(balance_.debt),
        None if balance_.limit_left is None else _short(balance_.limit_left),
    )


def _short(credits_: int) -> Text:
    """Write what is left to be spent; nothing left stands out."""
    return Text(f"{credits_:,}", Tone.BAD if credits_ <= 0 else Tone.PLAIN)


def _settings(account: Account) -> Facts:
    unbounded, inherited = Text("no bound", Tone.QUIET), Text("inherited", Tone.QUIET)
    return Facts(
        [
            ("name", account.display_name),
            ("status", _status(account.status)),
            ("funding", account.funding),
            ("enforcement", account.enforcement),
            ("overdraft limit", account.overdraft_limit),
            ("inbound overdraft limit", _or(account.inbound_overdraft_limit, unbounded)),
            ("floor", _or(account.floor, Text("none", Tone.QUIET))),
            ("late commit", _or(account.late_commit, inherited)),
            ("overage", _or(account.overage, inherited)),
            ("rate card", account.rate_card_id or inherited),
            ("limit counts inbound", account.limit_counts_inbound),
            ("created", account.create_time),
            ("updated", account.update_time),
        ],
        title=account.account_id,
    )


def _standing_views(standing: Standing) -> Iterator[View]:
    own_status = [_status(level.status) for level in standing.levels if level.account_id == standing.balance.account_id]
    yield balance_facts(standing.balance, *(("status", status) for status in own_status))
    rows = [
        (
            grant.grant_id,
            grant.account_id,
            grant.kind,
            grant.remaining,
            grant.held or None,
            scope_of(grant.scope),
            grant.effective_time if _is_to_come(grant.effective_time) else None,
            grant.expire_time,
        )
        for grant in standing.grants
    ]
    headings = ("Grant", "Account", "Kind", "Remaining", "Held", "Only for", "From", "Expires")
    empty = "none: give some with `creditgate grant`"
    yield Table(headings, rows, title="Grants, in the order in which they burn", empty=empty)
    if len(standing.levels) > 1:
        levels = [
            (
                f"{level.account_id} (pays)" if level.pays else level.account_id,
                _status(level.status),
                level.enforcement if level.enforcement is not Enforcement.ENFORCE else None,
                amount(level.available),
                level.reserved,
                debt(level.debt),
                level.limit_left,
                level.limit_reserved if level.limit_left is not None else None,
            )
            for level in standing.levels
        ]
        yield Table(
            ("Level", "Status", "Enforcement", "Available", "Reserved", "Debt", "Limit left", "Limit reserved"),
            levels,
            title="Levels",
        )


def _is_to_come(time: datetime | None) -> bool:
    return time is not None and time > datetime.now(UTC)


def _status(status: AccountStatus) -> Text | None:
    """Write a status, unless it is what everybody expects."""
    return None if status is AccountStatus.ACTIVE else Text(text_of(status).words, Tone.WARNING)


def _or(value: Value, otherwise: Text) -> Value:
    return otherwise if value is None else value
