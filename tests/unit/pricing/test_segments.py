"""Segments of a text: the boundaries of both encodings, and an independent calculator on arbitrary texts."""

# ruff: noqa: RUF001 - characters that look like others are what it is about

import csv
import os
from pathlib import Path

import pytest
import smsutil
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate.pricing.gsm7 import BASIC, EXTENSION
from creditgate.pricing.segments import (
    FORCED_UCS_2_MAX,
    GSM_7_UNITS_ALONE,
    GSM_7_UNITS_EACH,
    UCS_2_UNITS_ALONE,
    UCS_2_UNITS_EACH,
    count,
)
from creditgate.pricing.usage import Encoding

EMOJI = "😀"
LONE_SURROGATES = ["\ud83d", "\ude00", "abc \udfff def", "\ud83d" + "\ude00"]


def test_an_empty_body_is_one_segment() -> None:
    counted = count("")

    assert counted.segments == 1
    assert counted.encoding is Encoding.GSM_7
    assert counted.characters == 0
    assert counted.characters_left_in_segment == GSM_7_UNITS_ALONE


@pytest.mark.parametrize(
    ("characters", "segments", "left"),
    [
        (1, 1, 159),
        (159, 1, 1),
        (160, 1, 0),
        (161, 2, 145),
        (306, 2, 0),
        (307, 3, 152),
        (459, 3, 0),
        (460, 4, 152),
    ],
)
def test_gsm_7_takes_160_septets_alone_and_153_in_each_of_several(characters: int, segments: int, left: int) -> None:
    counted = count("a" * characters)

    assert counted.encoding is Encoding.GSM_7
    assert counted.units == characters
    assert (counted.segments, counted.characters_left_in_segment) == (segments, left)


@pytest.mark.parametrize(
    ("characters", "segments", "left"),
    [(1, 1, 69), (70, 1, 0), (71, 2, 63), (134, 2, 0), (135, 3, 66), (201, 3, 0), (202, 4, 66)],
)
def test_ucs_2_takes_70_code_units_alone_and_67_in_each_of_several(characters: int, segments: int, left: int) -> None:
    counted = count("я" * characters)

    assert counted.encoding is Encoding.UCS_2
    assert counted.units == characters
    assert (counted.segments, counted.characters_left_in_segment) == (segments, left)


@pytest.mark.parametrize("character", EXTENSION)
def test_an_extension_character_costs_two_septets(character: str) -> None:
    counted = count(character)

    assert counted.encoding is Encoding.GSM_7
    assert (counted.characters, counted.units) == (1, 2)
    assert count(character * 80).segments == 1
    assert count(character * 80 + "a").segments == 2


@pytest.mark.parametrize("character", BASIC)
def test_a_character_of_the_default_alphabet_costs_one_septet(character: str) -> None:
    assert count(character).encoding is Encoding.GSM_7
    assert count(character).units == 1


def test_an_escape_pair_that_meets_the_end_of_a_segment_moves_to_the_next() -> None:
    before = "a" * (GSM_7_UNITS_EACH - 1)

    fitting = count("a" + before + "€" + "a" * (GSM_7_UNITS_EACH - 2))
    split_by_it = count(before + "€" + "a" * (GSM_7_UNITS_EACH - 1))

    assert fitting.units == split_by_it.units == 2 * GSM_7_UNITS_EACH
    assert (fitting.segments, fitting.characters_left_in_segment) == (2, 0)
    assert (split_by_it.segments, split_by_it.characters_left_in_segment) == (3, GSM_7_UNITS_EACH - 1)


def test_a_text_of_extension_characters_alone_leaves_one_septet_of_every_segment_empty() -> None:
    # 76 pairs fill 152 of 153 septets.
    assert count("€" * 152).segments == 2
    assert count("€" * 153).segments == 3
    assert count("€" * 152).characters_left_in_segment == 1


def test_a_character_beyond_the_basic_plane_costs_two_code_units() -> None:
    counted = count(EMOJI * 35)

    assert (counted.characters, counted.units) == (35, UCS_2_UNITS_ALONE)
    assert (counted.segments, counted.characters_left_in_segment) == (1, 0)
    assert count(EMOJI * 36).segments == 2


def test_a_surrogate_pair_that_meets_the_end_of_a_segment_moves_to_the_next() -> None:
    before = "я" * (UCS_2_UNITS_EACH - 1)

    fitting = count("я" + before + EMOJI + "я" * (UCS_2_UNITS_EACH - 2))
    split_by_it = count(before + EMOJI + "я" * (UCS_2_UNITS_EACH - 1))

    assert fitting.units == split_by_it.units == 2 * UCS_2_UNITS_EACH
    assert (fitting.segments, fitting.characters_left_in_segment) == (2, 0)
    assert (split_by_it.segments, split_by_it.characters_left_in_segment) == (3, UCS_2_UNITS_EACH - 1)


