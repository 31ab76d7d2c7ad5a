local now_text, place, log, log_until = unpack(ARGV)
local record = record_at(place)
if not record then
  return 0
end
local lived = lives(record, tonumber(now_text))
if lived and log ~= '' then
  add_note(log, log_until, place, body_of(record))
end
remove_record(place, record)
return lived and 1 or 0
