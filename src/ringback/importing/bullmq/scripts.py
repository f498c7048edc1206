"""The steps that must happen in one piece, as Lua: Redis runs one script at a time, so a claim excludes everybody else.

All of them get the key of the ledger, of the import's own hash and of the queue's base, in this order.
"""

_OPENING = """
local ledger, import, base = KEYS[1], KEYS[2], KEYS[3]
local function write(field, old, new)
  local known = redis.call('HGET', ledger, field)
  if (known or '') ~= old then return false end
  redis.call('HSET', ledger, field, new)
  return true
end
local function claim(field, score, pscore, rest)
  local seq = redis.call('HINCRBY', import, 'seq', 1)
  redis.call('HSET', ledger, field, '{"score":"' .. score .. '","seq":' .. seq .. ',"pscore":"' .. pscore .. '",' .. rest)
end
local function claimable(field)
  if redis.call('HGET', import, 'phase') ~= 'moving' then return false end
  local known = redis.call('HGET', ledger, field)
  return not known or string.find(known, '"phase":"returned"', 1, true) ~= nil
end
local function has(list, id)
  for _, one in ipairs(redis.call('LRANGE', list, 0, -1)) do
    if one == id then return true end
  end
  return false
end
"""

PAUSE = (
    _OPENING
    + """
-- ARGV: '1' where the version moves its list on a pause (up to 5)
if redis.call('HEXISTS', base .. 'meta', 'paused') == 1 then return 0 end
redis.call('HSET', base .. 'meta', 'paused', 1)
redis.call('HSET', import, 'paused_by_us', 1)
if ARGV[1] == '1' and redis.call('EXISTS', base .. 'wait') == 1 then
  if redis.call('EXISTS', base .. 'paused') == 0 then
    redis.call('RENAME', base .. 'wait', base .. 'paused')
  end
end
if redis.call('TYPE', base .. 'marker').ok == 'zset' then redis.call('DEL', base .. 'marker') end
return 1
"""
)

RESUME = (
    _OPENING
    + """
-- undoes PAUSE, and nobody else's pause
if redis.call('HGET', import, 'paused_by_us') ~= '1' then return 0 end
redis.call('HDEL', import, 'paused_by_us')
redis.call('HDEL', base .. 'meta', 'paused')
if redis.call('EXISTS', base .. 'paused') == 1 then
  if redis.call('EXISTS', base .. 'wait') == 0 then
    redis.call('RENAME', base .. 'paused', base .. 'wait')
  else
    while redis.call('RPOPLPUSH', base .. 'paused', base .. 'wait') do end
  end
end
if ARGV[1] == '1' then redis.call('ZADD', base .. 'marker', 0, '0') end
return 1
"""
)

CLAIM = (
    _OPENING
    + """
-- ARGV: place, then field, id, timestamp, processedOn, rest of the row for each job
local place, taken = ARGV[1], {}
for i = 2, #ARGV, 5 do
  local field, id, timestamp, processed, rest = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local key, score, gone = base .. id, '', 0
  local same = redis.call('HGET', key, 'timestamp') == timestamp
  if place == 'active' and same then
    same = redis.call('EXISTS', key .. ':lock') == 0 and (redis.call('HGET', key, 'processedOn') or '') == processed
  end
  if same and claimable(field) then
    if place == 'wait' or place == 'paused' or place == 'active' then
      gone = redis.call('LREM', base .. place, -1, id)
      if gone > 0 and place ~= 'active' then
        score = redis.call('ZSCORE', base .. 'priority', id) or ''
        if score ~= '' then redis.call('ZREM', base .. 'priority', id) end
      end
    else
      score = redis.call('ZSCORE', base .. place, id) or ''
      gone = redis.call('ZREM', base .. place, id)
    end
  end
  if gone > 0 then claim(field, score, '', rest) end
  taken[#taken + 1] = gone > 0 and 1 or 0
end
return taken
"""
)

