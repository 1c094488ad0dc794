"""What the server answers, as immutable records. Amounts are whole credits; times are aware and in UTC."""

from creditgate.answers.accounts import Account, AccountSummary, ClosedAccount, CreatedAccount
from creditgate.answers.authorizations import (
    Charged,
    CheaperSpelling,
    Committed,
    Cost,
    Decided,
    Denial,
    Extended,
    Quoted,
    Refunded,
    Released,
    Reserved,
)
from creditgate.answers.balances import Balance, GrantBalance, LevelBalance, Scope, Standing
from creditgate.answers.credits import CreditGrant, Granted, Revoked, Transferred
from creditgate.answers.explanations import Explanation, GrantExplanation, LimitExplanation, RateExplanation
from creditgate.answers.plans import CurrentPlan, Plan, PlanSet
from creditgate.answers.rate_cards import RateCardSummary, RateCardVersion, StoredRateCard
from creditgate.answers.reservations import Draw, FrozenPrice, Reservation

__all__ = [
    "Account",
    "AccountSummary",
    "Balance",
    "Charged",
    "CheaperSpelling",
    "ClosedAccount",
    "Committed",
    "Cost",
    "CreatedAccount",
    "CreditGrant",
    "CurrentPlan",
    "Decided",
    "Denial",
    "Draw",
    "Explanation",
    "Extended",
    "FrozenPrice",
    "GrantBalance",
    "GrantExplanation",
    "Granted",
    "LevelBalance",
    "LimitExplanation",
    "Plan",
    "PlanSet",
    "Quoted",
    "RateCardSummary",
    "RateCardVersion",
    "RateExplanation",
    "Refunded",
    "Released",
    "Reservation",
    "Reserved",
    "Revoked",
    "Scope",
    "Standing",
    "StoredRateCard",
    "Transferred",
]
