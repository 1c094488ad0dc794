"""What store and model must agree on, in a form that can be compared: times on the grid, grants by id."""

from __future__ import annotations

from collections import Counter
from dataclasses import MISSING, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from tests.model.calls import Answer
from tests.model.clock import on_grid

from creditgate_server.credit import outcomes as told
from creditgate_server.credit.operations import PlanTerms
from creditgate_server.credit.terms import ReservationState


class Differs(AssertionError):
    """Store and model disagree."""

    def __init__(self, what: str, found: object, expected: object) -> None:
        super().__init__(f"{what}\n{difference(found, expected)}\n  store: {brief(found)}\n  model: {brief(expected)}")
        self.what = what


def agree(what: str, found: object, expected: object) -> None:
    if found == expected:
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
        found, expected = ({key: one.get(key) for key in sorted(keys, key=str)} for one in (found, expected))
    raise Differs(what, found, expected)


def brief(thing: object) -> str:
    """Write a record without what it has by default."""
    if isinstance(thing, Enum):
        return thing.name
    if is_dataclass(thing) and not isinstance(thing, type):
        said = [(one, getattr(thing, one.name)) for one in fields(thing)]
        return (
            f"{type(thing).__name__}({', '.join(f'{one.name}={brief(it)}' for one, it in said if it != _default(one))})"
        )
    if isinstance(thing, list | tuple):
        return f"[{', '.join(map(brief, thing))}]"
    if isinstance(thing, dict):
        return f"{{{', '.join(f'{key}: {brief(it)}' for key, it in thing.items())}}}"
    return repr(thing)


def _default(one: Any) -> object:  # noqa: ANN401 — Field is generic in what nobody knows here
    return one.default if one.default is not MISSING else 0


def difference(found: object, expected: object) -> str:
    """Say where two records, or lists of such, differ."""
    if is_dataclass(found) and type(found) is type(expected):
        pairs = {one.name: (getattr(found, one.name), getattr(expected, one.name)) for one in fields(found)}
        differing = [(name, pair) for name, pair in pairs.items() if pair[0] != pair[1]]
        return "\n".join(f"  .{name} {difference(*pair)}" for name, pair in differing)
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
        return "\n".join(f"  [{key}] {difference(found.get(key), expected.get(key))}" for key in keys)
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple) and len(found) == len(expected):
        both = zip(found, expected, strict=True)
        return "\n".join(f"  [{at}] {difference(*pair)}" for at, pair in enumerate(both) if pair[0] != pair[1])
    return f"is {brief(found)}, and the model says {brief(expected)}"


def of_answer(answer: Answer) -> Answer:  # noqa: PLR0911 — one for each kind
    """Return an answer with its times on the grid."""
    if isinstance(answer, told.Authorization):
        denial = answer.denial and replace(answer.denial, next_credit_ms=on_grid(answer.denial.next_credit_ms))
        return replace(answer, denial=denial, expire_ms=on_grid(answer.expire_ms))
    if isinstance(answer, told.Extension):
        return replace(answer, expire_ms=on_grid(answer.expire_ms))
    if isinstance(answer, told.Granted | told.Revoked):
        return replace(answer, grant=of_grant(answer.grant))
    if isinstance(answer, told.Account):
        return of_account(answer)
    if isinstance(answer, told.Closed):
        return replace(answer, account=of_account(answer.account))
    if isinstance(answer, told.PlanSet):
        return replace(answer, plan=of_plan(answer.plan))
    if isinstance(answer, tuple):
        return of_account(answer[0]), answer[1]
    return answer


def of_account(account: told.Account) -> told.Account:
    return replace(account, create_ms=on_grid(account.create_ms), update_ms=on_grid(account.update_ms))


def of_grant(grant: told.Grant) -> told.Grant:
    return replace(
        grant,
        create_ms=on_grid(grant.create_ms),
        effective_ms=on_grid(grant.effective_ms),
        expire_ms=on_grid(grant.expire_ms),
    )


def of_plan(plan: told.Plan | None) -> told.Plan | None:
    if plan is None:
        return None
    return replace(
        plan,
        terms=_of_terms(plan.terms),
        begin_ms=on_grid(plan.begin_ms),
        end_ms=on_grid(plan.end_ms),
        following=plan.following and _of_terms(plan.following),
    )


def _of_terms(terms: PlanTerms) -> PlanTerms:
    return terms if terms.anchor_ms is None else replace(terms, anchor_ms=on_grid(terms.anchor_ms))


def of_hold(hold: told.Reservation) -> told.Reservation:
    """Return a hold with its times on the grid. One that expired says when that was noticed, whenever it was."""
    is_expired = hold.state is ReservationState.EXPIRED and hold.settle_ms >= hold.expire_ms
    return replace(
        hold,
        create_ms=on_grid(hold.create_ms),
        expire_ms=on_grid(hold.expire_ms),
        settle_ms=on_grid(hold.expire_ms if is_expired else hold.settle_ms),
        draws=of_draws(hold.draws),
    )


def of_draws(draws: tuple[told.Draw, ...]) -> Any:  # noqa: ANN401 — only ever compared
    """Sum what was drawn of each pot, whatever the order in which several commits drew it."""
    sums: dict[tuple[str, object], Counter[str]] = {}
    for draw in draws:
        pot = sums.setdefault((draw.account_id, draw.pot), Counter())
        for grant_id, credits_ in draw.grants:
            pot[grant_id] += credits_
        pot[" unfunded"] += draw.unfunded
        pot[" unenforced"] += draw.unenforced
    return {key: {name: credits_ for name, credits_ in pot.items() if credits_} for key, pot in sums.items()}
