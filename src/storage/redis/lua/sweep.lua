local now, limit = unpack(ARGV)
local removed, done = 0, 1

local function each_expired(index, remove)
  local members = redis.call('ZRANGE', index, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(members) do
    remove(member)
    redis.call('ZREM', index, member)
  end
  removed = removed + #members
  if #members == tonumber(limit) then
    done = 0
  end
end

each_expired(expiries, function(place)
  local record = record_at(place)
  if record then
    remove_record(place, record)
  end
end)
each_expired(ended_groups, function() end)
each_expired(revoked, function() end)
each_expired(log_expiries, function(entry)
  redis.call('HDEL', log_entries, entry)
  redis.call('ZREM', log_order, entry)
end)
each_expired(counter_expiries, function(counter)
  redis.call('HDEL', counters, counter)
end)
return { removed, done }
