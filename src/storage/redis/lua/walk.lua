-- A stretch of all bodies of records, or of logs: the name of each, its seal, and what lies there if that is another
-- than `except`, which may be empty.
local table_name, after, limit, except = unpack(ARGV)
local index, hash = kinds, records
if table_name ~= 'record' then
  index, hash = log_order, log_entries
end
local answer = {}
for _, name in ipairs(redis.call('ZRANGE', index, after, '+', 'BYLEX', 'LIMIT', 0, limit)) do
  local packed = redis.call('HGET', hash, name)
  local found = seal_of(packed, body_at_in(table_name, packed))
  answer[#answer + 1] = name
  answer[#answer + 1] = found
  answer[#answer + 1] = (except == '' or found == except) and '' or packed
end
return answer
