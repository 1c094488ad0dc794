"""Requests about plans: what they may hold, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.pricing.usage import Channel
from creditgate.v1 import credits_pb2
from creditgate.v1 import plans_pb2 as pb
from creditgate.v1.usage_pb2 import CHANNEL_SMS
from creditgate_server.credit.operations import PlanTerms, Scope, SetPlan
from creditgate_server.credit.outcomes import Plan
from creditgate_server.credit.terms import Interval, RollOver
from creditgate_server.rpc.parse.plans import parse_set_plan
from creditgate_server.rpc.queries import GetAccount
from creditgate_server.rpc.render.plans import render_get_plan

Violations = Callable[[Callable[[Any], object], Message], dict[str, str]]

DAY_S = 86_400


def change(**fields: object) -> pb.SetPlanRequest:
    plan = pb.Plan(**{"plan_id": "basic", "credits": 100, "interval": pb.INTERVAL_MONTH} | fields)  # type: ignore[arg-type]
    return pb.SetPlanRequest(account_id="acme", change_id="c", plan=plan)


def test_a_plan_has_defaults() -> None:
    assert parse_set_plan(change()) == SetPlan("acme", "c", PlanTerms("basic", 100, Interval.MONTH))


def test_no_plan_is_a_cancellation() -> None:
    request = pb.SetPlanRequest(account_id="acme", change_id="c", at_period_end=True)
    assert parse_set_plan(request) == SetPlan("acme", "c", None, at_period_end=True)


def test_all_of_a_plan_is_read_and_rendered_as_it_was() -> None:
    request = change(
        anchor_time=Timestamp(),
        time_zone="Asia/Kathmandu",
        priority=-1000,
        scope=credits_pb2.Scope(channels=[CHANNEL_SMS], regions=["NZ"]),
        roll_over=pb.ROLL_OVER_CAPPED,
        roll_over_cap=10**9,
        roll_over_ttl=Duration(seconds=30 * DAY_S, nanos=1_000_000),
        roll_over_priority=1000,
    )
    terms = PlanTerms(
        plan_id="basic",
        credits=100,
        interval=Interval.MONTH,
        anchor_ms=0,
        time_zone="Asia/Kathmandu",
        priority=-1000,
        scope=Scope((Channel.SMS,), ("NZ",)),
        rollover=RollOver.CAPPED,
        rollover_cap=10**9,
        rollover_life_ms=30 * DAY_S * 1000 + 1,
        rollover_priority=1000,
    )
    assert parse_set_plan(request).terms == terms

    answer = render_get_plan(GetAccount("acme"), Plan(terms, 1000, 2000, "cg:1", terms, ends=False)).current_plan
    assert (answer.plan, answer.next_plan, answer.cancelled) == (request.plan, request.plan, False)
    ending = render_get_plan(GetAccount("acme"), Plan(terms, 1000, 2000, "cg:1", None, ends=True)).current_plan
    assert (ending.WhichOneof("next"), ending.cancelled) == ("cancelled", True)
    assert not render_get_plan(GetAccount("acme"), None).HasField("current_plan")


def test_what_rolls_over_burns_as_its_plan_does_unless_said_otherwise() -> None:
    terms = parse_set_plan(change(priority=7, roll_over=pb.ROLL_OVER_ALL)).terms
    assert terms is not None
    assert terms.rollover_priority == 7


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"plan_id": ""}, ("plan.plan_id", "is required")),
        ({"plan_id": "Basic"}, ("plan.plan_id", "must be 1 to 63")),
        ({"plan_id": "b" * 64}, ("plan.plan_id", "must be 1 to 63")),
        ({"credits": 0}, ("plan.credits", "must be 1 to 1,000,000,000")),
        ({"credits": 10**9 + 1}, ("plan.credits", "must be 1 to 1,000,000,000")),
        ({"interval": pb.INTERVAL_UNSPECIFIED}, ("plan.interval", "is required: DAY, WEEK, MONTH, YEAR")),
        ({"interval": 9}, ("plan.interval", "must be one of DAY")),
        ({"time_zone": "Mars/Olympus"}, ("plan.time_zone", "must be an IANA time zone")),
        ({"anchor_time": Timestamp(seconds=-1)}, ("plan.anchor_time", "must be in the years 1970 to 9997")),
        ({"priority": 1001}, ("plan.priority", "must be -1,000 to 1,000")),
        ({"scope": credits_pb2.Scope(regions=["UK"])}, ("plan.scope.regions", "must be an ISO 3166")),
        ({"roll_over": 4}, ("plan.roll_over", "must be one of NONE")),
        ({"roll_over": pb.ROLL_OVER_CAPPED}, ("plan.roll_over_cap", "must be 1 to 1,000,000,000")),
        ({"roll_over": pb.ROLL_OVER_ALL, "roll_over_cap": 1}, ("plan.roll_over_cap", "must be left out unless")),
        ({"roll_over_ttl": Duration(seconds=DAY_S)}, ("plan.roll_over_ttl", "must be left out where")),
        ({"roll_over_priority": 0}, ("plan.roll_over_priority", "must be left out where")),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], violation: tuple[str, str], violations: Violations) -> None:
    field, beginning = violation
    found = violations(parse_set_plan, change(**fields))
    assert list(found) == [field]
    assert found[field].startswith(beginning)


@pytest.mark.parametrize("seconds", [3599, 50 * 28 * DAY_S + 1])
def test_what_rolls_over_lives_for_an_hour_to_fifty_periods(seconds: int, violations: Violations) -> None:
    request = change(roll_over=pb.ROLL_OVER_ALL, roll_over_ttl=Duration(seconds=seconds))
    assert "must be 1 hour to 50 periods, here 1400 days" in violations(parse_set_plan, request)["plan.roll_over_ttl"]
