"""`grant`, `revoke` and `transfer`: credits given, taken back and moved."""

from __future__ import annotations

from argparse import Namespace

from creditgate.answers import Granted, Scope
from creditgate.terms import GrantKind
from creditgate_server.cli.authorization_views import Rows, again, balance_facts
from creditgate_server.cli.connection import connect, new_id
from creditgate_server.cli.documents import document_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.grant_views import scope_of
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Facts, Sentence, Text, Tone, counted, text_of


def grant(arguments: Namespace, output: Output) -> ExitCode:
    """Give credits to an account."""
    arguments.operation_id = arguments.operation_id or new_id()
    scope = Scope(channels=tuple(arguments.channel), regions=tuple(arguments.region))
    with connect(arguments) as client:
        answer = client.grant(
            arguments.account_id,
            arguments.credits,
            grant_id=arguments.operation_id,
            kind=arguments.kind,
            effective_time=arguments.effective,
            expire_time=arguments.expires,
            priority=arguments.priority,
            scope=scope,
            actor=arguments.actor,
            reference=arguments.reference,
            note=arguments.note,
        )
    given = answer.grant
    words = f"{counted(given.amount, 'credit')} granted to {given.account_id}{again(replayed=answer.replayed)}"
    rows: Rows = [
        ("grant", given.grant_id),
        ("kind", text_of(given.kind)),
        ("only for", scope_of(given.scope)),
        ("from", given.effective_time if given.effective_time != given.create_time else None),
        ("expires", given.expire_time or Text("never", Tone.QUIET)),
        ("repaid debt", answer.debt_repaid or None),
    ]
    facts = (Facts(rows), balance_facts(answer.balance))
    output.answer(document_of(answer), [Sentence(Text(words, Tone.GOOD)), *facts, *_unspent(answer)])
    return ExitCode.DONE


def _unspent(answer: Granted) -> list[Sentence]:
    """Say that nobody spends these credits, where the account above pays: most likely a limit was meant."""
    account_id, payer_id = answer.grant.account_id, answer.balance.payer_id
    if answer.grant.kind is GrantKind.ALLOTMENT or payer_id == account_id:
        return []
    words = (
        f"{payer_id} pays for {account_id}, so these credits wait until it pays for itself. Was room in its limit meant"
        f" (--kind allotment), or credits for who pays (creditgate grant {payer_id} {answer.grant.amount})?"
    )
    return [Sentence(Text(words, Tone.WARNING))]


def revoke(arguments: Namespace, output: Output) -> ExitCode:
    """Take back what remains of a grant."""
    with connect(arguments) as client:
        answer = client.revoke_grant(
            arguments.account_id,
            arguments.grant_id,
            claw_back=arguments.claw_back,
            actor=arguments.actor,
            note=arguments.note,
        )
    grant_ = answer.grant
    earlier = " by an earlier call" if answer.replayed else ""
    taken = f"{counted(answer.revoked, 'credit')} of {grant_.grant_id} revoked{earlier}"
    spent = grant_.captured - grant_.refunded + grant_.debt_repaid - answer.clawed_back
    rows: Rows = [
        ("clawed back", f"{answer.clawed_back:,} from other grants of its kind" if answer.clawed_back else None),
        ("still held", grant_.held or None),
        ("spent for good", spent or None),
    ]
    output.answer(document_of(answer), [Sentence(Text(taken, Tone.GOOD)), Facts(rows), balance_facts(answer.balance)])
    return ExitCode.DONE


def transfer(arguments: Namespace, output: Output) -> ExitCode:
    """Move credits to another account."""
    arguments.operation_id = arguments.operation_id or new_id()
    with connect(arguments) as client:
        answer = client.transfer(
            arguments.account_id,
            arguments.target_account_id,
            arguments.credits,
            transfer_id=arguments.operation_id,
            actor=arguments.actor,
            reference=arguments.reference,
            note=arguments.note,
        )
    moved = f"{counted(answer.credits, 'credit')} moved from {arguments.account_id} to {arguments.target_account_id}"
    rows: Rows = [("transfer", arguments.operation_id), ("repaid debt", answer.debt_repaid or None)]
    output.answer(
        {"transfer_id": arguments.operation_id, **document_of(answer)},
        [
            Sentence(Text(moved + again(replayed=answer.replayed), Tone.GOOD)),
            Facts(rows),
            balance_facts(answer.balance),
            balance_facts(answer.target_balance),
        ],
    )
    return ExitCode.DONE
