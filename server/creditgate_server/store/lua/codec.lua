-- codec: how records stand in the store. Hot counters are fixed structs, the rest is MessagePack; every name is given here once.

-- Amounts are doubles, exact below 2^53; 0 stands for "no time".
codec.CREDITS_MAX = 9007199254740991
codec.NEVER = 281474976710655 -- 2^48 - 1 ms: what "no expiry" sorts as

-- The hot counters of an account, read and written by every decision (field c).
--   clock: latest time seen, so that time never runs backwards      seq: number of its latest journal entry
--   debt, unfunded: owed, and held without cover                    reserved: what open holds hold of the wallet, unfunded included
--   limit_reserved: what open holds hold of the limit               has_limit: 1 from the first allotment on
--   open_holds: open holds of which this account is the leaf        used: all that the wallet was ever asked to pay
--   grant_next, grants: next grant number, active grants            grant_due: when a grant next starts or ends
--   tree_due: (root) when anything of the tree is next due
local COUNTERS = "<ddddddddddddd"

function codec.counters(packed)
  local clock, seq, debt, unfunded, reserved, limit_reserved, has_limit, open_holds, used, grant_next, grants, grant_due, tree_due =
    struct_unpack(COUNTERS, packed)
  return {
    clock = clock, seq = seq, debt = debt, unfunded = unfunded, reserved = reserved, limit_reserved = limit_reserved,
    has_limit = has_limit, open_holds = open_holds, used = used, grant_next = grant_next, grants = grants,
    grant_due = grant_due, tree_due = tree_due,
  }
end

function codec.pack_counters(c)
  return struct_pack(COUNTERS, c.clock, c.seq, c.debt, c.unfunded, c.reserved, c.limit_reserved, c.has_limit, c.open_holds,
    c.used, c.grant_next, c.grants, c.grant_due, c.tree_due)
end

function codec.new_counters(now)
  return {
    clock = now, seq = 0, debt = 0, unfunded = 0, reserved = 0, limit_reserved = 0, has_limit = 0, open_holds = 0, used = 0,
    grant_next = 1, grants = 0, grant_due = 0, tree_due = 0,
  }
end

-- The totals of an account, touched when credits really move (field t).
--   granted, captured, debt_paid, expired: sums over the wallet's grants    limit_*: the same over the limit's
--   debt_incurred: all that ever became debt                                overrun, limit_overrun: let through uncovered
--   inbound, overage, late: parts of the wallet's `used`                    usage: credits that this account's own usage took
local TOTALS = "<dddddddddddddd"

function codec.totals(packed)
  local granted, captured, debt_paid, expired, debt_incurred, overrun, inbound, overage, late, usage,
    limit_granted, limit_captured, limit_expired, limit_overrun = struct_unpack(TOTALS, packed)
  return {
    granted = granted, captured = captured, debt_paid = debt_paid, expired = expired, debt_incurred = debt_incurred,
    overrun = overrun, inbound = inbound, overage = overage, late = late, usage = usage, limit_granted = limit_granted,
    limit_captured = limit_captured, limit_expired = limit_expired, limit_overrun = limit_overrun,
  }
end

function codec.pack_totals(t)
  return struct_pack(TOTALS, t.granted, t.captured, t.debt_paid, t.expired, t.debt_incurred, t.overrun, t.inbound, t.overage,
    t.late, t.usage, t.limit_granted, t.limit_captured, t.limit_expired, t.limit_overrun)
end

function codec.new_totals()
  return {
    granted = 0, captured = 0, debt_paid = 0, expired = 0, debt_incurred = 0, overrun = 0, inbound = 0, overage = 0, late = 0,
    usage = 0, limit_granted = 0, limit_captured = 0, limit_expired = 0, limit_overrun = 0,
  }
end

-- The settings of an account (field s), which every decision reads. Optional numbers are false when unset; late_commit 0 and
-- rate_card "" inherit.
codec.SETTABLE = { "status", "funding", "enforcement", "overdraft_limit", "inbound_overdraft_limit", "floor", "late_commit",
  "rate_card", "limit_counts_inbound" }

function codec.settings(packed)
  local status, funding, enforcement, overdraft_limit, inbound_overdraft_limit, floor, late_commit, rate_card,
    limit_counts_inbound = decode(packed)
  return {
    status = status, funding = funding, enforcement = enforcement, overdraft_limit = overdraft_limit,
    inbound_overdraft_limit = inbound_overdraft_limit, floor = floor, late_commit = late_commit, rate_card = rate_card,
    limit_counts_inbound = limit_counts_inbound,
  }
end

