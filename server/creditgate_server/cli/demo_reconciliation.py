"""Compares what the demo counted itself with what the ledger says, to the credit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from creditgate.aio import Client
from creditgate.answers import Balance
from creditgate_server.cli.demo_plan import FIELD, ORGANISATION, SALES, Plan
from creditgate_server.cli.demo_story import Tally


@dataclass(frozen=True, slots=True)
class Comparison:
    """An amount of credits as the demo expects it, and as the ledger has it."""

    name: str
    expected: int
    in_ledger: int

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.expected == self.in_ledger


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What an account and those below it did, and how it stands. `denied` are messages not sent in the end."""

    account_id: str
    sent: int
    denied: int
    received: int
    credits_used: int
    balance: Balance


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The accounts, and everything that was compared."""

    accounts: tuple[AccountReport, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def agrees(self) -> bool:
        """Whether all amounts are the same to the credit."""
        return all(comparison.agrees for comparison in self.comparisons)


async def reconcile(client: Client, plan: Plan, tally: Tally) -> Reconciliation:
    """Compare what was counted in the texts, and what the answers said, with the ledger. Raises CreditgateError."""
    grants = [grant async for grant in client.list_grants(ORGANISATION, include_ended=True)]
    allotments = [grant async for grant in client.list_grants(FIELD, include_ended=True)]
    accounts = [await _report(client, plan, tally, account_id) for account_id in (ORGANISATION, FIELD, SALES)]
    wallet = accounts[0].balance
    answered = tally.captured.total() + tally.charged.total()
    # What was used is what grants gave, to usage or to debt, and the debt that none has repaid yet.
    used = sum(grant.captured + grant.debt_repaid for grant in grants) + wallet.debt
    comparisons = (
        Comparison("used, as counted in the texts", plan.expected_credits, used),
        Comparison("used, as the server answered", answered, used),
        Comparison("available, as granted less used", plan.purchase + plan.top_up - answered, wallet.available),
        Comparison(f"allotment of {FIELD} used", tally.captured[FIELD], sum(grant.captured for grant in allotments)),
        Comparison("held by nobody any more", 0, wallet.reserved),
    )
    return Reconciliation(tuple(accounts), comparisons)


async def _report(client: Client, plan: Plan, tally: Tally, account_id: str) -> AccountReport:
    def of(counts: Counter[str]) -> int:
        return sum(count for each, count in counts.items() if account_id in {each, ORGANISATION})

    planned = Counter(delivery.account_id for delivery in plan.outbound)
    return AccountReport(
        account_id=account_id,
        sent=of(tally.sent),
        denied=of(planned) - of(tally.sent),
        received=of(tally.received),
        credits_used=of(tally.captured) + of(tally.charged),
        balance=(await client.get_balance(account_id)).balance,
    )
