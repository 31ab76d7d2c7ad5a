-- A stretch of all records, or of the entries of all logs: the name of each, what lies there, and which of its aliases
-- lead to it, for one that has expired may have lost some to another.
local table_name, after, limit, bytes_max = unpack(ARGV)
local is_record = table_name == 'record'
local index, hash = kinds, records
if not is_record then
  index, hash = log_order, log_entries
end
local answer, bytes = {}, 0
for _, name in ipairs(redis.call('ZRANGE', index, after, '+', 'BYLEX', 'LIMIT', 0, limit)) do
  local packed = redis.call('HGET', hash, name)
  local led = {}
  if is_record then
    each_alias(unpack_record(packed), function(alias)
      if redis.call('HGET', aliases, alias) == name then
        led[#led + 1] = alias
      end
    end)
  end
  answer[#answer + 1] = name
  answer[#answer + 1] = packed
  answer[#answer + 1] = table.concat(led)
  bytes = bytes + #packed
  if bytes > tonumber(bytes_max) then
    break
  end
end
return answer
