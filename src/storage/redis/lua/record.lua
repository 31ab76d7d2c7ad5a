-- How records lie in Redis. A record has a place: its kind, a colon and its key. The place is its field in `records`.
-- What lies there is packed as `packed-record.ts` says.

local RECORD = '>BdddBc0Bc0Hc0'
local RECORD_LAYOUT = 1
local DIGEST_BYTES = 32

-- Where in a packed record its version stands, and when it was consumed.
local VERSION_AT, CONSUMED_AT, TIME_BYTES = 2, 18, 8

local function unpack_record(packed)
  if packed:byte(1) ~= RECORD_LAYOUT then
    error('a newer Keyturn has written a record')
  end
  local _, version, expires_at, consumed_at, group, owner, aliases_joined, body_at = struct.unpack(RECORD, packed)
  return {
    packed = packed,
    version = version,
    expires_at = expires_at,
    consumed_at = consumed_at,
    group = group,
    owner = owner,
    aliases = aliases_joined,
    body_at = body_at,
  }
end

local function record_at(place)
  local packed = redis.call('HGET', records, place)
  return packed and unpack_record(packed) or nil
end

local function with_time(packed, at, time)
  return packed:sub(1, at - 1) .. struct.pack('>d', time) .. packed:sub(at + TIME_BYTES)
end

local function lives(record, now)
  return record ~= nil and record.expires_at > now
end

local function kind_of(place)
  return place:sub(1, -DIGEST_BYTES - 2)
end

local function key_of(place)
  return place:sub(-DIGEST_BYTES)
end

local function each_alias(record, visit)
  for at = 1, #record.aliases, DIGEST_BYTES do
    visit(record.aliases:sub(at, at + DIGEST_BYTES - 1))
  end
end

local function body_of(record)
  return record.packed:sub(record.body_at)
end
