-- A stretch of what is over at a time, in the order of the times and then of the bytes: each with its time, and a counter
-- with what it stands at. Behind a member that has got another time it begins with the first of the same time.
local index_name, after_time, after_member, limit = unpack(ARGV)
local index = ({ ended_groups = ended_groups, revoked = revoked, counters = counter_expiries })[index_name]
local from = 0
if after_member ~= '' then
  local rank = redis.call('ZRANK', index, after_member)
  if rank and tonumber(redis.call('ZSCORE', index, after_member)) == tonumber(after_time) then
    from = rank + 1
  else
    from = redis.call('ZCOUNT', index, '-inf', '(' .. after_time)
  end
end
local answer = {}
local found = redis.call('ZRANGE', index, from, from + limit - 1, 'WITHSCORES')
for at = 1, #found, 2 do
  answer[#answer + 1] = found[at]
  answer[#answer + 1] = found[at + 1]
  answer[#answer + 1] = index_name == 'counters' and redis.call('HGET', counters, found[at]) or ''
end
return answer
