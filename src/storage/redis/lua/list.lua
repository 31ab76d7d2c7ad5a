-- A stretch of the records of a kind, or of an owner, and what lies at their places. The caller leaves out what has
-- expired, and asks on behind the last one.
local by, after, before, limit = unpack(ARGV)
local index = by == 'owner' and owners or kinds
local answer = {}
for at, member in ipairs(redis.call('ZRANGE', index, after, before, 'BYLEX', 'LIMIT', 0, limit)) do
  local place = member
  if by == 'owner' then
    local key_at = DIGEST_BYTES + 1
    local kind_at = key_at + DIGEST_BYTES
    place = member:sub(kind_at) .. ':' .. member:sub(key_at, kind_at - 1)
  end
  answer[2 * at - 1] = place
  answer[2 * at] = redis.call('HGET', records, place)
end
return answer
