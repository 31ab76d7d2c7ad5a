import type { Redis } from 'ioredis';

/** Ends a connection, and what tries to make it anew. */
export async function disconnected(redis: Redis): Promise<void> {
  // Between two attempts the library says nothing of the end.
  const says = ['connecting', 'connect', 'ready', 'close'].includes(redis.status);
  const ended = new Promise<void>((resolve) => {
    if (says) redis.once('end', resolve);
    else resolve();
  });
  redis.disconnect();
  await ended;
}
