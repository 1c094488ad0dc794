"""Rate cards in YAML: what is read, and that each mistake is named with file, line, field and remedy."""

import textwrap

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate.pricing import Channel, Direction, Priority, RateCard, Rule, Unit
from creditgate_server import rate_card_file
from creditgate_server.rate_card_file import FILE_CHARACTERS_MAX, RateCardFileError, load_rate_card

CARD = """\
id: acme
rules:
  # Campaigns, at most three segments.
  - name: sms-bulk
    channel: SMS
    direction: OUTBOUND
    regions: [US, CA]
    priority: BULK
    unit: SEGMENT
    credits_per_unit: 1
    maximum_segments: 3
  - name: mms
    channel: MMS
    unit: BLOCK
    block_size: 1600
    credits_per_unit: 2
    minimum_credits: 2
"""


def load(text: str) -> RateCard:
    return load_rate_card(textwrap.dedent(text), "cards/acme.yaml")


def refusal(text: str) -> RateCardFileError:
    with pytest.raises(RateCardFileError) as refused:
        load(text)
    return refused.value


def test_a_file_is_read_into_a_card() -> None:
    assert load(CARD) == RateCard(
        "acme",
        1,
        (
            Rule(
                name="sms-bulk",
                channel=Channel.SMS,
                direction=Direction.OUTBOUND,
                regions=("US", "CA"),
                priority=Priority.BULK,
                unit=Unit.SEGMENT,
                credits_per_unit=1,
                maximum_segments=3,
            ),
            Rule(
                name="mms",
                channel=Channel.MMS,
                unit=Unit.BLOCK,
                block_size=1600,
                credits_per_unit=2,
                minimum_credits=2,
            ),
        ),
    )


def test_the_documented_example_is_a_card() -> None:
    documentation = rate_card_file.__doc__
    assert documentation is not None
    example = documentation.partition("```yaml\n")[2].partition("```")[0]

    assert load(example) == load(CARD)


def test_norway_is_a_region() -> None:
    assert load(CARD.replace("[US, CA]", "[NO, SE]")).rules[0].regions == ("NO", "SE")


@pytest.mark.parametrize(
    ("was", "becomes", "line", "field", "message"),
    [
        ("id: acme", "id: Acme", 1, "id", "must be 1 to 63 of a-z"),
        ("id: acme", "id:", 1, "id", "has no value: give one or remove the line"),
        ("id: acme", "id: [acme]", 1, "id", "must be a single value"),
        ("id: acme", "name: acme", 1, "", "has no key 'name': use id, rules"),
        ("id: acme", "id: acme\nversion: 2", 2, "", "has no key 'version': use id, rules"),
        ("id: acme\n", "", 1, "", "lacks id"),
        ("channel: SMS", "channel: sms", 5, "rules[0].channel", "must be one of SMS, MMS, VOICE"),
        ("channel: SMS", "chanel: SMS", 5, "rules[0]", "has no key 'chanel': is it channel?"),
        ("channel: SMS", "region: US", 5, "rules[0]", "has no key 'region': is it regions?"),
        ("channel: SMS", "unit: SEGMENT", 9, "rules[0]", "key unit is already given in line 5"),
        ("direction: OUTBOUND", "direction: true", 6, "rules[0].direction", "must be one of OUTBOUND, INBOUND"),
        ("[US, CA]", "US", 7, "rules[0].regions", "must be a list"),
        ("[US, CA]", "[]", 7, "rules[0].regions", "is an empty list"),
        ("[US, CA]", "[US, UK]", 7, "rules[0].regions[1]", "'UK' is not an ISO 3166 alpha-2 code"),
        ("[US, CA]", "\n    - US\n    - US", 9, "rules[0].regions[1]", "US is listed twice"),
        ("priority: BULK", "priority: LOW", 8, "rules[0].priority", "must be one of TRANSACTIONAL, BULK, not 'LOW'"),
        ("unit: SEGMENT", "unit: {SEGMENT: 1}", 9, "rules[0].unit", "must be a single value"),
        ("    unit: BLOCK\n", "", 12, "rules[1]", "lacks unit"),
        ("maximum_segments: 3", "maximum_segments: three", 11, "rules[0].maximum_segments", "must be a whole number"),
        ("maximum_segments: 3", "maximum_segments: 0", 11, "rules[0].maximum_segments", "must be 1 to 255"),
        ("name: mms", "name: sms-bulk", 12, "rules[1].name", "is already the name of rules[0]"),
        ("block_size: 1600", "block_size: 0", 15, "rules[1].block_size", "must be 1 to 100000"),
        ("    block_size: 1600\n", "", 12, "rules[1].block_size", "must be 1 to 100000"),
        ("credits_per_unit: 2", "credits_per_unit: 1.5", 16, "rules[1].credits_per_unit", "must be a whole number"),
        ("credits_per_unit: 2", 'credits_per_unit: "2"', 16, "rules[1].credits_per_unit", "plain digits, not '2'"),
        ("credits_per_unit: 2", "credits_per_unit: 0x10", 16, "rules[1].credits_per_unit", "plain digits"),
        ("credits_per_unit: 2", "credits_per_unit: 010", 16, "rules[1].credits_per_unit", "plain digits"),
        ("credits_per_unit: 2", "credits_per_unit: 1_000", 16, "rules[1].credits_per_unit", "plain digits"),
        ("credits_per_unit: 2", "credits_per_unit: 1:30", 16, "rules[1].credits_per_unit", "plain digits"),
        ("credits_per_unit: 2", f"credits_per_unit: {'9' * 5000}", 16, "rules[1].credits_per_unit", "plain digits"),
        ("credits_per_unit: 2", "credits_per_unit: -2", 16, "rules[1].credits_per_unit", "must be 0 to 1000000000"),
        ("credits_per_unit: 2", "credits_per_unit: true", 16, "rules[1].credits_per_unit", "not 'true'"),
    ],
)
def test_a_wrong_entry_is_named_with_line_field_and_remedy(
    was: str, becomes: str, line: int, field: str, message: str
) -> None:
    assert CARD.count(was) == 1

    error = refusal(CARD.replace(was, becomes))

    assert (error.line, error.field) == (line, field)
    assert message in error.message
    place = f"cards/acme.yaml:{line}: {field}: " if field else f"cards/acme.yaml:{line}: "
    assert str(error) == place + error.message


