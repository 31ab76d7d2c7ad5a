-- Four arguments for each body: in which table, its name there, the version if it is that of a record, the new bytes.
for at = 1, #ARGV, 4 do
  if not takes(ARGV[at + 3]) then
    return -1
  end
end
local replaced = 0
for at = 1, #ARGV, 4 do
  local table_name, name, version, body = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local hash = table_name == 'record' and records or log_entries
  local packed = redis.call('HGET', hash, name)
  if packed and (table_name ~= 'record' or written(unpack_record(packed).version) == version) then
    redis.call('HSET', hash, name, packed:sub(1, body_at_in(table_name, packed) - 1) .. body)
    replaced = replaced + 1
  end
end
return replaced
