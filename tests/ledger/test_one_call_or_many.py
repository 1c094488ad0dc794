"""One function call or many: operations of an organisation answer the same, and leave the same, however they travel."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.ledger.functions import (
    Step,
    capture,
    charge,
    close,
    commit,
    create,
    enforce,
    extend,
    grant,
    refund,
    release,
    reserve,
    revoke,
    send,
    transfer,
)

from creditgate_server.credit.terms import Enforcement, Funding, GrantKind, Overage
from creditgate_server.verification import verify

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

ids = st.sampled_from(["1", "2", "3", "4"])
places = st.sampled_from(["", "a", "a", "a/b", "none"])
amounts = st.integers(0, 6)
regions = st.sampled_from(["", "US"])
kinds = st.sampled_from([GrantKind.PLAN, GrantKind.ALLOTMENT])
parts = st.integers(-1, 8)


def any_reserve(below: str, id_: str, unit: int, recipients: int, region: str) -> Step:
    return reserve(below, id_, unit, recipients=recipients, partial=recipients > 1, region=region)


def any_charge(below: str, id_: str, unit: int, direction: int, region: str) -> Step:
    return charge(below, id_, unit, direction=direction, region=region)


def any_refund(below: str, id_: str, of: tuple[str, str], credits_: int) -> Step:
    return refund(below, id_, credits_=credits_, **{of[0]: of[1]})


def any_grant(below: str, id_: str, credits_: int, kind: GrantKind, region: str) -> Step:
    """Make a grant whose place in the burn order does not depend on the millisecond."""
    return grant(below, id_, credits_, kind=kind, regions=(region,) if region else (), priority=int(id_))


def any_revoke(below: str, id_: str, claw_back: bool) -> Step:  # noqa: FBT001
    return revoke(below, id_, claw_back=claw_back)


refunded = st.tuples(st.sampled_from(["reservation_id", "charge_id"]), ids)
grant_ids = st.one_of(ids, st.integers(1, 9).map(lambda number: f"cg:{number}"))

uses = st.one_of(
    st.builds(any_reserve, places, ids, amounts, st.integers(1, 3), regions),
    st.builds(any_charge, places, ids, amounts, st.integers(1, 2), regions),
    st.builds(commit, places, ids, parts),
    st.builds(capture, places, ids, ids, parts),
    st.builds(release, places, ids),
    st.builds(extend, places, ids),
    st.builds(any_refund, places, ids, refunded, st.integers(-1, 4)),
)
changes = st.one_of(
    st.builds(any_grant, places, ids, st.integers(1, 9), kinds, regions),
    st.builds(any_revoke, places, grant_ids, st.booleans()),
    st.builds(transfer, places, ids, places, st.integers(1, 6)),
    st.builds(
        create, st.sampled_from(["a", "a/b"]), funding=st.sampled_from(Funding), overage=st.sampled_from(Overage)
    ),
    st.builds(enforce, places, st.sampled_from(Enforcement)),
)
closings = st.builds(close, places)
steps = st.one_of(uses, uses, uses, changes, changes, changes, changes, closings)


def without_names(reply: Any, root_id: str) -> Any:  # noqa: ANN401 — whatever a reply holds
    """Leave out what differs between two organisations: the root's id, and times."""
    if isinstance(reply, list | tuple):
        return [without_names(part, root_id) for part in reply]
    if isinstance(reply, dict):
        return {name: without_names(value, root_id) for name, value in reply.items()}
    if isinstance(reply, str):
        return reply.removeprefix(root_id)
    is_time = isinstance(reply, int) and reply > 10**12
    return "time" if is_time else reply


async def what_is_left(org: Organisation) -> dict[str, dict[str, int]]:
    """Return the counters and totals of every account."""
    listed = await org.engine.list_accounts(org.root_id, 10, "")
    below = ["", *(account.account_id.removeprefix(f"{org.root_id}/") for account in listed.items)]
    return {place: await org.audit(place) for place in below}


@settings(
    max_examples=200,
    phases=[Phase.generate, Phase.shrink],
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(chosen=st.lists(steps, min_size=1, max_size=40))
async def test_operations_of_one_call_end_as_in_calls_of_their_own(org: Organisation, chosen: list[Step]) -> None:
    name = f"{org.root_id}-{secrets.token_hex(6)}"
    together = type(org)(org.engine, org.store, f"{name}-together")
    apart = type(org)(org.engine, org.store, f"{name}-apart")
    opened = [create(""), create("a", funding=Funding.OWN, overdraft_limit=4), grant("", "0", 9)]
    at_once = await send(together, *opened, *chosen)
    one_by_one = [reply for step in [*opened, *chosen] for reply in await send(apart, step)]
    assert without_names(at_once, together.root_id) == without_names(one_by_one, apart.root_id)
    left = [without_names(await what_is_left(one), one.root_id) for one in (together, apart)]
    assert left[0] == left[1]
    for one in (together, apart):
        report = await verify(one.ledger, partitions=[one.partition])
        assert report.breaches == []
