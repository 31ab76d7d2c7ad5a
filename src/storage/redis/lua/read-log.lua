local after, before, limit = unpack(ARGV)
local entries = redis.call('ZRANGE', log_order, after, before, 'BYLEX', 'LIMIT', 0, limit)
local answer = { redis.call('GET', position) or '0' }
for at, entry in ipairs(entries) do
  answer[2 * at] = entry
  answer[2 * at + 1] = redis.call('HGET', log_entries, entry)
end
return answer