def test_an_extension_character_in_a_ucs_2_text_costs_one_code_unit() -> None:
    assert count("я€").units == 2


def test_a_line_end_of_two_characters_is_two_septets() -> None:
    assert count("\r\n" * 80).segments == 1
    assert count("\r\n" * 80 + "a").segments == 2


@pytest.mark.parametrize("character", ["`", "\t", "\x1b", "\x00", "á", "ç", "’", "\u00a0", "я", "中", EMOJI])
def test_a_character_outside_gsm_7_forces_ucs_2_and_is_named(character: str) -> None:
    counted = count(f"abc {character} def")

    assert counted.encoding is Encoding.UCS_2
    assert counted.forced_ucs2 == (character,)


def test_characters_that_forced_ucs_2_are_named_once_in_order_of_appearance() -> None:
    assert count("ж😀a’ж€’😀").forced_ucs2 == ("ж", "😀", "’")


def test_only_so_many_characters_that_forced_ucs_2_are_named() -> None:
    alphabet = "".join(map(chr, range(0x0430, 0x0450)))

    assert count(alphabet).forced_ucs2 == tuple(alphabet[:FORCED_UCS_2_MAX])


@pytest.mark.parametrize("body", LONE_SURROGATES, ids=range(4))
def test_a_lone_surrogate_is_refused(body: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        count(body)


def test_a_very_long_body_is_counted() -> None:
    assert count("a" * 153 * 1000).segments == 1000
    assert count(EMOJI * 33 * 1000).segments == 1000


def _agrees_with_smsutil(body: str) -> None:
    """Compare with smsutil, which calls a part's septets or octets its bytes.

    It differs in two cases, which are tested above: it takes U+001B, which stands for the escape itself, for a
    character of the alphabet, and it sends an empty text in UCS-2.
    """
    expected = smsutil.split(body)
    gsm_7 = expected.encoding == "gsm0338"
    last_units = expected.parts[-1].bytes if gsm_7 else expected.parts[-1].bytes // 2
    if len(expected.parts) == 1:
        capacity = GSM_7_UNITS_ALONE if gsm_7 else UCS_2_UNITS_ALONE
    else:
        capacity = GSM_7_UNITS_EACH if gsm_7 else UCS_2_UNITS_EACH

    counted = count(body)

    assert counted.encoding is (Encoding.GSM_7 if gsm_7 else Encoding.UCS_2)
    assert counted.segments == len(expected.parts)
    assert counted.characters == expected.total_length
    assert counted.units == expected.total_bytes // (1 if gsm_7 else 2)
    assert counted.characters_left_in_segment == capacity - last_units


GSM_7_CHARACTERS = st.sampled_from(BASIC) | st.sampled_from(EXTENSION)
ANY_CHARACTERS = st.one_of(
    GSM_7_CHARACTERS,
    st.sampled_from("áâãçêíóõúŁżğış"),
    st.sampled_from("абвгдежзийклмн中文字かな한글עבעربي"),
    st.sampled_from("’“”–—…\u00a0\u200b\t`"),
    st.sampled_from("😀👍🏽🇬🇧👨‍👩‍👧❤️"),
    st.characters(exclude_characters="\x1b", exclude_categories=["Cs"]),
)


def _texts(characters: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts made of runs, long enough to reach the boundaries of several segments."""
    run = st.tuples(characters, st.integers(1, 160)).map(lambda pair: pair[0] * pair[1])
    return st.lists(st.text(characters, min_size=1, max_size=20) | run, min_size=1, max_size=12).map("".join)


@settings(deadline=None, max_examples=300)
@given(_texts(GSM_7_CHARACTERS))
def test_agrees_with_an_independent_calculator_on_gsm_7(body: str) -> None:
    _agrees_with_smsutil(body)


@settings(deadline=None, max_examples=300)
@given(_texts(ANY_CHARACTERS))
def test_agrees_with_an_independent_calculator_on_mixed_alphabets(body: str) -> None:
    _agrees_with_smsutil(body)


def test_agrees_with_an_independent_calculator_on_real_texts() -> None:
    file = os.environ.get("CREDITGATE_TEST_SMS_FILE")
    if not file:
        pytest.skip("CREDITGATE_TEST_SMS_FILE is not set: no real texts to compare segments on")
    with Path(file).open(encoding="utf-8", newline="") as lines:
        bodies = [row[-1] for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if row]

    assert bodies
    for body in bodies:
        _agrees_with_smsutil(body)
