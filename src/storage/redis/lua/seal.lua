-- The first bytes of a body are its seal: which key has sealed it. Once a seal is set, no body with another is taken.
local SEAL_BYTES = 23

local function seal_of(packed, body_at)
  return packed:sub(body_at, body_at + SEAL_BYTES - 1)
end

local function takes(body)
  local set = redis.call('GET', seal)
  return not set or seal_of(body, 1) == set
end
