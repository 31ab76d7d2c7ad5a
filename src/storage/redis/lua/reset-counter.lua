local counter = unpack(ARGV)
redis.call('HDEL', counters, counter)
redis.call('ZREM', counter_expiries, counter)
return 1
