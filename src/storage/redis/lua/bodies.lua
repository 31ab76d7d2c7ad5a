-- Where the body stands in what lies in `records`, or in `log_entries`: see `packed-record.ts` and `note.lua`.
local NOTE_PLACE_LENGTH_AT = 10

local function body_at_in(table_name, packed)
  if table_name == 'record' then
    return unpack_record(packed).body_at
  end
  return NOTE_PLACE_LENGTH_AT + 1 + packed:byte(NOTE_PLACE_LENGTH_AT)
end
