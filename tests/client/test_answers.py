"""What the server answers becomes records that say the same."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from google.protobuf.text_format import Parse

import creditgate
from creditgate import answers, terms
from creditgate.pricing import Channel, Encoding, Rule, Unit
from creditgate.v1 import (
    accounts_pb2,
    authorization_pb2,
    credits_pb2,
    explain_pb2,
    rate_cards_pb2,
    refund_pb2,
    reservation_pb2,
)

if TYPE_CHECKING:
    from tests.client.conftest import FakeServer

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
NOON_TEXT = "{ seconds: 1893499200 }"
BALANCE_TEXT = (
    '{ account_id: "acme/field" payer_id: "acme" available: -2 usable: -3 reserved: 4 debt: 5 limit_left: 0 }'
)
BALANCE = answers.Balance(
    account_id="acme/field",
    payer_id="acme",
    available=-2,
    usable=-3,
    reserved=4,
    debt=5,
    limit_left=0,
    units_left=None,
)


def test_a_quote_tells_cost_hints_and_denial(server: FakeServer, client: creditgate.Client) -> None:
    server.script(
        "Quote",
        Parse(
            f"""
            cost {{
              credits: 4 encoding: ENCODING_UCS_2 segments: 2 characters: 71 characters_left_in_segment: 63
              rate_card_id: "default" rate_card_version: 3 rule: "sms"
              notes {{ forced_ucs2: "ş" cheaper_spelling {{ text: "bes" segments: 1 credits: 2 }} }}
            }}
            decision: DECISION_ALLOWED_MONITORED
            denial {{
              reason: DENIAL_REASON_LIMIT_REACHED account_id: "acme" shortfall: 7 next_credit_time {NOON_TEXT}
            }}
            balance {BALANCE_TEXT}
            """,
            authorization_pb2.QuoteResponse(),
        ),
    )

    quoted = client.quote("acme/field", body="beş")

    assert quoted == answers.Quoted(
        decision=terms.Decision.ALLOWED_MONITORED,
        denial=answers.Denial(
            reason=terms.DenialReason.LIMIT_REACHED, account_id="acme", shortfall=7, next_credit_time=NOON
        ),
        balance=BALANCE,
        cost=answers.Cost(
            credits=4,
            encoding=Encoding.UCS_2,
            segments=2,
            characters=71,
            characters_left_in_segment=63,
            rate_card_id="default",
            rate_card_version=3,
            rule="sms",
            forced_ucs2=("ş",),
            cheaper_spelling=answers.CheaperSpelling(text="bes", segments=1, credits=2),
        ),
    )
    assert quoted.allowed
    assert "bes" not in repr(quoted)


def test_settlements_tell_what_moved(server: FakeServer, client: creditgate.Client) -> None:
    server.script(
        "Commit",
        Parse(
            f"state: RESERVATION_STATE_COMMITTED credits: 3 restored: 1 expired: 2 overage: 1 shortfall: 9"
            f" debt_repaid: 1 balance {BALANCE_TEXT} replayed: true late: true",
            authorization_pb2.CommitResponse(),
        ),
    )
    server.script(
        "Release",
        Parse(
            f"state: RESERVATION_STATE_EXPIRED restored: 1 expired: 2 debt_repaid: 3 replayed: true"
            f" balance {BALANCE_TEXT}",
            authorization_pb2.ReleaseResponse(),
        ),
    )

    assert client.commit("acme/field", "msg-1") == answers.Committed(
        state=terms.ReservationState.COMMITTED,
        credits=3,
        restored=1,
        expired=2,
        overage=1,
        shortfall=9,
        debt_repaid=1,
        balance=BALANCE,
        replayed=True,
        late=True,
    )
    assert client.release("acme/field", "msg-1") == answers.Released(
        state=terms.ReservationState.EXPIRED, restored=1, expired=2, debt_repaid=3, balance=BALANCE, replayed=True
    )


def test_an_extension_tells_the_new_expiry(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Extend", Parse(f"expire_time {NOON_TEXT}", authorization_pb2.ExtendResponse()))

    assert client.extend("acme", "msg-1", 60) == answers.Extended(expire_time=NOON)


def test_a_refund_tells_what_came_back(server: FakeServer, client: creditgate.Client) -> None:
    text = f"credits: 9 restored: 5 expired: 3 debt_repaid: 1 balance {BALANCE_TEXT} replayed: true"
    server.script("Refund", Parse(text, refund_pb2.RefundResponse()))

    assert client.refund("acme", charge_id="in-1") == answers.Refunded(
        credits=9, restored=5, expired=3, debt_repaid=1, balance=BALANCE, replayed=True
    )


def test_an_explanation_tells_why(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        cost {{ credits: 4 }} decision: DECISION_DENIED
        denial {{ reason: DENIAL_REASON_INSUFFICIENT_CREDITS account_id: "acme" shortfall: 3 }}
        balance {BALANCE_TEXT} payer_id: "acme" levels {{ account_id: "acme" pays: true }}
        grants {{ grant {{ grant_id: "g1" account_id: "acme" }} verdict: GRANT_VERDICT_PAYS credits: 1 }}
        grants {{ grant {{ grant_id: "g2" account_id: "acme" }} verdict: GRANT_VERDICT_OTHER_REGION }}
        limits {{ account_id: "acme" enforcement: ENFORCEMENT_MONITOR counts: true limit_left: 2 shortfall: 2 }}
        rate {{ rate_card_id: "default" rate_card_version: 1 rule: "sms" }}
        credits_short: 3 next_credit_time {NOON_TEXT} next_credits: 50
    """
    server.script("Explain", Parse(text, explain_pb2.ExplainResponse()))

    told = client.explain("acme/field", body="hi")

    assert (told.payer_id, told.balance, [level.pays for level in told.levels]) == ("acme", BALANCE, [True])
    assert (told.cost and told.cost.credits, told.decision) == (4, terms.Decision.DENIED)
    assert told.denial is not None
    assert told.denial.shortfall == 3
    assert [(each.grant.grant_id, each.verdict, each.credits) for each in told.grants] == [
        ("g1", terms.GrantVerdict.PAYS, 1),
        ("g2", terms.GrantVerdict.OTHER_REGION, 0),
    ]
    assert told.limits == (
        answers.LimitExplanation(
            account_id="acme", enforcement=terms.Enforcement.MONITOR, counts=True, limit_left=2, shortfall=2
        ),
    )
    assert told.rate == answers.RateExplanation(rate_card_id="default", rate_card_version=1, rule="sms")
    assert (told.credits_short, told.next_credit_time, told.next_credits, told.reservation) == (3, NOON, 50, None)


