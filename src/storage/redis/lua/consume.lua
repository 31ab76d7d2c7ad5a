local now_text, place = unpack(ARGV)
local now = tonumber(now_text)
local record = record_at(place)
if not lives(record, now) then
  return 'absent'
end
if record.consumed_at ~= math.huge then
  return 'already-consumed'
end
redis.call('HSET', records, place, with_time(record.packed, CONSUMED_AT, now))
return 'consumed'
