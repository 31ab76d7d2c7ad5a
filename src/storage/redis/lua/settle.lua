-- Something to be written, so that replicas that have it have all that was written before.
redis.call('SET', pinged, '')
return 1