function codec.pack_settings(s)
  return encode(s.status, s.funding, s.enforcement, s.overdraft_limit, s.inbound_overdraft_limit, s.floor, s.late_commit,
    s.rate_card, s.limit_counts_inbound)
end

-- What no decision asks of an account (field d).
function codec.description(packed)
  local display_name, create_ms, update_ms, fingerprint = decode(packed)
  return { display_name = display_name, create_ms = create_ms, update_ms = update_ms, fingerprint = fingerprint }
end

function codec.pack_description(d)
  return encode(d.display_name, d.create_ms, d.update_ms, d.fingerprint)
end

-- What changes of a grant (field g<number>): its amount is always the sum of the five after it.
local GRANT = "<ddddddBBB"

function codec.grant(packed)
  local amount, remaining, held, captured, debt_paid, expired, state, pot, scope = struct_unpack(GRANT, packed)
  return {
    amount = amount, remaining = remaining, held = held, captured = captured, debt_paid = debt_paid, expired = expired,
    state = state, pot = pot, scope = scope,
  }
end

function codec.pack_grant(g)
  return struct_pack(GRANT, g.amount, g.remaining, g.held, g.captured, g.debt_paid, g.expired, g.state, g.pot, g.scope)
end

-- What never changes of a grant (field m<number>).
function codec.terms(packed)
  local id, kind, priority, create_ms, effective_ms, expire_ms, channels, regions, actor, reference, note = decode(packed)
  return {
    id = id, kind = kind, priority = priority, create_ms = create_ms, effective_ms = effective_ms, expire_ms = expire_ms,
    channels = channels, regions = regions, actor = actor, reference = reference, note = note,
  }
end

function codec.pack_terms(m)
  return encode(m.id, m.kind, m.priority, m.create_ms, m.effective_ms, m.expire_ms, m.channels, m.regions, m.actor,
    m.reference, m.note)
end

-- A pot's remaining credits per scope (fields ws, ls): position i is scope i - 1, and scope 0 pays for everything.
function codec.sums(packed)
  if not packed then return { 0 } end
  local sums = {}
  for i = 1, #packed / 8 do sums[i] = struct_unpack("<d", packed, i * 8 - 7) end
  return sums
end

function codec.pack_sums(sums)
  if #sums == 1 then return struct_pack("<d", sums[1]) end
  local packed = {}
  for i = 1, #sums do packed[i] = struct_pack("<d", sums[i]) end
  return concat(packed)
end

-- A pot's burn order (fields wo, lo): one entry per grant with credits left, the next to pay first.
codec.ENTRY = ">i2I6I6I4B" -- priority, expiry, creation, grant number, scope
codec.ENTRY_SIZE = 19

-- A hold: what was decided, what it holds of whom, and once settled what became of it.
--   draws: { { account, pot, mode, unfunded, unenforced, number, credits, number, credits … }, … }
function codec.hold(packed)
  local state, fingerprint, account, payer, decision, denial, credits, recipients, unit, create_ms, expire_ms, expiry_action, channel,
    direction, region, priority, card, version, rule, labels, draws, settle_ms, settled_by, captured, restored, expired, overage,
    debt_repaid, late = decode(packed)
  return {
    state = state, fingerprint = fingerprint, account = account, payer = payer, decision = decision, denial = denial, credits = credits,
    recipients = recipients, unit = unit, create_ms = create_ms, expire_ms = expire_ms, expiry_action = expiry_action,
    channel = channel, direction = direction, region = region, priority = priority, card = card, version = version, rule = rule,
    labels = labels, draws = draws, settle_ms = settle_ms, settled_by = settled_by, captured = captured, restored = restored,
    expired = expired, overage = overage, debt_repaid = debt_repaid, late = late,
  }
end

function codec.pack_hold(h)
  local held = encode(h.state, h.fingerprint, h.account, h.payer, h.decision, h.denial or false, h.credits, h.recipients, h.unit, h.create_ms,
    h.expire_ms, h.expiry_action, h.channel, h.direction, h.region, h.priority, h.card, h.version, h.rule, h.labels, h.draws)
  if not h.settle_ms then return held end
  return held .. encode(h.settle_ms, h.settled_by, h.captured, h.restored, h.expired, h.overage, h.debt_repaid, h.late)
end

-- A charge: what answers a replay, and what it took of whom.
function codec.charge(packed)
  local fingerprint, account, decision, denial, credits, recipients, card, version, draws = decode(packed)
  return { fingerprint = fingerprint, account = account, decision = decision, denial = denial, credits = credits,
    recipients = recipients, card = card, version = version, draws = draws }
end

function codec.pack_charge(c)
  return encode(c.fingerprint, c.account, c.decision, c.denial or false, c.credits, c.recipients, c.card, c.version, c.draws)
end
