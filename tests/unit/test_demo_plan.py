"""The plan of the demo: whatever the messages, every part of the story happens, and the credits run out on purpose."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from creditgate.pricing.usage import Direction
from creditgate_server.cli.demo_examples import choose_examples
from creditgate_server.cli.demo_messages import Message, read_sample
from creditgate_server.cli.demo_plan import FIELD, OUTBOUND_MIN, SALES, cost, make_plan

MESSAGES = st.lists(
    st.builds(
        Message,
        text=st.text("ab😀", min_size=1, max_size=200),
        direction=st.sampled_from([Direction.OUTBOUND, Direction.INBOUND, None]),
    ),
    min_size=1,
    max_size=60,
)


@given(MESSAGES)
def test_every_part_of_the_story_has_messages(messages: list[Message]) -> None:
    plan, _ = make_plan(messages)

    for part in (plan.opening, plan.stopped, plan.closing, plan.unfunded, plan.replies):
        assert part
    assert any(delivery.is_refused_once for delivery in plan.opening)
    assert plan.messages % len(messages) == 0
    assert len(plan.outbound) >= OUTBOUND_MIN - 1


@given(MESSAGES)
def test_credits_and_allotment_last_exactly_as_long_as_they_shall(messages: list[Message]) -> None:
    plan, _ = make_plan(messages)

    assert {delivery.account_id for delivery in plan.stopped} == {FIELD}
    assert {delivery.account_id for delivery in (*plan.closing, *plan.unfunded)} == {SALES}
    assert plan.purchase == cost((*plan.opening, *plan.closing))
    assert plan.allotment == cost(delivery for delivery in plan.opening if delivery.account_id == FIELD)
    assert plan.top_up >= cost(plan.replies) + cost(plan.unfunded)


@given(MESSAGES)
def test_every_message_has_an_id_of_its_own(messages: list[Message]) -> None:
    plan, _ = make_plan(messages)

    assert len({delivery.id for delivery in (*plan.outbound, *plan.replies)}) == plan.messages


def test_directions_that_a_file_tells_are_kept() -> None:
    messages = read_sample().messages
    plan, notes = make_plan(messages)

    received = {message.text for message in messages if message.direction is Direction.INBOUND}
    assert {reply.text for reply in plan.replies} == received
    assert notes == []


def test_where_nothing_tells_directions_every_tenth_message_is_a_reply_and_that_is_said() -> None:
    plan, (note,) = make_plan([Message(f"message {number}") for number in range(1, 41)])

    assert {reply.text for reply in plan.replies} == {"message 10", "message 20", "message 30", "message 40"}
    assert "every 10th message" in note


def test_few_texts_are_all_shown_as_they_come() -> None:
    assert choose_examples(map(Message, ["c", "π", "c", "b"])) == ["c", "π", "b"]


def test_examples_show_each_kind_of_price_once() -> None:
    plain = ["b", "c", "d", "e", "f", "g"]
    assert choose_examples(map(Message, ["π", "😀", "“a”" * 30, "a" * 161, "é", *plain])) == [
        "b",
        "é",
        "a" * 161,
        "“a”" * 30,
        "😀",
        "π",
    ]
