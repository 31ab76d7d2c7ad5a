-- Fills a store that says of itself that it is unfinished, by a record with the version of the claim. After that, and what
-- finishes it, three arguments for each entry: what is done, its name, and what lies there.
local place, claim, finishes, version_given, position_given, seal_given = unpack(ARGV, 1, 6)
local ENTRIES_AT = 7

local unfinished = record_at(place)
if not unfinished or written(unfinished.version) ~= claim then
  return 0
end

-- What has another time by now is another entry.
local function drop_timed(index, member, time)
  local score = redis.call('ZSCORE', index, member)
  if score and tonumber(score) == tonumber(time) then
    redis.call('ZREM', index, member)
    return true
  end
end

local deeds = {
  put_record = function(name, packed)
    local before = record_at(name)
    redis.call('HSET', records, name, packed)
    link_record(name, before, unpack_record(packed))
  end,
  drop_record = function(name)
    local record = record_at(name)
    if record then
      remove_record(name, record)
    end
  end,
  put_note = function(name, packed)
    local _, ends = struct.unpack('>Bd', packed)
    redis.call('HSET', log_entries, name, packed)
    redis.call('ZADD', log_order, 0, name)
    redis.call('ZADD', log_expiries, written(ends), name)
  end,
  drop_note = function(name)
    redis.call('HDEL', log_entries, name)
    redis.call('ZREM', log_order, name)
    redis.call('ZREM', log_expiries, name)
  end,
  put_ended = function(group, ends)
    redis.call('ZADD', ended_groups, ends, group)
  end,
  drop_ended = function(group, ends)
    drop_timed(ended_groups, group, ends)
  end,
  put_revoked = function(entry, ends)
    redis.call('ZADD', revoked, ends, entry)
  end,
  drop_revoked = function(entry, ends)
    drop_timed(revoked, entry, ends)
  end,
  put_counter = function(counter, packed)
    local _, ends = struct.unpack('>dd', packed)
    redis.call('HSET', counters, counter, packed)
    redis.call('ZADD', counter_expiries, written(ends), counter)
  end,
  drop_counter = function(counter, packed)
    local _, ends = struct.unpack('>dd', packed)
    if drop_timed(counter_expiries, counter, ends) then
      redis.call('HDEL', counters, counter)
    end
  end,
}

for at = ENTRIES_AT, #ARGV, 3 do
  deeds[ARGV[at]](ARGV[at + 1], ARGV[at + 2])
end

local function raise(sequence, number)
  if tonumber(redis.call('GET', sequence) or '0') < tonumber(number) then
    redis.call('SET', sequence, number)
  end
end

raise(last_version, version_given)
raise(position, position_given)
if finishes == '1' then
  -- What was empty had no seal either.
  if seal_given ~= '' then
    redis.call('SET', seal, seal_given)
  end
  remove_record(place, unfinished)
end
return 1
