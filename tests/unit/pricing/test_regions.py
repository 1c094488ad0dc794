"""Regions of numbers: the generated table against the library that it was built from."""

import random
import re
import subprocess
import sys
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType
from phonenumbers.phonenumberutil import COUNTRY_CODE_TO_REGION_CODE

from creditgate.pricing.regions import is_e164, is_region, is_short_code, region_of

REPOSITORY = Path(__file__).resolve().parents[3]
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
NUMBER_TYPES = [number_type for number_type in PhoneNumberType.values() if number_type != PhoneNumberType.UNKNOWN]
SHARED_CODE_REGIONS = sorted(
    region for regions in COUNTRY_CODE_TO_REGION_CODE.values() if len(regions) > 1 for region in regions
)


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _assert_same_region(e164: str) -> None:
    """Compare with the library, unless it knows no region or the number is one of the documented differences."""
    number = phonenumbers.parse(e164)
    expected = phonenumbers.region_code_for_number(number)
    canadian_without_area_code = e164.startswith("+1310") and len(e164) == len("+13101234")
    if expected is None or _e164(number) != e164 or not is_e164(e164) or canadian_without_area_code:
        return
    assert region_of(e164) == expected, e164


@pytest.mark.parametrize("region", REGIONS)
def test_example_numbers_of_every_region_and_kind_have_the_region_that_the_library_tells(region: str) -> None:
    examples = [phonenumbers.example_number(region)]
    examples += [phonenumbers.example_number_for_type(region, number_type) for number_type in NUMBER_TYPES]
    known = [_e164(number) for number in examples if number is not None]

    assert known
    for e164 in known:
        _assert_same_region(e164)


@pytest.mark.parametrize("region", REGIONS)
def test_neighbours_of_the_example_numbers_have_the_region_that_the_library_tells(region: str) -> None:
    random_digits = random.Random(region)
    for number_type in NUMBER_TYPES:
        example = phonenumbers.example_number_for_type(region, number_type)
        if example is None:
            continue
        e164 = _e164(example)
        for kept in range(len(f"+{example.country_code}"), len(e164)):
            _assert_same_region(e164[:kept] + "".join(random_digits.choices("0123456789", k=len(e164) - kept)))


def test_every_area_code_of_north_america_has_the_region_that_the_library_tells() -> None:
    for area_code in range(200, 1000):
        _assert_same_region(f"+1{area_code}2345678")


@settings(deadline=None, max_examples=500)
@given(st.sampled_from(SHARED_CODE_REGIONS), st.data())
def test_numbers_of_plans_that_share_a_calling_code_have_the_region_that_the_library_tells(
    region: str, data: st.DataObject
) -> None:
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    kinds = [metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.voip, metadata.uan]
    patterns = [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    pattern = re.compile(data.draw(st.sampled_from(patterns)), re.ASCII)

    national = data.draw(st.from_regex(pattern, fullmatch=True))

    _assert_same_region(f"+{metadata.country_code}{national}")


@pytest.mark.parametrize(
    ("number", "region"),
    [
        ("+12125550123", "US"),
        ("+14165550123", "CA"),
        ("+18765550123", "JM"),
        ("+442079460123", "GB"),
        ("+441481960194", "GG"),
        ("+447797712345", "JE"),
        ("+74951234567", "RU"),
        ("+77012345678", "KZ"),
        ("+390669812345", "VA"),
        ("+390612345678", "IT"),
        ("+35818123456", "AX"),
        ("+61891621234", "CC"),
        ("+61412345678", "AU"),
        ("+64211234567", "NZ"),
        ("+2475123456", "AC"),
    ],
)
def test_a_number_has_the_region_of_its_longest_prefix(number: str, region: str) -> None:
    assert region_of(number) == region


def test_an_unassigned_number_has_the_region_of_its_calling_code() -> None:
    assert phonenumbers.region_code_for_number(phonenumbers.parse("+15552345678")) is None
    assert region_of("+15552345678") == "US"


def test_canadian_numbers_without_an_area_code_are_taken_for_the_main_region() -> None:
    assert phonenumbers.region_code_for_number(phonenumbers.parse("+13104567")) == "CA"
    assert region_of("+13104567") == "US"


@pytest.mark.parametrize("number", ["+80012345678", "+881612345678", "+882161234567", "+99912345678", "+2101234567"])
def test_a_calling_code_without_a_country_has_no_region(number: str) -> None:
    assert is_e164(number)
    assert region_of(number) is None


@pytest.mark.parametrize("number", ["", "+", "12025550123", "+02025550123", "+1 202 555 0123", "+1202555012a", "72345"])
def test_what_is_not_e164_has_no_region(number: str) -> None:
    assert not is_e164(number)
    assert region_of(number) is None


@pytest.mark.parametrize("number", ["+12345", "+1234567890123456", "+١٢٠٢٥٥٥٠١٢٣", "+12025550123\n"])
def test_e164_is_a_plus_sign_and_6_to_15_ascii_digits(number: str) -> None:
    assert is_e164("+123456")
    assert is_e164("+123456789012345")
    assert not is_e164(number)


def test_a_short_code_is_3_to_8_digits() -> None:
    assert is_short_code("911")
    assert is_short_code("12345678")
    assert not any(map(is_short_code, ["", "12", "123456789", "+12345", "12a45", "12 45", "12345\n", "١٢٣٤٥"]))


def test_regions_are_the_iso_3166_codes_and_those_with_a_numbering_plan() -> None:
    assert all(map(is_region, REGIONS))
    assert all(map(is_region, ["AQ", "TF", "UM", "XK"]))
    assert not any(map(is_region, ["", "us", "UK", "EU", "ZZ", "USA", "U", "001"]))


def test_the_committed_table_is_what_the_generator_writes() -> None:
    generator = REPOSITORY / "scripts" / "generate_regions.py"

    check = subprocess.run([sys.executable, generator, "--check"], check=False, capture_output=True, text=True)

    assert (check.returncode, check.stderr) == (0, "")
