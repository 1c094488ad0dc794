"""Requests of `RateCardService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.pricing.rate_cards import VERSION_MAX, RateCard
from creditgate.pricing.rules import InvalidRateCard, Rule, Unit, check_rule
from creditgate_server.rpc.parse.accounts import RATE_CARD_ID, RATE_CARD_ID_RULE
from creditgate_server.rpc.parse.checks import Checks, InvalidRequest
from creditgate_server.rpc.parse.usage import CHANNELS, DIRECTIONS, PRIORITIES, parse_region
from creditgate_server.rpc.queries import GetRateCard, ListRateCards

if TYPE_CHECKING:
    from collections.abc import Mapping

    from creditgate.v1 import rate_cards_pb2 as pb

_UNITS: Final[Mapping[int, Unit]] = {int(term): term for term in Unit}

FIRST_VERSION: Final = 1


def parse_put_rate_card(request: pb.PutRateCardRequest) -> RateCard:
    """Read a rate card; its version here is a stand-in, for the ledger counts them.

    Of each rule the first number or text out of its bounds is named, once all terms are known.
    """
    checks = Checks()
    _check_id(request.rate_card_id, checks)
    rules = tuple(_parse_rule(f"rules[{at}]", rule, checks) for at, rule in enumerate(request.rules))
    checks.finish()
    for at, rule in enumerate(rules):
        try:
            check_rule(f"rules[{at}]", rule)
        except InvalidRateCard as error:
            checks.refuse(error.field, error.message)
    checks.finish()
    try:
        return RateCard(request.rate_card_id, FIRST_VERSION, rules)
    except InvalidRateCard as error:
        raise InvalidRequest(((error.field, error.message),)) from error


def parse_get_rate_card(request: pb.GetRateCardRequest) -> GetRateCard:
    """Read a request for a version of a rate card."""
    checks = Checks()
    _check_id(request.rate_card_id, checks)
    query = GetRateCard(request.rate_card_id, checks.whole_number("version", request.version, 0, VERSION_MAX))
    checks.finish()
    return query


def parse_list_rate_cards(request: pb.ListRateCardsRequest) -> ListRateCards:
    """Read a request for a page of rate cards."""
    checks = Checks()
    query = ListRateCards(
        page_size=checks.page_size("page_size", request.page_size),
        page_token=checks.page_token("page_token", request.page_token),
    )
    checks.finish()
    return query


def _check_id(rate_card_id: str, checks: Checks) -> None:
    if not RATE_CARD_ID.fullmatch(rate_card_id):
        checks.refuse("rate_card_id", RATE_CARD_ID_RULE)


def _parse_rule(path: str, rule: pb.RateRule, checks: Checks) -> Rule:
    """Read a rule's terms; its numbers and texts are checked once all terms are known."""
    return Rule(
        name=rule.name,
        unit=checks.term(f"{path}.unit", rule.unit, _UNITS),
        credits_per_unit=rule.credits_per_unit,
        channel=checks.term(f"{path}.channel", rule.channel, CHANNELS) if rule.channel else None,
        direction=checks.term(f"{path}.direction", rule.direction, DIRECTIONS) if rule.direction else None,
        regions=tuple(parse_region(f"{path}.regions", region, checks) for region in rule.regions),
        priority=checks.term(f"{path}.priority", rule.priority, PRIORITIES) if rule.priority else None,
        block_size=rule.block_size,
        minimum_credits=rule.minimum_credits,
        maximum_segments=rule.maximum_segments or None,
    )
