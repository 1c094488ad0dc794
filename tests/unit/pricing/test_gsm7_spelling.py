"""The GSM-7 spelling that is offered for a text in UCS-2: cheaper, and the same to a reader."""

# ruff: noqa: RUF001 - characters that look like others are what it is about

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate.pricing.gsm7 import BASIC, EXTENSION, SPELLINGS
from creditgate.pricing.segments import count, suggest_gsm7
from creditgate.pricing.usage import Encoding

FILLER = "x" * 80


@pytest.mark.parametrize(
    ("pasted", "spelled"),
    [
        ("It’s “fine”", 'It\'s "fine"'),
        ("‘one’ ‚two‛ „three‟ «four»", "'one' 'two' \"three\" \"four\""),
        ("9–5 — or so", "9-5 - or so"),
        ("wait…", "wait..."),
        ("10\u00a0€\u202fnet", "10 € net"),
        ("in\u200bvis\u00adi\ufeffble\u2060", "invisible"),
        ("one\u2028two", "one\ntwo"),
        ("a\tb", "a b"),
        ("`code`", "'code'"),
        ("• item", "- item"),
    ],
)
def test_what_word_processors_paste_is_spelled_in_gsm_7(pasted: str, spelled: str) -> None:
    suggestion = suggest_gsm7(pasted + FILLER)

    assert suggestion is not None
    assert suggestion.text == spelled + FILLER
    assert suggestion.count == count(spelled + FILLER)
    assert suggestion.count.encoding is Encoding.GSM_7
    assert suggestion.count.segments < count(pasted + FILLER).segments


def test_letters_split_from_their_accents_are_joined() -> None:
    # Text copied from a PDF or a file name of macOS arrives decomposed.
    suggestion = suggest_gsm7("cafe\u0301 A\u030angstro\u0308m " + FILLER)

    assert suggestion is not None
    assert suggestion.text == "café Ångström " + FILLER


@pytest.mark.parametrize("character", ["á", "ç", "ж", "中", "😀", "™", "½", "a\u0301"])
def test_nothing_is_offered_while_another_character_forces_ucs_2(character: str) -> None:
    assert suggest_gsm7(f"“quoted” {character} " + FILLER) is None


def test_nothing_is_offered_for_a_text_that_is_gsm_7_already() -> None:
    assert suggest_gsm7("plain " * 60) is None


def test_nothing_is_offered_that_would_not_save_a_segment() -> None:
    assert suggest_gsm7("It’s short") is None
    assert suggest_gsm7("…" * 71) is None


def test_a_count_that_the_caller_has_is_used() -> None:
    body = "It’s " + FILLER

    assert suggest_gsm7(body, count(body)) == suggest_gsm7(body)


def test_a_suggestion_does_not_show_its_text_when_printed() -> None:
    suggestion = suggest_gsm7("It’s a secret " + FILLER)

    assert "secret" not in repr(suggestion)


@pytest.mark.parametrize("character", SPELLINGS)
def test_only_punctuation_and_white_space_have_a_spelling(character: str) -> None:
    assert unicodedata.category(character)[0] not in "LMN"
    assert character not in BASIC + EXTENSION
    assert set(SPELLINGS[character]) <= set(BASIC)


@settings(deadline=None)
@given(st.text(st.sampled_from([*BASIC, *EXTENSION, *SPELLINGS, "á", "é", "ж", "😀"]), min_size=71, max_size=400))
def test_an_offered_spelling_is_gsm_7_saves_a_segment_and_keeps_every_letter(body: str) -> None:
    suggestion = suggest_gsm7(body)

    if suggestion is not None:
        assert suggestion.count == count(suggestion.text)
        assert suggestion.count.encoding is Encoding.GSM_7
        assert suggestion.count.segments < count(body).segments
        assert [c for c in suggestion.text if c.isalnum()] == [c for c in body if c.isalnum()]
