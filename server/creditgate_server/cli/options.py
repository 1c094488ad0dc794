"""Options that several commands share, and how they become the keywords of the client library."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Final, cast

from creditgate.fields import AccountFields, Traffic, UsageFields
from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate.terms import AccountStatus, Enforcement, Funding, LateCommit, Overage
from creditgate_server.cli.values import (
    choices,
    label,
    region,
    term,
    term_or_inherited,
    whole_number,
    whole_number_or_none,
    written,
)
from creditgate_server.options import OPTIONS

if TYPE_CHECKING:
    from argparse import _ActionsContainer, _MutuallyExclusiveGroup

STORE_OPTIONS: Final = frozenset({"data_dir", "redis_url"})
"""The options of the server that say where its store is."""


def choice(parser: ArgumentParser, flag: str, kind: type[IntEnum], explanation: str, default: IntEnum) -> None:
    """Add an option whose value is a member of an enumeration."""
    parser.add_argument(
        flag, type=term(kind), metavar=choices(kind), default=default, help=f"{explanation}; default {written(default)}"
    )


def scope(parser: ArgumentParser) -> None:
    """Add what credits may pay for, one channel and one country at a time."""
    parser.add_argument(
        "--channel",
        type=term(Channel),
        metavar=choices(Channel),
        action="append",
        default=[],
        help="pay only for this channel; may be repeated",
    )
    parser.add_argument(
        "--region",
        action="append",
        default=[],
        type=region,
        metavar="CODE",
        help="pay only for this country, such as US; may be repeated",
    )


def usage(parser: ArgumentParser, *, direction_required: bool = False, size_required: bool = True) -> None:
    """Add what describes a usage. Destinations are the names of `UsageFields`; what is not said stays absent."""
    parser.usage = "%(prog)s ACCOUNT SIZE [option ...]"
    sizes = _add_sizes(parser, "SIZE, for each recipient: one of", required=size_required)
    sizes.add_argument(
        "--credits", type=whole_number, default=SUPPRESS, metavar="N", help="credits for each recipient, priced by you"
    )
    _add_optional(
        parser, "--channel", "channel", term(Channel), choices(Channel), "default: sms, for a text or segments"
    )
    parser.add_argument(
        "--direction",
        type=term(Direction),
        default=SUPPRESS,
        required=direction_required,
        metavar=choices(Direction),
        help="inbound may go below zero, outbound may not" if direction_required else "default: outbound",
    )
    _add_optional(parser, "--to", "recipient", str, "NUMBER", "the number that receives: +14155550100, or a short code")
    _add_optional(parser, "--from", "sender", str, "NUMBER", "the number or name that sends")
    _add_recipients(parser, default="1")
    _add_optional(
        parser, "--region", "region", region, "CODE", "the other party's country; default: told by its number"
    )
    _add_optional(
        parser, "--priority", "priority", term(Priority), choices(Priority), "bulk stops at the account's floor"
    )
    _add_labels(parser)


def actual_usage(parser: ArgumentParser) -> None:
    """Add what describes how much of a hold was used."""
    parser.usage = "%(prog)s ACCOUNT ID [SIZE] [option ...]"
    sizes = _add_sizes(parser, "SIZE, for each recipient; default: as held", required=False)
    sizes.add_argument("--credits", type=whole_number, metavar="N", help="credits in all; default: all that is held")
    _add_recipients(parser, default="as held")
    _add_labels(parser)


def usage_fields(arguments: Namespace) -> UsageFields:
    """Return the usage that was said."""
    return cast("UsageFields", _said(arguments, UsageFields.__optional_keys__))


def actual_fields(arguments: Namespace) -> tuple[Traffic, dict[str, str]]:
    """Return what was said of how much was used, other than credits, and the labels."""
    said = _said(arguments, {*Traffic.__optional_keys__, "labels"})
    labels = said.pop("labels", {})
    return cast("Traffic", said), cast("dict[str, str]", labels)


def account_settings(parser: ArgumentParser) -> None:
    """Add the settings of an account. Destinations are the names of `AccountFields`."""
    _add_optional(parser, "--name", "display_name", str, "NAME", "a name for people")
    _add_optional(
        parser,
        "--status",
        "status",
        term(AccountStatus, but=AccountStatus.CLOSED),
        "{active,suspended}",
        "suspended stops all sending; `accounts close` is for good",
    )
    _add_optional(
        parser, "--funding", "funding", term(Funding), choices(Funding), "who pays: its own wallet, or its parent's"
    )
    _add_optional(
        parser, "--enforcement", "enforcement", term(Enforcement), choices(Enforcement), "deny, only say so, or nothing"
    )
    _add_optional(
        parser, "--overdraft-limit", "overdraft_limit", whole_number, "N", "how far sending may go below zero"
    )
    _add_optional(
        parser,
        "--inbound-overdraft-limit",
        "inbound_overdraft_limit",
        whole_number_or_none,
        "{N,none}",
        "how far inbound may go below zero",
    )
    _add_optional(parser, "--floor", "floor", whole_number_or_none, "{N,none}", "credits that bulk sending must leave")
    _add_optional(
        parser,
        "--late-commit",
        "late_commit",
        term_or_inherited(LateCommit),
        "{accept,reject,inherit}",
        "commits after the hold's expiry",
    )
    _add_optional(
        parser,
        "--overage",
        "overage",
        term_or_inherited(Overage),
        "{allow,cap,reject,inherit}",
        "what commits take beyond what is held: all, what is there, nothing",
    )
    _add_optional(parser, "--rate-card", "rate_card_id", str, "ID", 'what prices its usage; "" inherits')
    parser.add_argument(
        "--limit-counts-inbound",
        action=BooleanOptionalAction,
        default=SUPPRESS,
        help="whether inbound usage counts against its limit",
    )


def account_fields(arguments: Namespace) -> AccountFields:
    """Return the settings that were said."""
    return cast("AccountFields", _said(arguments, AccountFields.__optional_keys__))


def server_options(parser: ArgumentParser) -> None:
    """Add every option of the server; its settings judge the values."""
    group = parser.add_argument_group(
        "settings",
        "A flag counts before the variable CREDITGATE_*, and that before the file:\n"
        "--collect-ms is CREDITGATE_COLLECT_MS, and collect_ms in creditgate.toml.",
    )
    _add_config(group)
    for option in OPTIONS:
        if option.is_switch:
            group.add_argument(option.flag, action=BooleanOptionalAction, help=option.explanation)
        else:
            group.add_argument(option.flag, metavar="VALUE", help=option.explanation)


def store_options(parser: ArgumentParser) -> None:
    """Add what says where the store is, for commands that read it without a server."""
    _add_config(parser)
    for option in OPTIONS:
        if option.name in STORE_OPTIONS:
            parser.add_argument(option.flag, metavar="VALUE", help=f"{option.explanation}; as for `serve`")


def server_flags(arguments: Namespace) -> dict[str, object]:
    """Return the options of the server that were said, by name."""
    return _said(arguments, (option.name for option in OPTIONS))


def _add_config(parser: _ActionsContainer) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="read settings from FILE; default: creditgate.toml, if there is one"
    )


def _said(arguments: Namespace, names: Iterable[str]) -> dict[str, object]:
    said = vars(arguments)
    values = {name: said[name] for name in names if name in said}
    return {**values, "labels": dict(values["labels"])} if "labels" in values else values


def _add_optional(  # noqa: PLR0913, PLR0917 -- a row of a table
    parser: ArgumentParser, flag: str, name: str, read: Callable[[str], object], metavar: str, explanation: str
) -> None:
    """Add an option that stays absent when it is not said."""
    parser.add_argument(flag, dest=name, type=read, default=SUPPRESS, metavar=metavar, help=explanation)


def _add_sizes(parser: ArgumentParser, title: str, *, required: bool) -> _MutuallyExclusiveGroup:
    group = parser.add_argument_group(title)
    sizes = group.add_mutually_exclusive_group(required=required)
    sizes.add_argument(
        "--body", default=SUPPRESS, metavar="TEXT", help="the text itself, which is counted and forgotten"
    )
    sizes.add_argument(
        "--segments", type=whole_number, default=SUPPRESS, metavar="N", help="segments of a text message"
    )
    sizes.add_argument(
        "--characters", type=whole_number, default=SUPPRESS, metavar="N", help="characters (code points)"
    )
    sizes.add_argument("--seconds", type=whole_number, default=SUPPRESS, metavar="N", help="seconds of a call")
    sizes.add_argument(
        "--units", type=whole_number, default=SUPPRESS, metavar="N", help="what the rate card counts: drops, ..."
    )
    return sizes


def _add_recipients(parser: ArgumentParser, *, default: str) -> None:
    _add_optional(
        parser, "--recipients", "recipient_count", whole_number, "N", f"how many recipients; default: {default}"
    )


def _add_labels(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--label",
        dest="labels",
        action="append",
        type=label,
        default=SUPPRESS,
        metavar="KEY=VALUE",
        help="a label for reports; may be repeated",
    )
