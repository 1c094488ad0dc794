-- codec: how records stand in the store. What an account and its grants count is in fixed structs, the rest is MessagePack;
-- every name is given here once.

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

-- The totals of an account, touched when credits really move (field t): first those that a settlement moves, then the rare ones,
-- which are read only when one of them is asked for.
--   granted … moved: sums over all grants of the wallet, ended ones too; limit_*: the same over those of the limit
--   debt_incurred: all that ever became debt    forgiven, written_off: what lowered it beside debt_paid
--   moved_in: came from other accounts          overrun, limit_overrun: let through uncovered
--   inbound, overage, late: parts of the wallet's `used`            usage: credits that this account's own usage took
local TOTALS, RARE_TOTALS = "<dddddddddd", "<dddddddddddd"
local RARE_AT = 81

function codec.totals(packed)
  local captured, debt_paid, debt_incurred, overrun, inbound, overage, late, usage_, limit_captured, limit_overrun =
    struct_unpack(TOTALS, packed)
  return {
    captured = captured, debt_paid = debt_paid, debt_incurred = debt_incurred, overrun = overrun, inbound = inbound,
    overage = overage, late = late, usage = usage_, limit_captured = limit_captured, limit_overrun = limit_overrun,
    rare = sub(packed, RARE_AT),
  }
end

-- Add the rare totals to the others.
function codec.complete(t)
  if t.rare then
    t.granted, t.refunded, t.expired, t.revoked, t.moved, t.forgiven, t.written_off, t.moved_in, t.limit_granted, t.limit_refunded,
      t.limit_expired, t.limit_revoked = struct_unpack(RARE_TOTALS, t.rare)
    t.rare = nil
  end
  return t
end

function codec.pack_totals(t)
  local packed = struct_pack(TOTALS, t.captured, t.debt_paid, t.debt_incurred, t.overrun, t.inbound, t.overage, t.late, t.usage,
    t.limit_captured, t.limit_overrun)
  local rare = t.rare or struct_pack(RARE_TOTALS, t.granted, t.refunded, t.expired, t.revoked, t.moved, t.forgiven, t.written_off,
    t.moved_in, t.limit_granted, t.limit_refunded, t.limit_expired, t.limit_revoked)
  return packed .. rare
end

function codec.new_totals()
  return {
    captured = 0, debt_paid = 0, debt_incurred = 0, overrun = 0, inbound = 0, overage = 0, late = 0, usage = 0,
    limit_captured = 0, limit_overrun = 0, granted = 0, refunded = 0, expired = 0, revoked = 0, moved = 0, forgiven = 0,
    written_off = 0, moved_in = 0, limit_granted = 0, limit_refunded = 0, limit_expired = 0, limit_revoked = 0,
  }
end

-- The scopes of an account's grants (field x): a list of { channels, regions }, by their numbers.

-- The settings of an account (field s), which every decision reads. Optional numbers are false when unset; late_commit 0,
-- overage 0 and rate_card "" inherit.
codec.SETTABLE = { "status", "funding", "enforcement", "overdraft_limit", "inbound_overdraft_limit", "floor", "late_commit",
  "rate_card", "limit_counts_inbound", "overage" }

function codec.settings(packed)
  local status, funding, enforcement, overdraft_limit, inbound_overdraft_limit, floor, late_commit, rate_card,
    limit_counts_inbound, overage = decode(packed)
  return {
    status = status, funding = funding, enforcement = enforcement, overdraft_limit = overdraft_limit,
    inbound_overdraft_limit = inbound_overdraft_limit, floor = floor, late_commit = late_commit, rate_card = rate_card,
    limit_counts_inbound = limit_counts_inbound, overage = overage,
  }
end

function codec.pack_settings(s)
  return encode(s.status, s.funding, s.enforcement, s.overdraft_limit, s.inbound_overdraft_limit, s.floor, s.late_commit,
    s.rate_card, s.limit_counts_inbound, s.overage)
end

-- What no granted decision asks of an account (field d).
--   children: accounts right below it that are not closed       adjustment: number of its merged ADJUSTMENT grant, 0 for none
--   starts: when the next grant of wallet and limit begins, 0 for never
--   closed: once it is, { revoked, written_off }
function codec.description(packed)
  local display_name, create_ms, update_ms, fingerprint, children, adjustment, wallet_start, limit_start, closed = decode(packed)
  return { display_name = display_name, create_ms = create_ms, update_ms = update_ms, fingerprint = fingerprint,
    children = children, adjustment = adjustment, starts = { wallet_start, limit_start }, closed = closed }
end

function codec.pack_description(d)
  return encode(d.display_name, d.create_ms, d.update_ms, d.fingerprint, d.children, d.adjustment, d.starts[1], d.starts[2],
    d.closed or false)
end

-- The plan of an account (field p), as it was set: what its wallet is given each period, and what of that outlives the period.
--   interval, anchor_ms (false: their beginning), time_zone: where its periods end, which callers work out      rollover: which part, at most `cap`
--   life_ms: how long what rolled over lives (0: for good)
codec.PLAN_TERMS = { "plan_id", "credits", "interval", "anchor_ms", "time_zone", "priority", "channels", "regions", "rollover", "cap",
  "life_ms", "rollover_priority" }

--   terms: the present ones, in that order                        number: of the grant of the present period
--   begin_ms, end_ms: of that period                              next: the terms from then on, true where none follow, or false
function codec.plan(packed)
  local terms, number, begin_ms, end_ms, next_terms = decode(packed)
  return { terms = terms, number = number, begin_ms = begin_ms, end_ms = end_ms, next = next_terms }
end

function codec.pack_plan(p)
  return encode(p.terms, p.number, p.begin_ms, p.end_ms, p.next)
end

