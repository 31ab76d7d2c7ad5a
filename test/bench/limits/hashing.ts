import argon2 from 'argon2';
import type { Config } from '#src/config/schema.ts';

/** Hashes a password at the cost that the settings ask for. */
export const hasherOf = (cost: Config['passwords']) => () =>
  argon2.hash('the quick brown fox of tests', {
    type: argon2.argon2id,
    memoryCost: cost.argon2MemoryKiB,
    timeCost: cost.argon2Iterations,
    parallelism: cost.argon2Parallelism,
  });