def test_a_rule_that_never_applies_is_named_with_its_line() -> None:
    error = refusal(
        """\
        id: acme
        rules:
          - {name: any, unit: MESSAGE, credits_per_unit: 1}

          - {name: sms, channel: SMS, unit: SEGMENT, credits_per_unit: 1}
        """
    )

    assert (error.line, error.field) == (5, "rules[1]")
    assert "never applies" in error.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "is empty"),
        ("# nothing here\n", 1, "is empty"),
        ("acme\n", 1, "must be a mapping with the keys id, rules"),
        ("- acme\n", 1, "must be a mapping with the keys id, rules"),
        ("id: acme\nrules: [\n", 3, "is not valid YAML"),
        ("id: acme\n\trules: []\n", 2, "is not valid YAML"),
        ("id: acme\nrules: *none\n", 2, "is not valid YAML"),
        ('id: "acme\n', 2, "is not valid YAML"),
        ("id: acme\n---\nid: other\n", 2, "is not valid YAML"),
        ("id: acme\nrules: \x00\n", 2, "has a character that YAML forbids, U+0000"),
        ("id: acme\nrules:\n  - one\n", 3, "must be a mapping with the keys name, unit, credits_per_unit"),
        ("id: acme\n? [a]\n: 1\n", 2, "has no key ''"),
        ("[" * 10_000, 1, "is nested too deeply"),
        ("#" * (FILE_CHARACTERS_MAX + 1), 1, "is longer than"),
    ],
    ids=range(14),
)
def test_a_file_that_is_no_card_is_named_with_its_line(text: str, line: int, message: str) -> None:
    error = refusal(text)

    assert error.line == line
    assert message in error.message
    assert str(error).startswith(f"cards/acme.yaml:{line}: ")


YAML = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "rules", "name", "unit"]), inner),
).map(yaml.safe_dump)


@settings(deadline=None)
@given(st.text() | YAML)
def test_whatever_is_no_card_is_refused_with_a_line(text: str) -> None:
    with pytest.raises(RateCardFileError) as refused:
        load_rate_card(text, "card.yaml")
    assert refused.value.line >= 1
