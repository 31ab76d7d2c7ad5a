local log, log_until, body = unpack(ARGV)
add_note(log, log_until, '', body)
return 1
