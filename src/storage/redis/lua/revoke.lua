local revoked_until, note_log, note_until, note_body = unpack(ARGV)
for at = 5, #ARGV do
  redis.call('ZADD', revoked, 'GT', revoked_until, ARGV[at])
end
if note_log ~= '' then
  add_note(note_log, note_until, '', note_body)
end
return 1