-- What changes of a grant (field g<number>): amount = remaining + held + (captured - refunded) + debt_paid + expired + revoked
-- + moved.
local GRANT = "<dddddddddBBB"

function codec.grant(packed)
  local amount, remaining, held, captured, refunded, debt_paid, expired, revoked, moved, state, pot, scope =
    struct_unpack(GRANT, packed)
  return {
    amount = amount, remaining = remaining, held = held, captured = captured, refunded = refunded, debt_paid = debt_paid,
    expired = expired, revoked = revoked, moved = moved, state = state, pot = pot, scope = scope,
  }
end

function codec.pack_grant(g)
  return struct_pack(GRANT, g.amount, g.remaining, g.held, g.captured, g.refunded, g.debt_paid, g.expired, g.revoked, g.moved,
    g.state, g.pot, g.scope)
end

-- What never changes of a grant (field m<number>). made_by: "" for a caller, else the operation that needed it.
function codec.terms(packed)
  local id, kind, priority, create_ms, effective_ms, expire_ms, channels, regions, actor, reference, note, made_by =
    decode(packed)
  return {
    id = id, kind = kind, priority = priority, create_ms = create_ms, effective_ms = effective_ms, expire_ms = expire_ms,
    channels = channels, regions = regions, actor = actor, reference = reference, note = note, made_by = made_by,
  }
end

function codec.pack_terms(m)
  return encode(m.id, m.kind, m.priority, m.create_ms, m.effective_ms, m.expire_ms, m.channels, m.regions, m.actor,
    m.reference, m.note, m.made_by)
end

-- The ended grants of an account, folded (field f): their number and the sums of their figures, for the wallet and for the limit.
codec.FOLDED = { "amount", "held", "captured", "refunded", "debt_paid", "expired", "revoked", "moved" }
local FOLD = "<ddddddddd"
local FOLD_SIZE = 72

function codec.fold(packed)
  local fold = {}
  for pot = 1, 2 do
    local sums = { count = 0 }
    for _, name in ipairs(codec.FOLDED) do sums[name] = 0 end
    if packed then
      sums.count, sums.amount, sums.held, sums.captured, sums.refunded, sums.debt_paid, sums.expired, sums.revoked, sums.moved =
        struct_unpack(FOLD, packed, (pot - 1) * FOLD_SIZE + 1)
    end
    fold[pot] = sums
  end
  return fold
end

function codec.pack_fold(fold)
  local packed = {}
  for pot = 1, 2 do
    local s = fold[pot]
    packed[pot] = struct_pack(FOLD, s.count, s.amount, s.held, s.captured, s.refunded, s.debt_paid, s.expired, s.revoked, s.moved)
  end
  return concat(packed)
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

-- A hold: what was decided, what it holds of whom, and what became of it.
--   credits: granted at first      held: holds now, or when it ended (less what late commits have claimed since)
--   captured, restored, refunded: over its whole life
--   draws: what it holds, { { account, pot, mode, number, credits, number, credits … }, … }; taken: likewise, what it captured
--   final: what ended it, { wanted, captured, restored, expired, overage, shortfall, debt_repaid, late }
--   forget_ms: until when it is remembered
-- What only comes with its first settlement stands behind the rest.
function codec.hold(packed)
  local state, fingerprint, account, payer, decision, denial, credits, recipients, unit, create_ms, expire_ms, expiry_action,
    channel, direction, region, priority, card, version, rule, labels, draws, settle_ms, settled_by, held, captured, restored,
    refunded, taken, final, forget_ms = decode(packed)
  return {
    state = state, fingerprint = fingerprint, account = account, payer = payer, decision = decision, denial = denial,
    credits = credits, recipients = recipients, unit = unit, create_ms = create_ms, expire_ms = expire_ms,
    expiry_action = expiry_action, channel = channel, direction = direction, region = region, priority = priority, card = card,
    version = version, rule = rule, labels = labels, draws = draws, settle_ms = settle_ms, settled_by = settled_by,
    held = held or credits, captured = captured or 0, restored = restored or 0, refunded = refunded or 0, taken = taken,
    final = final, forget_ms = forget_ms,
  }
end

function codec.pack_hold(h)
  local packed = encode(h.state, h.fingerprint, h.account, h.payer, h.decision, h.denial or false, h.credits, h.recipients, h.unit,
    h.create_ms, h.expire_ms, h.expiry_action, h.channel, h.direction, h.region, h.priority, h.card, h.version, h.rule, h.labels,
    h.draws)
  if not h.taken then return packed end
  return packed .. encode(h.settle_ms or 0, h.settled_by or 0, h.held, h.captured, h.restored, h.refunded, h.taken, h.final or false,
    h.forget_ms or 0)
end

-- A charge: what answers a replay, what it took of whom, and what of this was refunded.
function codec.charge(packed)
  local forget_ms, fingerprint, account, decision, denial, credits, recipients, card, version, taken, refunded = decode(packed)
  return { forget_ms = forget_ms, fingerprint = fingerprint, account = account, decision = decision, denial = denial,
    credits = credits, recipients = recipients, card = card, version = version, taken = taken, refunded = refunded or 0 }
end

function codec.pack_charge(c)
  local packed = encode(c.forget_ms, c.fingerprint, c.account, c.decision, c.denial or false, c.credits, c.recipients, c.card,
    c.version, c.taken)
  return c.refunded == 0 and packed or packed .. encode(c.refunded)
end

-- A refund, or a commit that kept its hold open: when it is forgotten, its content, and the amounts of its answer.
function codec.movement(packed)
  local forget_ms, content, amounts = decode(packed)
  return { forget_ms = forget_ms, content = content, amounts = amounts }
end

function codec.pack_movement(m)
  return encode(m.forget_ms, m.content, m.amounts)
end
