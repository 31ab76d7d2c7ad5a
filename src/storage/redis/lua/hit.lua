local now_text, counter, window = unpack(ARGV)
local now = tonumber(now_text)
local count, resets_at = 1, now + tonumber(window)
local open = redis.call('HGET', counters, counter)
if open then
  local counted, ends = struct.unpack('>dd', open)
  if ends > now then
    count, resets_at = counted + 1, ends
  end
end
redis.call('HSET', counters, counter, struct.pack('>dd', count, resets_at))
redis.call('ZADD', counter_expiries, written(resets_at), counter)
return { count, resets_at }