def test_an_explanation_of_a_reservation_has_nothing_to_decide(server: FakeServer, client: creditgate.Client) -> None:
    text = 'reservation { reservation_id: "msg-1" state: RESERVATION_STATE_COMMITTED captured: 2 }'
    server.script("Explain", Parse(text, explain_pb2.ExplainResponse()))

    told = client.explain("acme", reservation_id="msg-1")

    assert (told.cost, told.decision, told.denial, told.rate, told.next_credit_time) == (None, None, None, None, None)
    assert told.reservation is not None
    assert told.reservation.captured == 2


def test_a_reservation_tells_where_its_credits_come_from(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        account_id: "acme/field" payer_id: "acme" reservation_id: "msg-1" state: RESERVATION_STATE_PENDING credits: 6
        held: 5 captured: 4 restored: 3 refunded: 2 recipients_granted: 2
        price {{ rate_card_id: "default" rate_card_version: 1 rule: "sms" credits_per_recipient: 3 }}
        create_time {NOON_TEXT} expire_time {NOON_TEXT} expiry_action: EXPIRY_ACTION_RELEASE
        draws {{ account_id: "acme" pot: POT_WALLET grants {{ grant_id: "g1" credits: 4 }} unfunded: 2 }}
        draws {{ account_id: "acme/field" pot: POT_LIMIT unenforced: 6 }}
        labels {{ key: "campaign" value: "spring" }}
    """
    message = Parse(text, reservation_pb2.Reservation())
    server.script("GetReservation", authorization_pb2.GetReservationResponse(reservation=message))
    server.script("ListReservations", authorization_pb2.ListReservationsResponse(reservations=[message]))

    reservation = client.get_reservation("acme/field", "msg-1")

    assert reservation == answers.Reservation(
        account_id="acme/field",
        payer_id="acme",
        reservation_id="msg-1",
        state=terms.ReservationState.PENDING,
        credits=6,
        held=5,
        captured=4,
        restored=3,
        refunded=2,
        recipients_granted=2,
        price=answers.FrozenPrice(rate_card_id="default", rate_card_version=1, rule="sms", credits_per_recipient=3),
        create_time=NOON,
        expire_time=NOON,
        settle_time=None,
        settled_by=None,
        expiry_action=terms.ExpiryAction.RELEASE,
        draws=(
            answers.Draw(account_id="acme", pot=terms.Pot.WALLET, grants=(("g1", 4),), unfunded=2, unenforced=0),
            answers.Draw(account_id="acme/field", pot=terms.Pot.LIMIT, grants=(), unfunded=0, unenforced=6),
        ),
        labels={"campaign": "spring"},
    )
    assert list(client.list_reservations("acme", include_descendants=True)) == [reservation]


def test_accounts_tell_their_settings(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        account_id: "acme/field" display_name: "Field" status: ACCOUNT_STATUS_ACTIVE funding: FUNDING_PARENT
        enforcement: ENFORCEMENT_MONITOR overdraft_limit: 5 floor: 0 overage: OVERAGE_CAP
        limit_counts_inbound: true
        create_time {NOON_TEXT} update_time {NOON_TEXT}
    """
    message = Parse(text, accounts_pb2.Account())
    summary = accounts_pb2.AccountSummary(account=message)
    Parse(f"balance {BALANCE_TEXT}", summary)
    server.script("CreateAccount", accounts_pb2.CreateAccountResponse(account=message, replayed=True))
    server.script("GetAccount", accounts_pb2.GetAccountResponse(account=message))
    server.script("UpdateAccount", accounts_pb2.UpdateAccountResponse(account=message))
    server.script("ListAccounts", accounts_pb2.ListAccountsResponse(accounts=[summary]))

    account = client.get_account("acme/field")

    assert account == answers.Account(
        account_id="acme/field",
        display_name="Field",
        status=terms.AccountStatus.ACTIVE,
        funding=terms.Funding.PARENT,
        enforcement=terms.Enforcement.MONITOR,
        overdraft_limit=5,
        inbound_overdraft_limit=None,
        floor=0,
        late_commit=None,
        overage=terms.Overage.CAP,
        rate_card_id="",
        limit_counts_inbound=True,
        create_time=NOON,
        update_time=NOON,
    )
    assert client.create_account("acme/field") == answers.CreatedAccount(account=account, replayed=True)
    assert client.update_account("acme/field", display_name="Field") == account
    assert list(client.list_accounts()) == [answers.AccountSummary(account=account, balance=BALANCE)]


def test_closing_an_account_tells_what_is_gone(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        account {{ account_id: "acme" status: ACCOUNT_STATUS_CLOSED }} revoked: 7 written_off: 3 replayed: true
        balance {BALANCE_TEXT}
    """
    server.script("CloseAccount", Parse(text, accounts_pb2.CloseAccountResponse()))

    closed = client.close_account("acme")

    assert closed.account.status is terms.AccountStatus.CLOSED
    assert (closed.revoked, closed.written_off, closed.balance, closed.replayed) == (7, 3, BALANCE, True)


def test_a_balance_tells_grants_and_levels(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        balance {BALANCE_TEXT}
        grants {{
          grant_id: "g1" account_id: "acme" kind: GRANT_KIND_PLAN remaining: 1 held: 2 priority: 3
          scope {{ channels: CHANNEL_SMS regions: "US" }} expire_time {NOON_TEXT}
        }}
        levels {{
          account_id: "acme" pays: true enforcement: ENFORCEMENT_ENFORCE status: ACCOUNT_STATUS_ACTIVE
          available: 1 reserved: 2 debt: 3 limit_left: 4 limit_reserved: 5
        }}
    """
    server.script("GetBalance", Parse(text, accounts_pb2.GetBalanceResponse()))

    assert client.get_balance("acme/field") == answers.Standing(
        balance=BALANCE,
        grants=(
            answers.GrantBalance(
                grant_id="g1",
                account_id="acme",
                kind=terms.GrantKind.PLAN,
                remaining=1,
                held=2,
                priority=3,
                scope=answers.Scope(channels=(Channel.SMS,), regions=("US",)),
                effective_time=None,
                expire_time=NOON,
            ),
        ),
        levels=(
            answers.LevelBalance(
                account_id="acme",
                pays=True,
                enforcement=terms.Enforcement.ENFORCE,
                status=terms.AccountStatus.ACTIVE,
                available=1,
                reserved=2,
                debt=3,
                limit_left=4,
                limit_reserved=5,
            ),
        ),
    )


def test_grants_tell_what_became_of_them(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        account_id: "acme" grant_id: "g1" kind: GRANT_KIND_PURCHASED state: GRANT_STATE_LIVE amount: 15 remaining: 1
        held: 2 captured: 3 debt_repaid: 4 expired: 5 refunded: 7 revoked: 8 moved: 9
        create_time {NOON_TEXT} effective_time {NOON_TEXT} priority: 6
        actor: "ann" reference: "invoice" note: "thanks"
    """
    message = Parse(text, credits_pb2.CreditGrant())
    response = credits_pb2.GrantResponse(grant=message, debt_repaid=4, replayed=True)
    server.script("Grant", Parse(f"balance {BALANCE_TEXT}", response))
    revoked = credits_pb2.RevokeGrantResponse(grant=message, revoked=8, clawed_back=3, replayed=True)
    server.script("RevokeGrant", Parse(f"balance {BALANCE_TEXT}", revoked))
    server.script("ListGrants", credits_pb2.ListGrantsResponse(grants=[message]))

    grant = answers.CreditGrant(
        account_id="acme",
        grant_id="g1",
        kind=terms.GrantKind.PURCHASED,
        state=terms.GrantState.LIVE,
        amount=15,
        remaining=1,
        held=2,
        captured=3,
        refunded=7,
        debt_repaid=4,
        expired=5,
        revoked=8,
        moved=9,
        create_time=NOON,
        effective_time=NOON,
        expire_time=None,
        priority=6,
        scope=answers.Scope(),
        actor="ann",
        reference="invoice",
        note="thanks",
    )
    assert client.grant("acme", 15) == answers.Granted(grant=grant, debt_repaid=4, balance=BALANCE, replayed=True)
    assert list(client.list_grants("acme")) == [grant]
    assert client.revoke_grant("acme", "g1", claw_back=True) == answers.Revoked(
        grant=grant, revoked=8, clawed_back=3, balance=BALANCE, replayed=True
    )


def test_a_transfer_tells_both_balances(server: FakeServer, client: creditgate.Client) -> None:
    response = credits_pb2.TransferResponse(credits=5, debt_repaid=2, replayed=True)
    response.target_balance.account_id = "acme/sales"
    server.script("Transfer", Parse(f"balance {BALANCE_TEXT}", response))

    transferred = client.transfer("acme/field", "acme/sales", 5)

    assert (transferred.credits, transferred.debt_repaid, transferred.replayed) == (5, 2, True)
    assert transferred.balance == BALANCE
    assert transferred.target_balance.account_id == "acme/sales"


def test_rate_cards_tell_their_rules(server: FakeServer, client: creditgate.Client) -> None:
    text = f"""
        rate_card_id: "legacy" version: 2 create_time {NOON_TEXT}
        rules {{
          name: "sms" channel: CHANNEL_SMS unit: RATE_UNIT_SEGMENT credits_per_unit: 2 regions: "US" maximum_segments: 3
        }}
    """
    message = Parse(text, rate_cards_pb2.RateCard())
    summary = rate_cards_pb2.RateCardSummary(rate_card_id="legacy", version=2, rule_count=1)
    server.script("PutRateCard", rate_cards_pb2.PutRateCardResponse(rate_card=message, replayed=True))
    server.script("GetRateCard", rate_cards_pb2.GetRateCardResponse(rate_card=message))
    server.script("ListRateCards", rate_cards_pb2.ListRateCardsResponse(rate_cards=[summary]))

    rule = Rule(
        name="sms", channel=Channel.SMS, unit=Unit.SEGMENT, credits_per_unit=2, regions=("US",), maximum_segments=3
    )
    card = answers.RateCardVersion(rate_card_id="legacy", version=2, rules=(rule,), create_time=NOON)
    assert client.get_rate_card("legacy") == card
    assert client.put_rate_card("legacy", [rule]) == answers.StoredRateCard(rate_card=card, replayed=True)
    assert list(client.list_rate_cards()) == [
        answers.RateCardSummary(rate_card_id="legacy", version=2, rule_count=1, create_time=None)
    ]


def test_a_list_asks_for_its_pages_as_it_goes(server: FakeServer, client: creditgate.Client) -> None:
    pages = [
        credits_pb2.ListGrantsResponse(grants=[credits_pb2.CreditGrant(grant_id=f"g{number}")], next_page_token=token)
        for number, token in enumerate(["after-g0", "after-g1", ""])
    ]
    server.script("ListGrants", *pages)

    grants = iter(client.list_grants("acme", include_ended=True, page_size=1))
    assert server.received == []
    assert next(grants).grant_id == "g0"
    assert len(server.received) == 1
    assert [grant.grant_id for grant in grants] == ["g1", "g2"]
    requests = [call.request for call in server.received]
    assert [request.page_token for request in requests] == ["", "after-g0", "after-g1"]
    assert {(request.account_id, request.include_ended, request.page_size) for request in requests} == {
        ("acme", True, 1)
    }


def test_answers_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BALANCE.available = 1  # type: ignore[misc]  # is what is tested
