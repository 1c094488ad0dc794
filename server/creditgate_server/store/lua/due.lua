-- due: what happens by itself, in the order of time: holds expire, grants start and end.
--
-- An organisation's due index has a member for each open hold, "h<account>|<id>", and for each account with a grant that starts
-- or ends, or with a plan whose period does, "g<account>". It is worked off by whoever next touches the organisation, a bounded
-- number a call, and by the sweeper.

due.TURN_MAX = 16 -- members that one call works off on its way
due.SCAN_MAX = 2000 -- members of one millisecond that are looked through for the place of one that has gone

-- Note that a member of an organisation's index is due at a time; nil takes it out.
function due.schedule(w, root_id, member, due_ms)
  w.scheduled = w.scheduled or {}
  local members = w.scheduled[root_id] or {}
  w.scheduled[root_id] = members
  members[member] = due_ms or false
  if due_ms then
    if w.arisen then w.arisen[#w.arisen + 1] = { member, due_ms } end
    local root = work.account(w, root_id)
    if root.c.tree_due == 0 or due_ms < root.c.tree_due then
      root.c.tree_due, root.tree_due_dirty, root.dirty = due_ms, true, true
    end
  end
end

-- Return what is due, { member, time } by time, and the time of the first member beyond `most`, if there is one.
local function find(w, root, most)
  local found = call("ZRANGE", w.prefix .. "d:" .. root.id, 0, most, "WITHSCORES")
  local members, next_ms = {}, nil
  for i = 1, #found, 2 do
    local due_ms = tonumber(found[i + 1])
    if due_ms > w.horizon or #members == most then
      next_ms = due_ms
      break
    end
    members[#members + 1] = { found[i], due_ms }
  end
  return members, next_ms
end

-- Take in what the member at `at` has made due, as far as it comes before what is not looked at.
local function take_in(w, members, at, next_ms)
  for _, arisen in ipairs(w.arisen) do
    local member, due_ms = arisen[1], arisen[2]
    if due_ms <= w.horizon and (next_ms == nil or due_ms <= next_ms) then
      local place = at + 1
      while members[place] and (members[place][2] < due_ms or (members[place][2] == due_ms and members[place][1] < member)) do
        place = place + 1
      end
      insert_at(members, place, arisen)
    end
  end
end

-- Return the position in a due index right behind a time and a member, which may have gone meanwhile; "": that of the first.
function due.position_behind(key, due_ms, member)
  if member == "" then return 0 end
  local score = call("ZSCORE", key, member)
  if score and tonumber(score) == due_ms then return call("ZRANK", key, member) + 1 end
  local start = call("ZCOUNT", key, "-inf", format("(%d", due_ms))
  local found = call("ZRANGE", key, start, start + due.SCAN_MAX - 1, "WITHSCORES")
  for i = 1, #found, 2 do
    if tonumber(found[i + 1]) > due_ms or found[i] > member then return start + (i - 1) / 2 end
  end
  return start + #found / 2
end

local function turn_hold(w, root_id, member, id)
  local hold = holds.get(w, root_id, id)
  if not hold or hold.state ~= RESERVATION_STATE.PENDING then
    due.schedule(w, root_id, member, nil)
  elseif hold.expire_ms > w.horizon then
    due.schedule(w, root_id, member, hold.expire_ms)
  else
    holds.expire(w, root_id, id, hold)
  end
end

-- Work off what is due of an organisation, at most `most` ends and beginnings, the earliest first, once a call. w.backlog tells whether
-- more is due; w.renewing is the account whose period has ended, before which nothing later may happen. Returns how many there were.
function due.turn(w, root, most)
  if root.turned then return 0 end
  root.turned = true
  local members, next_ms = find(w, root, most)
  local at, done = 1, 0
  while members[at] and done < most do
    local member, due_ms = members[at][1], members[at][2]
    w.moment, w.arisen = due_ms, {}
    local id = match(member, "^h[^|]*|(.*)$")
    if id then
      turn_hold(w, root.id, member, id)
      done = done + 1
    else
      done = done + max(1, life.turn(w, work.account(w, sub(member, 2)), due_ms, most - done))
      if w.renewing then break end
    end
    take_in(w, members, at, next_ms)
    at = at + 1
  end
  w.moment, w.arisen = nil, nil
  if members[at] then next_ms = members[at][2] end
  for _, due_ms in pairs(w.scheduled and w.scheduled[root.id] or {}) do
    if due_ms and (next_ms == nil or due_ms < next_ms) then next_ms = due_ms end
  end
  root.c.tree_due, root.tree_due_dirty, root.dirty = next_ms or 0, true, true
  w.backlog = next_ms ~= nil and next_ms <= w.horizon
  return done
end
