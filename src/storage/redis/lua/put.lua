local now_text, place, packed, only_if, sets_seal, note_log, note_until, note_body = unpack(ARGV)
local now = tonumber(now_text)
local record = unpack_record(packed)

if record.group ~= '' then
  local ended_until = redis.call('ZSCORE', ended_groups, record.group)
  if ended_until and tonumber(ended_until) > now then
    return { 'group-ended' }
  end
end

-- Perhaps one that has expired and has not been swept yet.
local before = record_at(place)
if only_if ~= '' then
  local present = lives(before, now) and written(before.version) or 'absent'
  if present ~= only_if then
    return { 'stale' }
  end
end

local taken
each_alias(record, function(alias)
  local holder = redis.call('HGET', aliases, alias)
  if not taken and holder and holder ~= place and lives(record_at(holder), now) then
    taken = alias
  end
end)
if taken then
  return { 'alias-taken', taken }
end

local body_seal = seal_of(packed, record.body_at)
if note_log ~= '' and seal_of(note_body, 1) ~= body_seal then
  return { 'seal-outdated' }
end
if sets_seal ~= '' then
  redis.call('SET', seal, body_seal)
elseif not takes(body_of(record)) then
  return { 'seal-outdated' }
end

if note_log ~= '' then
  add_note(note_log, note_until, '', note_body)
end
local version = next_of(last_version)
redis.call('HSET', records, place, with_time(packed, VERSION_AT, version))
link_record(place, before, record)
return { 'stored', written(version) }
