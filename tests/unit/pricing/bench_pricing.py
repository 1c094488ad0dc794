"""What pricing costs, in time: figures only, run on command with `pytest --benchmark-enable` and this file's path."""

# ruff: noqa: RUF001 - characters that look like others are what it is about

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from creditgate.pricing import DEFAULT_RATE_CARD, Body, Channel, Direction, Usage, count_segments, price, region_of

PLAIN = "Hello there, your appointment is on Monday at 10:30. Reply YES to confirm or NO to cancel. "
BODIES = {
    "gsm_7_ascii": PLAIN * 2,
    "gsm_7_extension": "Your code is [{}] ~ save 10€ today | see example.com/^sale ",
    "gsm_7_accents": "Où est l'été à Malmö? Größe 42, señor! ",
    "ucs_2_cyrillic": "Ваш заказ готов, заберите его до пятницы. ",
    "ucs_2_chinese": "您的预约时间是星期一上午十点半请回复确认",
    "ucs_2_emoji": "😀👍🏽🎉",
    "ucs_2_one_emoji": PLAIN * 2 + "😀",
    "ucs_2_typographic": "It’s “ready” — come in… we’re open 9–5\u00a0daily. ",
    "ucs_2_decomposed": "Cafe\u0301 Ma\u0308rz e\u0300 tutto. ",
}


def _body_of_160_characters(kind: str) -> str:
    # The last characters, so that the one emoji is among them.
    return (BODIES[kind] * 160)[: max(160, len(BODIES[kind]))][-160:]


@pytest.mark.parametrize("kind", BODIES)
def test_quote_of_a_body_of_160_characters(benchmark: BenchmarkFixture, kind: str) -> None:
    """Usage to price: count, rule, credits, notes and suggestion."""
    body = _body_of_160_characters(kind)
    assert len(body) == 160

    benchmark(lambda: price(DEFAULT_RATE_CARD, Usage(Channel.SMS, Direction.OUTBOUND, Body(body))))


@pytest.mark.parametrize("kind", BODIES)
def test_count_of_a_body_of_160_characters(benchmark: BenchmarkFixture, kind: str) -> None:
    benchmark(count_segments, _body_of_160_characters(kind))


def test_region_of_a_number(benchmark: BenchmarkFixture) -> None:
    assert benchmark(region_of, "+14165550123") == "CA"
