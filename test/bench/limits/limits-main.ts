/** What a core does of one thing when it does nothing else: prints a line of JSON for each. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { loadConfig } from '#src/config/load.ts';
import { hasherOf } from '#test/bench/limits/hashing.ts';

/** How much work of the processor each figure is made of, in milliseconds. */
const workMs = Number(process.argv[2]);

/** About as much as is signed in an access token. */
const TEXT = Buffer.alloc(500, 'a');

async function perCpuSecond(once: () => unknown, waits: boolean): Promise<number> {
  const before = process.cpuUsage();
  for (let times = 1; ; times += 1) {
    const made = once();
    if (waits) await made;
    const { user, system } = process.cpuUsage(before);
    if (user + system >= workMs * 1000) return (times / (user + system)) * 1e6;
  }
}

const signing = (digest: string | null, key: KeyObject) => () =>
  sign(digest, TEXT, { key, dsaEncoding: 'ieee-p1363' });

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const ed = generateKeyPairSync('ed25519').privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

const hashing = hasherOf(loadConfig({ env: {} }).passwords);

const LIMITS = [
  { name: 'es256-signatures', about: 'node:crypto alone', once: signing('sha256', ec), waits: false },
  { name: 'eddsa-signatures', about: 'node:crypto alone', once: signing(null, ed), waits: false },
  {
    name: 'rs256-signatures',
    about: 'node:crypto alone, 2048 bits',
    once: signing('sha256', rsa),
    waits: false,
  },
  { name: 'argon2-hashes', about: 'argon2id at the default cost', once: hashing, waits: true },
];

for (const { name, about, once, waits } of LIMITS) {
  for (let warmUp = 0; warmUp < 5; warmUp += 1) await once();
  process.stdout.write(`${JSON.stringify({ name, about, perCpuSecond: await perCpuSecond(once, waits) })}\n`);
}
