-- due: what happens by itself, in the order of time: holds expire, grants start and end.
--
-- An organisation's due index has a member for each open hold, "h<account>|<id>", and for each account with a grant that starts
-- or ends, "g<account>". It is worked off by whoever next touches the organisation, a bounded number a call, and by the sweeper.

due.TURN_MAX = 16 -- members that one call works off on its way

-- Note that a member of an organisation's index is due at a time; nil takes it out.
function due.schedule(w, root_id, member, due_ms)
  w.scheduled = w.scheduled or {}
  local members = w.scheduled[root_id] or {}
  w.scheduled[root_id] = members
  members[member] = due_ms or false
  if due_ms then
    local root = work.account(w, root_id)
    if root.c.tree_due == 0 or due_ms < root.c.tree_due then
      root.c.tree_due, root.tree_due_dirty, root.dirty = due_ms, true, true
    end
  end
end

-- Return what is due, { member, time } by time, and the time of the first member beyond `max`, if there is one.
local function find(w, root, max)
  local found = call("ZRANGE", w.prefix .. "d:" .. root.id, 0, max, "WITHSCORES")
  local members, next_ms = {}, nil
  for i = 1, #found, 2 do
    local due_ms = tonumber(found[i + 1])
    if due_ms > w.now or #members == max then
      next_ms = due_ms
      break
    end
    members[#members + 1] = { found[i], due_ms }
  end
  return members, next_ms
end

local function insert(members, after, member, due_ms)
  local at = after + 1
  while members[at] and (members[at][2] < due_ms or (members[at][2] == due_ms and members[at][1] < member)) do at = at + 1 end
  insert_at(members, at, { member, due_ms })
end

local function turn_hold(w, root_id, member, id)
  local hold = holds.get(w, root_id, id)
  if hold and hold.state == RESERVATION_STATE.PENDING then
    holds.expire(w, root_id, id, hold)
  else
    due.schedule(w, root_id, member, nil)
  end
end

-- Work off what is due of an organisation, at most `max` members, the earliest first, once a call. w.backlog tells whether more
-- is due.
function due.turn(w, root, max)
  if root.turned then return 0 end
  root.turned = true
  local members, next_ms = find(w, root, max)
  local at = 1
  while members[at] and at <= max do
    local member, due_ms = members[at][1], members[at][2]
    local id = match(member, "^h[^|]*|(.*)$")
    if id then
      turn_hold(w, root.id, member, id)
    else
      local account = work.account(w, sub(member, 2))
      local following_ms = grants.turn(w, account, due_ms)
      if following_ms and following_ms <= w.now and (next_ms == nil or following_ms <= next_ms) then
        insert(members, at, member, following_ms)
      end
    end
    at = at + 1
  end
  if members[at] then next_ms = members[at][2] end
  for _, due_ms in pairs(w.scheduled and w.scheduled[root.id] or {}) do
    if due_ms and (next_ms == nil or due_ms < next_ms) then next_ms = due_ms end
  end
  root.c.tree_due, root.tree_due_dirty, root.dirty = next_ms or 0, true, true
  w.backlog = next_ms ~= nil and next_ms <= w.now
  return at - 1
end
