"""Stories of grants and accounts: revoked, moved, ended, come back to, closed, full."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.calls import Call
from tests.model.steps import Steps
from tests.model.story import FIRST, Story, new_account, usage

from creditgate.pricing.usage import Channel, Credits, Direction, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.pots import HOPS_MAX
from creditgate_server.credit.reference.records import Maker
from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, SCOPES_PER_ACCOUNT_MAX, ExpiryAction, GrantKind

REGIONS = ("AR", "AU", "BR", "CA", "CL", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NZ", "SE", "US", "ZA")


def ladder(steps: Steps) -> Story:
    """Let a grant that a hold has drawn on be moved to and fro, and only then give back to it."""
    (one, open_one), (other, open_other) = new_account(steps), new_account(steps)
    hold_id, grant_id = steps.new_id("hold"), steps.new_id("grant")
    moves = _to_and_fro(steps, one, other, steps.pick((1, 2, 3, HOPS_MAX - 1, HOPS_MAX + 1)))
    expiry = steps.pick((0, steps.clock.place(3)))
    ttl_ms = steps.ttl_to(6)
    begin: list[Call] = [
        open_one,
        open_other,
        ask.GrantCredits(one, grant_id, 12, GrantKind.PLAN, priority=FIRST, expire_ms=expiry),
        ask.Reserve(one, hold_id, usage(5), ttl_ms, expiry_action=ExpiryAction.COMMIT),
        *moves,
    ]

    def end() -> Sequence[Call]:
        heirs = [grant for grant in steps.grants() if grant.account_id in {one, other}]
        twist = steps.pick(("nothing", "nothing", "revoke", "owe", "use"))
        calls: list[Call] = []
        if twist == "revoke" and heirs:
            heir = steps.pick(heirs)
            calls.append(ask.RevokeGrant(heir.account_id, heir.grant_id))
        elif twist == "owe":
            calls.append(ask.Charge(other, steps.new_id("charge"), usage(9, is_inbound=True)))
        elif twist == "use":
            calls += [ask.Charge(to, steps.new_id("charge"), usage(7)) for to in (one, other)]
        return [*calls, ask.Commit(one, hold_id, credits=1)]

    return [lambda: begin, steps.between(0, 4), end]


def long_ladder(steps: Steps) -> Story:
    """Give back over as many heirs as are followed, and over one more."""
    calls: list[Call] = []
    for hops in (HOPS_MAX, HOPS_MAX + 1):
        (one, open_one), (other, open_other) = new_account(steps), new_account(steps)
        hold_id = steps.new_id("hold")
        calls += [open_one, open_other, ask.GrantCredits(one, steps.new_id("grant"), 12)]
        calls.append(ask.Reserve(one, hold_id, usage(5), steps.ttl_to(60)))
        calls += _to_and_fro(steps, one, other, hops)
        calls.append(ask.Release(one, hold_id))
    return [lambda: calls]


def _to_and_fro(steps: Steps, one: str, other: str, hops: int) -> list[Call]:
    ways = [(one, other) if hop % 2 == 0 else (other, one) for hop in range(hops)]
    return [ask.Transfer(source, steps.new_id("move"), target, 7) for source, target in ways]


def encumbered(steps: Steps) -> Story:
    """Move all that a wallet has but for its debt and for what an open hold overdraws, and one more than that."""
    held, owed = 3, steps.pick((0, 2))
    (one, open_one), (other, open_other) = new_account(steps, overdraft_limit=held), new_account(steps)
    calls: list[Call] = [
        open_one,
        open_other,
        ask.Reserve(one, steps.new_id("hold"), usage(held), steps.ttl_to(60)),
        ask.GrantCredits(one, steps.new_id("grant"), 12, effective_ms=steps.clock.place(2)),
        ask.Charge(one, steps.new_id("charge"), usage(owed, is_inbound=True)),
    ]
    moves = [
        ask.Transfer(one, steps.new_id("move"), other, 13 - held - owed),
        ask.Transfer(one, steps.new_id("move"), other, 12 - held - owed),
    ]
    return [lambda: calls, 3, lambda: moves]


def heir_closed(steps: Steps) -> Story:
    """Give back to a grant whose heir is in an account that has been closed since."""
    (one, open_one), (other, open_other) = new_account(steps), new_account(steps)
    hold_id, charge_id = steps.new_id("hold"), steps.new_id("charge")
    calls: list[Call] = [
        open_one,
        open_other,
        ask.GrantCredits(one, steps.new_id("grant"), 20, expire_ms=steps.clock.place(8)),
        ask.GrantCredits(other, steps.new_id("grant"), 3, effective_ms=steps.clock.place(4)),
        ask.Reserve(one, hold_id, usage(5), steps.ttl_to(5)),
        ask.Charge(one, charge_id, usage(4)),
        ask.Charge(other, steps.new_id("charge"), usage(3, is_inbound=True)),
        ask.Transfer(one, steps.new_id("move"), other, 11),
        *(steps.pick(([ask.Charge(other, steps.new_id("charge"), usage(8))], []))),
        ask.CloseAccount(other),
        ask.Release(one, hold_id),
        ask.Refund(one, steps.new_id("refund"), charge_id=charge_id, credits=steps.pick((None, 2))),
        ask.CloseAccount(one),
        ask.Refund(one, steps.new_id("refund"), charge_id=charge_id),
    ]
    return [lambda: calls]


def adjustments(steps: Steps) -> Story:
    """Refund what was debt and has been repaid, until an adjustment was made, grown, used up, revived and replaced."""
    account_id, opened = new_account(steps)
    (other, open_other) = new_account(steps)
    charge_ids = [steps.new_id("charge") for _ in range(6)]
    refunds = [ask.Refund(account_id, steps.new_id("refund"), charge_id=one) for one in charge_ids]
    begin: list[Call] = [
        opened,
        open_other,
        *(ask.Charge(account_id, one, usage(4, is_inbound=True)) for one in charge_ids),
        refunds[0],
        ask.GrantCredits(account_id, steps.new_id("grant"), 20),
        refunds[1],
        refunds[2],
        ask.Charge(account_id, steps.new_id("charge"), usage(8)),
        refunds[3],
    ]

    def end() -> Sequence[Call]:
        made = [
            one.grant_id for one in steps.grants() if one.account_id == account_id and one.maker is Maker.ADJUSTMENT
        ]
        away: list[Call] = [ask.RevokeGrant(account_id, one, claw_back=True) for one in made]
        if steps.chance(3):
            away = [ask.Transfer(account_id, steps.new_id("move"), other, 4)]
        return [*away, refunds[4], refunds[5], refunds[4]]

    return [lambda: begin, end]


def revocations(steps: Steps) -> Story:
    """Take back grants in every state of their life, and what was spent of them from others of their kind."""
    account_id, opened = new_account(steps)
    (other, open_other) = new_account(steps)
    kind = GrantKind.PROMOTIONAL
    ids = {name: steps.new_id("grant") for name in ("spent", "debt", "brief", "pending", "moved", "held", "cap")}
    hold_id, charge_id = steps.new_id("hold"), steps.new_id("charge")
    begin: list[Call] = [
        opened,
        open_other,
        ask.Charge(account_id, charge_id, usage(3, is_inbound=True)),
        ask.GrantCredits(account_id, ids["debt"], 5, kind),
        ask.GrantCredits(account_id, ids["spent"], 4, kind, priority=FIRST),
        ask.GrantCredits(account_id, ids["brief"], 4, kind, expire_ms=steps.clock.place(1), priority=FIRST),
        ask.GrantCredits(account_id, ids["pending"], 6, kind, effective_ms=steps.clock.place(7)),
        ask.GrantCredits(account_id, ids["cap"], 30, GrantKind.ALLOTMENT),
        ask.Charge(account_id, steps.new_id("charge"), usage(7)),
        ask.GrantCredits(account_id, steps.new_id("grant"), 50, GrantKind.PURCHASED, priority=1),
        ask.GrantCredits(account_id, steps.new_id("grant"), steps.pick((1, 1, 40)), kind, priority=2),
        ask.GrantCredits(account_id, ids["held"], 6, kind, priority=-8),
        ask.Reserve(account_id, hold_id, usage(4), steps.ttl_to(6)),
        ask.GrantCredits(other, ids["moved"], 6, GrantKind.PLAN),
        ask.Transfer(other, steps.new_id("move"), account_id, 6),
    ]
    revokes: list[Call] = [
        ask.RevokeGrant(other if name == "moved" else account_id, one, claw_back=not steps.chance(3))
        for name, one in ids.items()
    ]
    steps.random.shuffle(revokes)
    end: list[Call] = [
        *revokes,
        revokes[0],
        ask.Commit(account_id, hold_id, credits=1),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id),
    ]
    return [lambda: begin, 2, lambda: end]


def ends(steps: Steps) -> Story:
    """Let grants begin and end while they are owed to, used up, or held; give back to them afterwards."""
    account_id, opened = new_account(steps, overdraft_limit=10)
    charge_ids = [steps.new_id("charge") for _ in range(3)]
    hold_id = steps.new_id("hold")
    soon_ms = steps.clock.place(1)
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 9, expire_ms=soon_ms),
        ask.GrantCredits(account_id, steps.new_id("grant"), 9, GrantKind.ALLOTMENT, expire_ms=soon_ms, priority=FIRST),
        ask.GrantCredits(account_id, steps.new_id("grant"), 99, GrantKind.ALLOTMENT),
        ask.GrantCredits(account_id, steps.new_id("grant"), 20, effective_ms=steps.clock.place(2)),
        ask.Charge(account_id, charge_ids[0], usage(4)),
        ask.Charge(account_id, charge_ids[1], usage(2)),
        ask.Reserve(account_id, hold_id, usage(steps.pick((3, 2))), steps.ttl_to(6)),
        ask.Charge(account_id, charge_ids[2], usage(4, is_inbound=True)),
        ask.GrantCredits(account_id, steps.new_id("grant"), 2, priority=1),
    ]
    if steps.chance(2):
        begin.append(ask.Commit(account_id, hold_id))
    refunds = [ask.Refund(account_id, steps.new_id("refund"), charge_id=one) for one in charge_ids]
    end: list[Call] = [*refunds, ask.Release(account_id, hold_id), refunds[0]]
    return [lambda: begin, 2, lambda: end]


def revived(steps: Steps) -> Story:
    """Give back to a grant that was used up, and let its end come."""
    account_id, opened = new_account(steps)
    charge_id = steps.new_id("charge")
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 4, expire_ms=steps.clock.place(5), priority=FIRST),
        ask.GrantCredits(account_id, steps.new_id("grant"), 4, expire_ms=steps.clock.place(1)),
        ask.Charge(account_id, charge_id, usage(4)),
    ]
    refund = ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id, credits=3)
    return [lambda: begin, 1, lambda: [refund], 5, lambda: [ask.Quote(account_id, usage(1))]]


def heir_gone(steps: Steps) -> Story:
    """Let a hold end unnoticed before the grant ends that it gives back to, whose heir was used up."""
    (one, open_one), (other, open_other) = new_account(steps), new_account(steps)
    hold_id = steps.new_id("hold")
    ends_ms = [steps.clock.place(ticks) for ticks in (1, 2)]
    steps.random.shuffle(ends_ms)
    begin: list[Call] = [
        open_one,
        open_other,
        ask.GrantCredits(one, steps.new_id("grant"), 9, expire_ms=ends_ms[0]),
        ask.Reserve(one, hold_id, usage(5), ends_ms[1] - steps.clock.start_ms),
        ask.Transfer(one, steps.new_id("move"), other, 4),
        ask.Charge(other, steps.new_id("charge"), usage(4)),
    ]
    return [lambda: begin, 3, lambda: [ask.Release(one, hold_id)]]


def nobody(steps: Steps) -> Story:
    """Ask everything of an account that does not exist, and of ids that nobody has used."""
    calls: list[Call] = []
    for account_id in (f"{steps.root}/nobody", steps.root):
        calls += [
            ask.Quote(account_id, usage(1)),
            ask.Reserve(account_id, steps.new_id("hold"), usage(1), steps.ttl_to(1)),
            ask.Charge(account_id, steps.new_id("charge"), usage(1)),
            ask.Commit(account_id, "hold-never"),
            ask.Release(account_id, "hold-never"),
            ask.Extend(account_id, "hold-never", 1_000),
            ask.Refund(account_id, steps.new_id("refund"), reservation_id="hold-never"),
            ask.Refund(account_id, steps.new_id("refund"), charge_id="charge-never"),
            ask.RevokeGrant(account_id, "grant-never"),
            ask.UpdateAccount(account_id, ask.SettingsChange(display_name="x")),
        ]
    gone = f"{steps.root}/nobody"
    calls += [
        ask.GrantCredits(gone, steps.new_id("grant"), 1),
        ask.CloseAccount(gone),
        ask.CreateAccount(f"{gone}/x", ask.AccountSettings()),
        ask.Transfer(gone, steps.new_id("move"), steps.root, 1),
        ask.Transfer(steps.root, steps.new_id("move"), gone, 1),
    ]
    return [lambda: calls]


def closed(steps: Steps) -> Story:
    """Ask everything of an account that was closed with credits, debt or a hold that expired."""
    (one, opened), (other, open_other) = new_account(steps), new_account(steps)
    grant = ask.GrantCredits(one, steps.new_id("grant"), 9)
    pending = ask.GrantCredits(one, steps.new_id("grant"), 4, effective_ms=steps.clock.place(9))
    revoke = ask.RevokeGrant(one, pending.grant_id)
    hold_id, charge_id = steps.new_id("hold"), steps.new_id("charge")
    refund = ask.Refund(one, steps.new_id("refund"), charge_id=charge_id, credits=1)
    begin: list[Call] = [
        opened,
        open_other,
        ask.CreateAccount(f"{one}/y", ask.AccountSettings()),
        ask.CloseAccount(one),
        ask.CloseAccount(f"{one}/y"),
        grant,
        pending,
        ask.Charge(one, charge_id, usage(3)),
        ask.Reserve(one, hold_id, usage(2), steps.ttl_to(1), expiry_action=steps.pick(tuple(ExpiryAction))),
        refund,
        ask.CloseAccount(one),
    ]
    if steps.chance(2):
        begin += [ask.Charge(one, steps.new_id("charge"), usage(30, is_inbound=True)), revoke]
    end: list[Call] = [
        ask.CloseAccount(one),
        ask.CloseAccount(one),
        opened,
        ask.CreateAccount(f"{one}/x", ask.AccountSettings()),
        ask.UpdateAccount(one, ask.SettingsChange(display_name="x")),
        ask.Quote(one, usage(1)),
        ask.Reserve(one, steps.new_id("hold"), usage(0), steps.ttl_to(1)),
        ask.Charge(one, steps.new_id("charge"), usage(1, is_inbound=True)),
        ask.Charge(one, charge_id, usage(3)),
        grant,
        ask.GrantCredits(one, steps.new_id("grant"), 1),
        revoke,
        ask.RevokeGrant(one, grant.grant_id),
        ask.RevokeGrant(one, grant.grant_id, claw_back=True),
        refund,
        ask.Refund(one, steps.new_id("refund"), charge_id=charge_id),
        ask.Commit(one, hold_id, credits=1, keep_open=True, commit_id="x1"),
        ask.Commit(one, hold_id),
        ask.Release(one, hold_id),
        ask.Transfer(other, steps.new_id("move"), one, 1),
        ask.Transfer(one, steps.new_id("move"), other, 1),
    ]
    return [lambda: begin, 2, lambda: end]


def too_many_grants(steps: Steps) -> Story:
    """Fill an account with grants, and give back to one that was used up before."""
    (one, opened), (other, open_other) = new_account(steps), new_account(steps)
    charge_id, hold_id = steps.new_id("charge"), steps.new_id("hold")
    many: list[Call] = [
        ask.GrantCredits(one, steps.new_id("grant"), 1, priority=1) for _ in range(GRANTS_PER_ACCOUNT_MAX)
    ]
    first: list[Call] = [ask.GrantCredits(one, steps.new_id("grant"), 3)]
    calls: list[Call] = [
        opened,
        open_other,
        *(_adjustment(steps, one) if steps.chance(4) else first),
        *(steps.pick(([ask.GrantCredits(one, steps.new_id("grant"), 3, GrantKind.ALLOTMENT)], []))),
        ask.GrantCredits(other, steps.new_id("grant"), 3),
        ask.Charge(one, charge_id, usage(3)),
        *many,
        ask.Reserve(one, hold_id, usage(1), steps.ttl_to(60)),
        ask.GrantCredits(one, steps.new_id("grant"), 1),
        ask.GrantCredits(one, steps.new_id("grant"), 1, GrantKind.ALLOTMENT),
        ask.Transfer(other, steps.new_id("move"), one, 2),
    ]
    after: list[Call] = [
        ask.Refund(one, steps.new_id("refund"), charge_id=charge_id, credits=steps.pick((None, 2))),
        ask.Charge(one, steps.new_id("charge"), usage(steps.between(1, 4))),
        ask.Refund(one, steps.new_id("refund"), charge_id=charge_id),
        ask.GrantCredits(one, steps.new_id("grant"), 1),
    ]
    return [lambda: calls, lambda: after]


def too_many_allotments(steps: Steps) -> Story:
    """Give back to more used-up allotments than can live again."""
    account_id, opened = new_account(steps)
    charge_ids = [steps.new_id("charge") for _ in range(2)]

    def allot(count: int) -> list[Call]:
        return [ask.GrantCredits(account_id, steps.new_id("grant"), 1, GrantKind.ALLOTMENT) for _ in range(count)]

    calls: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 999),
        *allot(3),
        ask.Charge(account_id, charge_ids[0], usage(3)),
        *allot(GRANTS_PER_ACCOUNT_MAX),
        ask.Charge(account_id, charge_ids[1], usage(GRANTS_PER_ACCOUNT_MAX - 1)),
        *allot(GRANTS_PER_ACCOUNT_MAX),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_ids[1]),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_ids[0]),
    ]
    return [lambda: calls]


def _adjustment(steps: Steps, account_id: str) -> list[Call]:
    """Return calls after which an account has an adjustment of 3."""
    charge_id = steps.new_id("charge")
    return [
        ask.Charge(account_id, charge_id, usage(3, is_inbound=True)),
        ask.GrantCredits(account_id, steps.new_id("grant"), 3),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id),
    ]


def too_many_scopes(steps: Steps) -> Story:
    """Fill an account with scopes, and give back to a grant of one that none has any more."""
    account_id, opened = new_account(steps)
    charge_id = steps.new_id("charge")
    scopes = [ask.Scope(regions=(region,)) for region in REGIONS]
    us = ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Credits(2), region=REGIONS[0]))
    calls: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 2, scope=scopes[0]),
        ask.Charge(account_id, charge_id, us),
        *(
            ask.GrantCredits(account_id, steps.new_id("grant"), 2, scope=scope)
            for scope in scopes[1 : SCOPES_PER_ACCOUNT_MAX + 2]
        ),
        ask.GrantCredits(account_id, steps.new_id("grant"), 2),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id, credits=steps.pick((None, 1))),
        ask.Quote(account_id, us),
        ask.GrantCredits(account_id, steps.new_id("grant"), 2, scope=scopes[3]),
    ]
    return [lambda: calls]