CLAIM_KEEP_LAST = (
    _OPENING
    + """
-- ARGV: deduplication id, field, name of the key aside, rest of the row
local key = base .. 'dn:' .. ARGV[1]
local owner = redis.call('GET', base .. 'de:' .. ARGV[1])
if redis.call('EXISTS', key) == 0 or not claimable(ARGV[2]) then return 0 end
if owner and has(base .. 'active', owner) then return 0 end
redis.call('RENAME', key, ARGV[3])
claim(ARGV[2], '', '', ARGV[4])
return 1
"""
)

CLAIM_SCHEDULE = (
    _OPENING
    + """
-- ARGV: member, field, id of its next run or '', rest of the row
local score = redis.call('ZSCORE', base .. 'repeat', ARGV[1])
if not score or not claimable(ARGV[2]) then return 0 end
local pscore = ''
if ARGV[3] ~= '' then
  pscore = redis.call('ZSCORE', base .. 'delayed', ARGV[3]) or ''
  if pscore == '' then return 0 end
  redis.call('ZREM', base .. 'delayed', ARGV[3])
end
redis.call('ZREM', base .. 'repeat', ARGV[1])
claim(ARGV[2], score, pscore, ARGV[4])
return 1
"""
)

WRITE = (
    _OPENING
    + """
-- ARGV: phase the import must be in, seconds that keys are kept (0: for ever), then field, old, new, two keys for each row
if redis.call('HGET', import, 'phase') ~= ARGV[1] then return {} end
local done, keep = {}, tonumber(ARGV[2])
for i = 3, #ARGV, 5 do
  local ok = write(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  for _, key in ipairs({ARGV[i + 3], ARGV[i + 4]}) do
    if ok and keep > 0 and key ~= '' then redis.call('EXPIRE', key, keep) end
  end
  done[#done + 1] = ok and 1 or 0
end
return done
"""
)

RELEASE_NEXT_RUN = (
    _OPENING
    + """
-- ARGV: field, old, new, id of the next run, its score: it is an ordinary job again
if not write(ARGV[1], ARGV[2], ARGV[3]) then return 0 end
redis.call('ZADD', base .. 'delayed', ARGV[5], ARGV[4])
return 1
"""
)

PUT_BACK = (
    _OPENING
    + """
-- ARGV: '1' where the version moves its list on a pause, then field, old, new, place, id, score, pending, pscore, aside
local target = 'wait'
if ARGV[1] == '1' and redis.call('HEXISTS', base .. 'meta', 'paused') == 1 then target = 'paused' end
local done = {}
for i = 2, #ARGV, 9 do
  local place, id, score, pending, pscore = ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7]
  local ok = write(ARGV[i], ARGV[i + 1], ARGV[i + 2])
  if ok then
    if place == 'keep-last' then
      -- one that came meanwhile is newer, and the newest is what is kept
      if redis.call('EXISTS', base .. 'dn:' .. id) == 0 and redis.call('EXISTS', ARGV[i + 8]) == 1 then
        redis.call('RENAME', ARGV[i + 8], base .. 'dn:' .. id)
        redis.call('PERSIST', base .. 'dn:' .. id)
      end
    elseif place == 'repeat' then
      redis.call('PERSIST', base .. 'repeat:' .. id)
      redis.call('ZADD', base .. 'repeat', score, id)
      if pscore ~= '' then
        redis.call('PERSIST', base .. pending)
        redis.call('ZADD', base .. 'delayed', pscore, pending)
      end
    else
      redis.call('PERSIST', base .. id)
      if place == 'wait' or place == 'paused' then
        redis.call('RPUSH', base .. target, id)
        if score ~= '' then redis.call('ZADD', base .. 'priority', score, id) end
      elseif place == 'active' then
        redis.call('RPUSH', base .. 'active', id)
      else
        redis.call('ZADD', base .. place, score, id)
      end
    end
  end
  done[#done + 1] = ok and 1 or 0
end
return done
"""
)
