-- Without the exponent and the rounding of `tostring`.
local function written(number)
  return string.format('%.0f', number)
end

-- The next number of a sequence. It is not below the time in microseconds: should a failover lose what was written
-- last, no number that somebody has seen is given out once more.
local function next_of(sequence)
  local time = redis.call('TIME')
  local last = tonumber(redis.call('GET', sequence) or '0')
  local number = math.max(last + 1, tonumber(time[1]) * 1000000 + tonumber(time[2]))
  redis.call('SET', sequence, written(number))
  return number
end
