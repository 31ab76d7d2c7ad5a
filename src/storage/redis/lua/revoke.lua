local revoked_until, note_log, note_until, note_body = unpack(ARGV)
if note_log ~= '' and not takes(note_body) then
  return 'seal-outdated'
end
for at = 5, #ARGV do
  redis.call('ZADD', revoked, 'GT', revoked_until, ARGV[at])
end
if note_log ~= '' then
  add_note(note_log, note_until, '', note_body)
end
return 'stored'
