"""Faults in the operations: what they check, remember, count and answer."""

from __future__ import annotations

from tests.model.mutation import Mutation

MUTATIONS_OF_OPERATIONS = (
    Mutation("holds", "holds.LIFE_MS_MAX = 7 * 24", "holds.LIFE_MS_MAX = 8 * 24", "a hold lives for eight days"),
    Mutation(
        "holds",
        "hold.forget_ms > 0 and hold.forget_ms <= w.horizon",
        "hold.forget_ms > 0 and hold.forget_ms < 0",
        "a settled hold is remembered for as long as its record lasts",
    ),
    Mutation(
        "holds",
        "leaf.c.open_holds, w.opened = leaf.c.open_holds - 1, w.opened - 1",
        "w.opened = w.opened - 1",
        "a hold that has ended is still open",
    ),
    Mutation("holds", "t.usage = t.usage + credits", "t.usage = t.usage", "the usage of a hold is not counted"),
    Mutation(
        "holds",
        "expired_at_ms + w.settings.expired_ttl_ms or",
        "expired_at_ms + w.settings.settled_ttl_ms or",
        "an expired hold is forgotten after an hour",
    ),
    Mutation(
        "holds",
        "or work.after(w, w.settings.settled_ttl_ms)",
        "or work.after(w, w.settings.expired_ttl_ms)",
        "a settled hold is remembered for a day",
    ),
    Mutation(
        "holds",
        "max(0, min(excess, capacity)) or excess",
        "max(0, min(excess, capacity + 1)) or excess",
        "a cap is off by one",
    ),
    Mutation(
        "holds",
        "max(0, min(excess, capacity)) or excess",
        "min(excess, capacity) or excess",
        "a cap gives back where there is less than nothing",
    ),
    Mutation(
        "holds",
        "if pots[i].pot == POT.WALLET then restored, expired, repaid = back, ended, paid end",
        "restored, expired, repaid = back, ended, paid",
        "a settlement answers what came back to the last limit",
    ),
    Mutation(
        "holds",
        "hold.expiry_action == EXPIRY_ACTION.COMMIT and hold.held or 0",
        "hold.expiry_action == EXPIRY_ACTION.COMMIT and hold.credits or 0",
        "expiry captures again what a kept-open commit has captured",
    ),
    Mutation("holds", "hold.expiry_action == EXPIRY_ACTION.COMMIT and hold.held or 0", "0", "expiry never captures"),
    Mutation("holds", "hold.restored = hold.restored + restored", "", "a hold does not know what was given back"),
    Mutation(
        "holds",
        "hold.refunded, hold.dirty = hold.refunded + credits, true",
        "hold.dirty = true",
        "what was refunded can be refunded again",
    ),
    Mutation(
        "authorizations", "if closed then return denied(", "if false then return denied(", "a closed account sends"
    ),
    Mutation(
        "authorizations",
        "local barred = not traffic.inbound and first_with_status",
        "local barred = first_with_status",
        "suspension stops what comes in",
    ),
    Mutation(
        "authorizations",
        "if granted < 1 then return denied",
        "if granted < 0 then return denied",
        "nothing at all is a partial grant",
    ),
    Mutation(
        "authorizations",
        "local granted = allow_partial and floor(usage.capacity(pots) / unit) or 0",
        "local granted = allow_partial and floor(usage.capacity(pots) / unit) + 1 or 0",
        "a partial grant oversells",
    ),
    Mutation(
        "authorizations",
        'if hold.fingerprint ~= fingerprint then return { "ID_REUSED" } end',
        "",
        "a reserve's content is not checked",
    ),
    Mutation(
        "authorizations",
        'if charge.fingerprint ~= fingerprint then return { "ID_REUSED" } end',
        "",
        "a charge's content is not checked",
    ),
    Mutation(
        "authorizations", "if event_ms > 0 and event_ms", "if false and event_ms", "a charge may be as old as it likes"
    ),
    Mutation(
        "authorizations",
        "verdict.decision == DECISION.DENIED and w.settings.denial_ttl_ms or",
        "false or",
        "a denial is remembered for two days",
    ),
    Mutation(
        "authorizations", "if not inbound then remember(", "if false then remember(", "denials are not remembered"
    ),
    Mutation(
        "authorizations", "if not inbound then remember(", "if true then remember(", "inbound denials are remembered"
    ),
    Mutation("authorizations", 'inbound and "inbound" or nil', "nil", "inbound usage is not counted"),
    Mutation(
        "authorizations",
        "work.description(account).starts[pot.pot] or 0",
        "work.description(account).starts[1] or 0",
        "the next credits of a limit are those of the wallet",
    ),
    Mutation(
        "authorizations",
        "- c.debt - c.unfunded, usage.left(pots[1])",
        "- c.debt, usage.left(pots[1])",
        "what is available counts what is held without cover",
    ),
    Mutation(
        "authorizations",
        "if not limit_left or left < limit_left then limit_left = left end",
        "limit_left = left",
        "the limit left is the root's, not the least",
    ),
    Mutation(
        "settlements",
        "for _, account in ipairs(lineage) do\n    if account.s[name] ~= 0 then return account.s[name] end\n  end",
        "if lineage[1].s[name] ~= 0 then return lineage[1].s[name] end",
        "policies are not inherited",
    ),
    Mutation(
        "settlements", "== OVERAGE.CAP then taken", "== OVERAGE.ALLOW then taken", "ALLOW is capped, and CAP is not"
    ),
    Mutation("settlements", "== OVERAGE.REJECT then return", "== -1 then return", "overage is never rejected"),
    Mutation(
        "settlements", "== LATE_COMMIT.REJECT then return", "== -1 then return", "late commits are never rejected"
    ),
    Mutation("settlements", "hold.held = held - within", "", "what a kept-open commit captured is still held"),
    Mutation("settlements", "moved[SHORTFALL] = wanted - within - overage", "", "what could not be taken is not said"),
    Mutation(
        "settlements",
        "if keep_open then hold.held = hold.held - within end",
        "",
        "late commits claim the same credits again",
    ),
    Mutation(
        "settlements",
        'holds.spend(w, hold, within, "late")',
        'holds.spend(w, hold, within, "overage")',
        "a late commit counts as overage",
    ),
    Mutation(
        "settlements",
        "min(hold.held - claimed, hold.captured - hold.refunded)",
        "min(hold.held, hold.captured - hold.refunded)",
        "a final report gives back what was used",
    ),
    Mutation(
        "settlements",
        "min(hold.held - claimed, hold.captured - hold.refunded)",
        "hold.held - claimed",
        "a final report gives back what was refunded before",
    ),
    Mutation(
        "settlements",
        "hold.state == RESERVATION_STATE.COMMITTED and hold.final[WANTED] == wanted then",
        "hold.state == RESERVATION_STATE.COMMITTED then",
        "a second commit of another amount replays",
    ),
    Mutation(
        "settlements",
        "if known and known.amounts[1] == hold.create_ms then",
        "if known then",
        "a commit id of an earlier hold answers for a new one of its id",
    ),
    Mutation(
        "settlements",
        'if known.content ~= content then return { "ID_REUSED" } end',
        "",
        "a kept-open commit's content is not checked",
    ),
    Mutation(
        "settlements",
        "hold.forget_ms, hold.dirty = work.after(w, w.settings.expired_ttl_ms), true",
        "hold.dirty = true",
        "a late commit is forgotten with its hold's expiry",
    ),
    Mutation(
        "settlements",
        'EXPIRY_ACTION.COMMIT then return { "HOLD_EXPIRED" } end',
        "EXPIRY_ACTION.COMMIT then return answer(hold, hold.final, lineage, true) end",
        "what expiry has charged can be released",
    ),
    Mutation(
        "settlements",
        "if expire_ms > hold.expire_ms then",
        "if expire_ms ~= hold.expire_ms then",
        "extend makes a hold shorter",
    ),
    Mutation(
        "settlements",
        'if lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", lineage[1].id } end',
        "",
        "a closed account pays late commits",
    ),
    Mutation(
        "refunds",
        'if hold.state == RESERVATION_STATE.PENDING then return nil, { "HOLD_STILL_OPEN" } end',
        "",
        "an open hold is refunded",
    ),
    Mutation(
        "refunds",
        'if known.content ~= fingerprint then return { "ID_REUSED" } end',
        "",
        "a refund's content is not checked",
    ),
    Mutation(
        "refunds",
        'if lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", account } end',
        "",
        "a closed account gets refunds",
    ),
    Mutation(
        "refunds",
        'if credits > left then return { "REFUND_EXCEEDS_CAPTURED", left } end',
        "credits = min(credits, left)",
        "a refund of too much is cut, not refused",
    ),
    Mutation(
        "refunds",
        "forget_ms = work.after(w, w.settings.charge_ttl_ms)",
        "forget_ms = work.after(w, w.settings.settled_ttl_ms)",
        "a refund is forgotten after an hour",
    ),
    Mutation(
        "refunds",
        "paid.refunded + credits, codec.pack_charge, true",
        "paid.refunded, codec.pack_charge, true",
        "what was refunded of a charge can be refunded again",
    ),
    Mutation(
        "giving",
        'if known_fingerprint ~= fingerprint then return { "ID_REUSED" } end',
        "",
        "a grant's content is not checked",
    ),
    Mutation(
        "giving",
        "expire_ms <= max(w.now, effective_ms) then",
        "expire_ms <= w.now then",
        "a grant may end before it begins",
    ),
    Mutation(
        "giving",
        "grant.captured - grant.refunded + grant.debt_paid",
        "grant.captured - grant.refunded",
        "claw_back leaves out what repaid debt",
    ),
    Mutation(
        "giving",
        "grant.captured - grant.refunded + grant.debt_paid",
        "grant.captured + grant.debt_paid",
        "claw_back takes what was refunded",
    ),
    Mutation(
        "giving",
        'if known_claw_back ~= claw_back then return { "GRANT_ALREADY_REVOKED" } end',
        "",
        "a revocation's content is not checked",
    ),
    Mutation(
        "giving",
        'terms.made_by == "transfer" and grant.state',
        "grant.state",
        "a transfer merges into what an operator gave",
    ),
    Mutation(
        "giving",
        'return encode({ terms.kind, terms.priority, format("%d", terms.expire_ms), terms.channels, terms.regions })',
        'return encode({ terms.kind, format("%d", terms.expire_ms), terms.channels, terms.regions })',
        "a transfer merges grants of other priorities",
    ),
    Mutation(
        "giving",
        'return encode({ terms.kind, terms.priority, format("%d", terms.expire_ms), terms.channels, terms.regions })',
        'return encode({ terms.priority, format("%d", terms.expire_ms), terms.channels, terms.regions })',
        "a transfer merges grants of other kinds",
    ),
    Mutation(
        "giving",
        "if account.s.funding ~= FUNDING.OWN then",
        "if false then",
        "accounts that do not fund themselves take part in transfers",
    ),
    Mutation(
        "giving",
        "local available = grants.total(source.pots[POT.WALLET]) - source.c.debt - source.c.unfunded",
        "local available = grants.total(source.pots[POT.WALLET]) - source.c.debt",
        "a transfer takes what covers an overdraft",
    ),
    Mutation(
        "giving",
        "local available = grants.total(source.pots[POT.WALLET]) - source.c.debt - source.c.unfunded",
        "local available = grants.total(source.pots[POT.WALLET])",
        "a transfer takes what is owed",
    ),
    Mutation("giving", 'grants.count(source, POT.WALLET, "moved", credits)', "", "what was moved is not in the totals"),
    Mutation(
        "giving",
        'if known[1] ~= fingerprint then return { "ID_REUSED" } end',
        "",
        "a transfer's content is not checked",
    ),
    Mutation("giving", "repaid = repaid + paid", "repaid = paid", "a transfer tells of the last grant's debt only"),
    Mutation(
        "accounts",
        'if lineage[1] and lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", parent } end',
        "",
        "a closed account gets children",
    ),
    Mutation(
        "accounts",
        "if children > 0 or c.open_holds > 0 then",
        "if children > 0 then",
        "an account with open holds is closed",
    ),
    Mutation(
        "accounts",
        "if children > 0 or c.open_holds > 0 then",
        "if c.open_holds > 0 then",
        "an account with children is closed",
    ),
    Mutation(
        "accounts",
        "t.written_off, c.debt = t.written_off + c.debt, 0",
        "t.written_off = t.written_off + c.debt",
        "the debt of a closed account stays",
    ),
    Mutation(
        "accounts", "if lineage[2] then count_child(w, lineage[2], -1) end", "", "a closed account is still a child"
    ),
    Mutation(
        "due",
        "insert_at(members, place, arisen)",
        "",
        "what falls due while something is worked off waits for the next call",
    ),
    Mutation(
        "due",
        "while members[at] and done < most do",
        "while members[at] and done < 1 do",
        "one call works off a single thing",
    ),
    Mutation(
        "due",
        "w.backlog = next_ms ~= nil and next_ms <= w.horizon",
        "w.backlog = false",
        "a call never says that more is due than it has worked off",
    ),
    Mutation(
        "register",
        "or (DECIDES[argv[i]] and reply[2] == DECISION.DENIED)",
        "",
        "a denial does not abort an atomic batch",
    ),
    Mutation(
        "register",
        'if reply and reply[1] == "OK" and reply[position] then return reply end',
        "",
        "what had been done before an aborted batch is not told",
    ),
    Mutation(
        "returns",
        "account.c.grants >= grants.ACTIVE_MAX then return false end",
        "false then return false end",
        "grants that come back to life are not bounded",
    ),
    Mutation(
        "register",
        "if not failed.any then\n    work.save(w)",
        "work.save(w)\n  if not failed.any then",
        "an atomic batch that fails is carried out in part",
    ),
)
