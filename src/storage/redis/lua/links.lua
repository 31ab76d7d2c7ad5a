-- What leads to a record: its kind, its group, its owner and its aliases.

local function replace_member(index, from, to)
  if from == to then
    return
  end
  if from then
    redis.call('ZREM', index, from)
  end
  if to then
    redis.call('ZADD', index, 0, to)
  end
end

local function member_of_groups(place, record)
  return record and record.group ~= '' and record.group .. place
end

-- The key before the kind, so that the records of an owner lie in the order of their keys.
local function member_of_owners(place, record)
  return record and record.owner ~= '' and record.owner .. key_of(place) .. kind_of(place)
end

-- An alias may lead to another record by now, if this one has expired.
local function drop_aliases(place, record)
  each_alias(record, function(alias)
    if redis.call('HGET', aliases, alias) == place then
      redis.call('HDEL', aliases, alias)
    end
  end)
end

local function link_record(place, before, record)
  if not before then
    redis.call('ZADD', kinds, 0, place)
  end
  if record.expires_at ~= math.huge then
    redis.call('ZADD', expiries, written(record.expires_at), place)
  elseif before and before.expires_at ~= math.huge then
    redis.call('ZREM', expiries, place)
  end
  replace_member(groups, member_of_groups(place, before), member_of_groups(place, record))
  replace_member(owners, member_of_owners(place, before), member_of_owners(place, record))
  if before then
    drop_aliases(place, before)
  end
  each_alias(record, function(alias)
    redis.call('HSET', aliases, alias, place)
  end)
end

local function remove_record(place, record)
  redis.call('HDEL', records, place)
  redis.call('ZREM', kinds, place)
  redis.call('ZREM', expiries, place)
  replace_member(groups, member_of_groups(place, record), nil)
  replace_member(owners, member_of_owners(place, record), nil)
  drop_aliases(place, record)
end
