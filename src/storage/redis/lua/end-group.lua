local now_text, group, remember_until, log, log_until, noted_kind = unpack(ARGV)
local now = tonumber(now_text)
redis.call('ZADD', ended_groups, 'GT', remember_until, group)
-- No kind begins with a byte of 255, so this is all that begins with the group.
local members = redis.call('ZRANGE', groups, '[' .. group, '[' .. group .. '\255', 'BYLEX')
for _, member in ipairs(members) do
  local place = member:sub(#group + 1)
  local record = record_at(place)
  if log ~= '' and kind_of(place) == noted_kind and lives(record, now) then
    add_note(log, log_until, place, body_of(record))
  end
  remove_record(place, record)
end
return #members
