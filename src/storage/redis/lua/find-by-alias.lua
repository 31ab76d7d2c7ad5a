local alias = unpack(ARGV)
local place = redis.call('HGET', aliases, alias)
if not place then
  return false
end
return { place, redis.call('HGET', records, place) }
