"""The rate card of an account that was given no other: 1 credit is 1 SMS segment, in and out."""

from __future__ import annotations

from typing import Final

from creditgate.pricing.rate_cards import RateCard, Rule, Unit
from creditgate.pricing.usage import Channel

DEFAULT_RATE_CARD: Final = RateCard(
    id="default",
    version=1,
    rules=(
        Rule(name="sms", channel=Channel.SMS, unit=Unit.SEGMENT, credits_per_unit=1),
        Rule(name="mms", channel=Channel.MMS, unit=Unit.BLOCK, block_size=1600, credits_per_unit=2),
        Rule(name="voice", channel=Channel.VOICE, unit=Unit.MINUTE, credits_per_unit=1),
        Rule(name="ringless-voicemail", channel=Channel.RINGLESS_VOICEMAIL, unit=Unit.DROP, credits_per_unit=2),
        Rule(name="textbot", channel=Channel.TEXTBOT, unit=Unit.SEGMENT, credits_per_unit=1),
        Rule(name="transcript", channel=Channel.TRANSCRIPT, unit=Unit.MINUTE, credits_per_unit=1),
        Rule(name="integration", channel=Channel.INTEGRATION, unit=Unit.MESSAGE, credits_per_unit=1),
    ),
)
"""The same in both directions, every region and either priority. A changed price is a new version."""
