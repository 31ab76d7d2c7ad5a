-- How many records there are of each kind that is named, and of what is kept beside them. Each is a difference of ranks
-- or a count of an index, whatever its length.
local function before(bound)
  local first = redis.call('ZRANGE', kinds, bound, '+', 'BYLEX', 'LIMIT', 0, 1)[1]
  if first then
    return redis.call('ZRANK', kinds, first)
  end
  return redis.call('ZCOUNT', kinds, '-inf', '+inf')
end

local counts = {}
for at, kind in ipairs(ARGV) do
  counts[at] = before('[' .. kind .. ';') - before('[' .. kind .. ':')
end
for _, index in ipairs({ counter_expiries, ended_groups, log_order, revoked }) do
  counts[#counts + 1] = redis.call('ZCOUNT', index, '-inf', '+inf')
end
return counts
