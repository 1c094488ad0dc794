"""The calls about accounts, credits and rate cards, and whether the server serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Unpack

from google.protobuf.wrappers_pb2 import StringValue

from creditgate import _administration_requests as _requests
from creditgate import _administration_responses as _responses
from creditgate import _balances, _plans, answers
from creditgate._caller import Caller
from creditgate.fields import AccountFields
from creditgate.pricing import Rule
from creditgate.retries import ONE_ATTEMPT
from creditgate.terms import GrantKind, ServingStatus


class Administration(Caller):
    """What a client does besides authorizing usage."""

    def create_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.CreatedAccount:
        """Create an account below an existing one, or a root.

        >>> created = client.create_account("acme/sales", display_name="Sales", funding=creditgate.Funding.PARENT)
        >>> created.account.account_id, created.account.status.name
        ('acme/sales', 'ACTIVE')

        `account_id` has 1 to 4 parts joined by slashes, each `[a-z0-9][a-z0-9._-]{0,62}`. The same settings again
        answer the existing account. Also raises `AccountAlreadyExists` (with other settings), `ParentNotFound`,
        `RateCardNotFound`, `AccountClosedForGood` and `StoreFull`.
        """
        request = _requests.create_account(account_id, settings)
        return _responses.created_account(self._call(self._connection.accounts.CreateAccount, request, timeout_s))

    def get_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.Account:
        """Read an account's settings.

        >>> client.get_account("acme/field").funding.name
        'PARENT'
        """
        request = _requests.get_account(account_id)
        return _responses.account(self._call(self._connection.accounts.GetAccount, request, timeout_s).account)

    def update_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.Account:
        """Change the settings that are given, and no others; None gives one its default.

        >>> client.update_account("acme", overdraft_limit=50, floor=100).overdraft_limit
        50

        Also raises `RateCardNotFound`, `AccountClosedForGood` and `StoreFull`.
        """
        request = _requests.update_account(account_id, settings)
        return _responses.account(self._call(self._connection.accounts.UpdateAccount, request, timeout_s).account)

    def list_accounts(
        self, parent_id: str = "", *, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.AccountSummary]:
        """Iterate over the accounts below one at every depth, or over all, with their balances, ordered by id.

        >>> [(each.account.account_id, each.balance.available) for each in client.list_accounts("acme")]
        [('acme/field', 1000)]
        """
        request = _requests.list_accounts(parent_id, page_size=page_size)
        for page in self._pages(self._connection.accounts.ListAccounts, request, timeout_s):
            yield from map(_responses.account_summary, page.accounts)

    def close_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.ClosedAccount:
        """End an account for good: what remains of its credits is revoked, and its debt written off.

        >>> client.close_account("acme/field").account.status.name
        'CLOSED'

        Afterwards its usage is denied, and no credits enter it; it can still be read. Closing it again changes nothing.
        Also raises `AccountNotEmpty`: settle its holds, and close the accounts below it first.
        """
        request = _requests.close_account(account_id)
        return _responses.closed_account(self._call(self._connection.accounts.CloseAccount, request, timeout_s))

    def get_balance(self, account_id: str, *, timeout_s: float | None = None) -> answers.Standing:
        """Read an account's balance: as a whole, by grant, and by level up to its root.

        >>> standing = client.get_balance("acme/field")
        >>> standing.balance.available, [level.account_id for level in standing.levels if level.pays]
        (1000, ['acme'])
        """
        request = _requests.get_balance(account_id)
        return _balances.standing(self._call(self._connection.accounts.GetBalance, request, timeout_s))

    def set_plan(
        self,
        account_id: str,
        plan: answers.Plan,
        *,
        change_id: str | None = None,
        at_period_end: bool = False,
        timeout_s: float | None = None,
    ) -> answers.PlanSet:
        """Give an account a plan, or another one: credits for its own wallet each period.

        >>> from creditgate import Interval, RollOver
        >>> basic = creditgate.answers.Plan(
        ...     plan_id="basic", credits=500, interval=Interval.MONTH, roll_over=RollOver.CAPPED, roll_over_cap=100
        ... )
        >>> client.set_plan("acme", basic).balance.available
        1500

        It begins now, and ends the present period, or follows that (`at_period_end`). `change_id` is unique in the
        organisation for good; None makes one for this call. Also raises `IdReused`, `TooManyGrants`,
        `AccountClosedForGood`, `BalanceOverflow` and `StoreFull`.
        """
        request = _plans.set_plan(account_id, plan, change_id=change_id, at_period_end=at_period_end)
        return _plans.plan_set(self._call(self._connection.accounts.SetPlan, request, timeout_s))

    def cancel_plan(
        self,
        account_id: str,
        *,
        change_id: str | None = None,
        at_period_end: bool = True,
        timeout_s: float | None = None,
    ) -> answers.PlanSet:
        """End an account's plan when its period ends, or at once. Raises as `set_plan` does.

        >>> monthly = creditgate.answers.Plan(plan_id="basic", credits=500, interval=creditgate.Interval.MONTH)
        >>> began = client.set_plan("acme", monthly)
        >>> client.cancel_plan("acme").current_plan.cancelled
        True
        """
        request = _plans.set_plan(account_id, None, change_id=change_id, at_period_end=at_period_end)
        return _plans.plan_set(self._call(self._connection.accounts.SetPlan, request, timeout_s))

    def get_plan(self, account_id: str, *, timeout_s: float | None = None) -> answers.CurrentPlan | None:
        """Read an account's plan and its present period, None where it has none.

        >>> client.get_plan("acme") is None
        True
        """
        request = _plans.get_plan(account_id)
        response = self._call(self._connection.accounts.GetPlan, request, timeout_s)
        return _plans.current_plan(response)

    def grant(  # noqa: PLR0913 -- two by position
        self,
        account_id: str,
        credits: int,  # noqa: A002 -- the interface's word
        *,
        grant_id: str | None = None,
        kind: GrantKind = GrantKind.PURCHASED,
        effective_time: datetime | None = None,
        expire_time: datetime | None = None,
        priority: int = 0,
        scope: answers.Scope | None = None,
        actor: str = "",
        reference: str = "",
        note: str = "",
        timeout_s: float | None = None,
    ) -> answers.Granted:
        """Give 1 to 10^12 credits to an account's wallet, where they repay debt first, or (ALLOTMENT) to its limit.

        >>> client.grant("acme", 500, grant_id="invoice-17", note="spring offer").balance.available
        1500
        >>> client.grant("acme", 500, grant_id="invoice-17", note="spring offer").replayed
        True
        >>> client.grant("acme/field", 400, kind=creditgate.GrantKind.ALLOTMENT).balance.limit_left
        400

        `grant_id`, such as an invoice line's, is unique in the organisation for good; None makes one for this call.
        Times are aware; None: at once, and never. Lower `priority` (-1,000 to 1,000) burns first. `actor` and
        `reference` (128 characters) and `note` (512) are for the journal. Also raises `IdReused`, `TooManyGrants`,
        `AccountClosedForGood`, `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.grant(
            account_id,
            credits,
            grant_id=grant_id,
            kind=kind,
            effective_time=effective_time,
            expire_time=expire_time,
            priority=priority,
            scope=scope,
            actor=actor,
            reference=reference,
            note=note,
        )
        return _responses.granted(self._call(self._connection.credits.Grant, request, timeout_s))

    def revoke_grant(  # noqa: PLR0913 -- two by position
        self,
        account_id: str,
        grant_id: str,
        *,
        claw_back: bool = False,
        actor: str = "",
        note: str = "",
        timeout_s: float | None = None,
    ) -> answers.Revoked:
        """Take back what remains of a grant; what is held or spent stays.

        >>> granted = client.grant("acme", 500, grant_id="invoice-17")
        >>> client.revoke_grant("acme", "invoice-17", note="not paid").revoked
        500

        With `claw_back` what was spent of it is taken too, from the account's other live grants of its kind, as far as
        they reach. `actor` (128 characters) and `note` (512) are for the journal. The same call again changes nothing.
        Also raises `GrantNotFound`, `GrantAlreadyRevoked`, `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.revoke_grant(account_id, grant_id, claw_back=claw_back, actor=actor, note=note)
        return _responses.revoked(self._call(self._connection.credits.RevokeGrant, request, timeout_s))

    def transfer(  # noqa: PLR0913 -- three by position
        self,
        account_id: str,
        target_account_id: str,
        credits: int,  # noqa: A002 -- the interface's word
        *,
        transfer_id: str | None = None,
        actor: str = "",
        reference: str = "",
        note: str = "",
        timeout_s: float | None = None,
    ) -> answers.Transferred:
        """Move 1 to 10^12 credits to the wallet of another account of the organisation, where they repay debt first.

        >>> created = client.create_account("acme/resale", funding=creditgate.Funding.OWN)
        >>> client.transfer("acme", "acme/resale", 300, reference="contract 5").target_balance.available
        300

        They leave in burn order, and keep their kind, priority, expiry and scope. `transfer_id` is unique in the
        organisation for good; None makes one for this call. `actor` and `reference` (128 characters) and `note` (512)
        are for the journal. Also raises `TransferNotCovered`, `AccountNotSelfFunded`, `AccountClosedForGood`,
        `IdReused`, `TooManyGrants`, `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.transfer(
            account_id,
            target_account_id,
            credits,
            transfer_id=transfer_id,
            actor=actor,
            reference=reference,
            note=note,
        )
        return _responses.transferred(self._call(self._connection.credits.Transfer, request, timeout_s))

    def list_grants(
        self, account_id: str, *, include_ended: bool = False, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.CreditGrant]:
        """Iterate over an account's grants, newest first: live ones, and, if asked for, ended ones among them.

        >>> [(each.amount, each.remaining, each.state.name) for each in client.list_grants("acme")]
        [(1000, 1000, 'LIVE')]
        """
        request = _requests.list_grants(account_id, include_ended=include_ended, page_size=page_size)
        for page in self._pages(self._connection.credits.ListGrants, request, timeout_s):
            yield from map(_responses.credit_grant, page.grants)

    def put_rate_card(
        self, rate_card_id: str, rules: Sequence[Rule], *, timeout_s: float | None = None
    ) -> answers.StoredRateCard:
        """Store a new version of a rate card, or its first; 1 to 500 rules. The newest one's rules store nothing.

        >>> from creditgate.pricing import Channel, Rule, Unit
        >>> rules = [Rule(name="sms", channel=Channel.SMS, unit=Unit.SEGMENT, credits_per_unit=2)]
        >>> stored = client.put_rate_card("acme-2030", rules)
        >>> client.update_account("acme", rate_card_id="acme-2030").rate_card_id
        'acme-2030'
        >>> client.quote("acme/field", segments=3).cost.credits
        6
        """
        request = _requests.put_rate_card(rate_card_id, rules)
        return _responses.stored_rate_card(self._call(self._connection.rate_cards.PutRateCard, request, timeout_s))

    def get_rate_card(
        self, rate_card_id: str, version: int = 0, *, timeout_s: float | None = None
    ) -> answers.RateCardVersion:
        """Read a version of a rate card, from 1; 0 is the newest. Also raises `RateCardNotFound`.

        >>> card = client.get_rate_card("default")
        >>> card.version, card.rules[0].channel.name
        (1, 'SMS')
        """
        request = _requests.get_rate_card(rate_card_id, version)
        response = self._call(self._connection.rate_cards.GetRateCard, request, timeout_s)
        return _responses.rate_card_version(response.rate_card)

    def list_rate_cards(
        self, *, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.RateCardSummary]:
        """Iterate over the rate cards with their newest versions, ordered by id.

        >>> "default" in [card.rate_card_id for card in client.list_rate_cards()]
        True
        """
        request = _requests.list_rate_cards(page_size=page_size)
        for page in self._pages(self._connection.rate_cards.ListRateCards, request, timeout_s):
            yield from map(_responses.rate_card_summary, page.rate_cards)

    def health(self, service: str = "", *, timeout_s: float | None = None) -> ServingStatus:
        """Ask once, without repeating, how the server fares, or one of its services by its full name.

        Of several servers it asks one that serves; where none does, that is `Unavailable`.

        >>> client.health().name
        'SERVING'
        """
        request = StringValue(value=service)
        return ServingStatus(self._call(self._connection.check_health, request, timeout_s, ONE_ATTEMPT).value)
