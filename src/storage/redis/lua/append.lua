local log, log_until, body = unpack(ARGV)
if not takes(body) then
  return 'seal-outdated'
end
add_note(log, log_until, '', body)
return 'stored'
