"""The calls about accounts, credits and rate cards, from an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Unpack

from google.protobuf.wrappers_pb2 import StringValue

from creditgate import _administration_requests as _requests
from creditgate import _administration_responses as _responses
from creditgate import _balances, _plans, answers
from creditgate._aio_caller import Caller
from creditgate.fields import AccountFields
from creditgate.pricing import Rule
from creditgate.retries import ONE_ATTEMPT
from creditgate.terms import GrantKind, ServingStatus


class Administration(Caller):
    """What a client does besides authorizing usage. See `creditgate._administration.Administration`."""

    async def create_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.CreatedAccount:
        """See `creditgate.Client.create_account`."""
        request = _requests.create_account(account_id, settings)
        return _responses.created_account(await self._call(self._connection.accounts.CreateAccount, request, timeout_s))

    async def get_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.Account:
        """See `creditgate.Client.get_account`."""
        request = _requests.get_account(account_id)
        return _responses.account((await self._call(self._connection.accounts.GetAccount, request, timeout_s)).account)

    async def update_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.Account:
        """See `creditgate.Client.update_account`."""
        request = _requests.update_account(account_id, settings)
        return _responses.account(
            (await self._call(self._connection.accounts.UpdateAccount, request, timeout_s)).account
        )

    async def list_accounts(
        self, parent_id: str = "", *, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.AccountSummary]:
        """See `creditgate.Client.list_accounts`."""
        request = _requests.list_accounts(parent_id, page_size=page_size)
        async for page in self._pages(self._connection.accounts.ListAccounts, request, timeout_s):
            for message in page.accounts:
                yield _responses.account_summary(message)

    async def close_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.ClosedAccount:
        """See `creditgate.Client.close_account`."""
        request = _requests.close_account(account_id)
        return _responses.closed_account(await self._call(self._connection.accounts.CloseAccount, request, timeout_s))

    async def get_balance(self, account_id: str, *, timeout_s: float | None = None) -> answers.Standing:
        """See `creditgate.Client.get_balance`."""
        request = _requests.get_balance(account_id)
        return _balances.standing(await self._call(self._connection.accounts.GetBalance, request, timeout_s))

    async def set_plan(
        self,
        account_id: str,
        plan: answers.Plan,
        *,
        change_id: str | None = None,
        at_period_end: bool = False,
        timeout_s: float | None = None,
    ) -> answers.PlanSet:
        """See `creditgate.Client.set_plan`."""
        request = _plans.set_plan(account_id, plan, change_id=change_id, at_period_end=at_period_end)
        return _plans.plan_set(await self._call(self._connection.accounts.SetPlan, request, timeout_s))

    async def cancel_plan(
        self,
        account_id: str,
        *,
        change_id: str | None = None,
        at_period_end: bool = True,
        timeout_s: float | None = None,
    ) -> answers.PlanSet:
        """See `creditgate.Client.cancel_plan`."""
        request = _plans.set_plan(account_id, None, change_id=change_id, at_period_end=at_period_end)
        return _plans.plan_set(await self._call(self._connection.accounts.SetPlan, request, timeout_s))

    async def get_plan(self, account_id: str, *, timeout_s: float | None = None) -> answers.CurrentPlan | None:
        """See `creditgate.Client.get_plan`."""
        request = _plans.get_plan(account_id)
        response = await self._call(self._connection.accounts.GetPlan, request, timeout_s)
        return _plans.current_plan(response)

    async def grant(  # noqa: PLR0913 -- two by position
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
        """See `creditgate.Client.grant`."""
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
        return _responses.granted(await self._call(self._connection.credits.Grant, request, timeout_s))

    async def revoke_grant(  # noqa: PLR0913 -- two by position
        self,
        account_id: str,
        grant_id: str,
        *,
        claw_back: bool = False,
        actor: str = "",
        note: str = "",
        timeout_s: float | None = None,
    ) -> answers.Revoked:
        """See `creditgate.Client.revoke_grant`."""
        request = _requests.revoke_grant(account_id, grant_id, claw_back=claw_back, actor=actor, note=note)
        return _responses.revoked(await self._call(self._connection.credits.RevokeGrant, request, timeout_s))

    async def transfer(  # noqa: PLR0913 -- three by position
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
        """See `creditgate.Client.transfer`."""
        request = _requests.transfer(
            account_id,
            target_account_id,
            credits,
            transfer_id=transfer_id,
            actor=actor,
            reference=reference,
            note=note,
        )
        return _responses.transferred(await self._call(self._connection.credits.Transfer, request, timeout_s))

    async def list_grants(
        self, account_id: str, *, include_ended: bool = False, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.CreditGrant]:
        """See `creditgate.Client.list_grants`."""
        request = _requests.list_grants(account_id, include_ended=include_ended, page_size=page_size)
        async for page in self._pages(self._connection.credits.ListGrants, request, timeout_s):
            for message in page.grants:
                yield _responses.credit_grant(message)

    async def put_rate_card(
        self, rate_card_id: str, rules: Sequence[Rule], *, timeout_s: float | None = None
    ) -> answers.StoredRateCard:
        """See `creditgate.Client.put_rate_card`."""
        request = _requests.put_rate_card(rate_card_id, rules)
        return _responses.stored_rate_card(
            await self._call(self._connection.rate_cards.PutRateCard, request, timeout_s)
        )

    async def get_rate_card(
        self, rate_card_id: str, version: int = 0, *, timeout_s: float | None = None
    ) -> answers.RateCardVersion:
        """See `creditgate.Client.get_rate_card`."""
        request = _requests.get_rate_card(rate_card_id, version)
        response = await self._call(self._connection.rate_cards.GetRateCard, request, timeout_s)
        return _responses.rate_card_version(response.rate_card)

    async def list_rate_cards(
        self, *, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.RateCardSummary]:
        """See `creditgate.Client.list_rate_cards`."""
        request = _requests.list_rate_cards(page_size=page_size)
        async for page in self._pages(self._connection.rate_cards.ListRateCards, request, timeout_s):
            for message in page.rate_cards:
                yield _responses.rate_card_summary(message)

    async def health(self, service: str = "", *, timeout_s: float | None = None) -> ServingStatus:
        """See `creditgate.Client.health`."""
        request = StringValue(value=service)
        return ServingStatus((await self._call(self._connection.check_health, request, timeout_s, ONE_ATTEMPT)).value)
