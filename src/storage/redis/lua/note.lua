-- Adds an entry to a log: `place` is that of a record that was removed, or empty. Positions are doubles in network
-- byte order, whose bytes sort as the numbers do.
local NOTE = '>BdBc0'
local NOTE_LAYOUT = 1

local function add_note(log, until_text, place, body)
  local entry = log .. struct.pack('>d', next_of(position))
  redis.call('HSET', log_entries, entry, struct.pack(NOTE, NOTE_LAYOUT, tonumber(until_text), #place, place) .. body)
  redis.call('ZADD', log_order, 0, entry)
  redis.call('ZADD', log_expiries, until_text, entry)
end
