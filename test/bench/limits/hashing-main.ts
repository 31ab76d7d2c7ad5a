/** How many passwords argon2 alone hashes, with as many at once as a server with default settings: prints a line of JSON. */
import { loadConfig } from '#src/config/load.ts';
import { hasherOf } from '#test/bench/limits/hashing.ts';

const forMs = Number(process.argv[2]);

const { passwords } = loadConfig({ env: {} });
const threads = passwords.hashConcurrency;
const hash = hasherOf(passwords);
await Promise.all(Array.from({ length: threads }, hash));

const startedAt = performance.now();
const before = process.cpuUsage();
const elapsed = () => performance.now() - startedAt;
const counts = await Promise.all(
  Array.from({ length: threads }, async () => {
    let count = 0;
    for (; elapsed() < forMs; count += 1) await hash();
    return count;
  }),
);
const hashes = counts.reduce((sum, each) => sum + each, 0);
const { user, system } = process.cpuUsage(before);
const perSecond = (hashes / elapsed()) * 1000;
process.stdout.write(
  `${JSON.stringify({ threads, perSecond, perCpuSecond: (hashes / (user + system)) * 1e6 })}\n`,
);
