import assert from 'node:assert/strict';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { openServices } from '#src/services.ts';
import { backUp, restore } from '#src/store-moves.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A backup that an earlier program has made, and the key that it is sealed under. */
const FILE = fileURLToPath(import.meta.resolve('#test/storage/backups/format-1.backup'));
const KEK = 'B'.repeat(43);
const KEK_ID = '20270115-080000-070707';

const surroundings = { clock: systemClock, random: systemRandom };

const configIn = (path: string) =>
  loadConfig({
    env: {
      KEYTURN_STORE: `sqlite:${join(path, 'keyturn.db')}`,
      KEYTURN_KEK: `keyturn_kek_${KEK_ID}_${KEK}`,
    },
  });

test('a backup of format 1 is still restored', async () => {
  await using directory = await makeTemporaryDirectory();
  const config = configIn(directory.path);
  const order = { from: FILE, checkOnly: false, keepSignIns: false, onProgress: () => {} };
  const { header } = await restore(config, order, surroundings);
  assert.equal(header.kek, KEK_ID);
  await using services = await openServices(config, surroundings);
  assert.equal(services.store.created, false);
  assert.equal((await services.clients.find('fixture'))?.value.name, 'Web');
  assert.ok(await services.accounts.findByLogin('ada'));
});

test('a backup can be read without Keyturn, as the page for administrators says', async () => {
  await using directory = await makeTemporaryDirectory();
  const config = configIn(directory.path);
  const services = await openServices(config, surroundings);
  // More than a chunk holds.
  for (let n = 0; n < 4; n += 1) {
    const record = { kind: 'sector', id: `${n}`, value: 'x'.repeat(50_000), expiresAt: null } as const;
    await services.store.records.put(record);
  }
  await services[Symbol.asyncDispose]();
  const path = join(directory.path, 'one.backup');
  await backUp(config, { file: path }, surroundings);
  const file = await readFile(path);
  const header = file.subarray(0, file.indexOf('\n') + 1);
  const [, json = ''] = /^keyturn-backup 1 (.*)\n$/.exec(header.toString()) ?? [];
  const { kek, keks, salt, made_at, program } = JSON.parse(json);
  assert.deepEqual([kek, keks, typeof made_at, typeof program], [KEK_ID, [KEK_ID], 'number', 'string']);
  const secret = Buffer.from(KEK, 'base64url');
  const key = hkdfSync('sha256', secret, Buffer.from(salt, 'base64url'), 'keyturn backup', 32);
  const plain: Buffer[] = [];
  const size = 64 * 1024 + 16;
  for (let at = header.length, number = 0; at < file.length; at += size, number += 1) {
    const chunk = file.subarray(at, at + size);
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(BigInt(number), 3);
    nonce[11] = at + size >= file.length ? 1 : 0;
    const decipher = createDecipheriv('aes-256-gcm', new Uint8Array(key), nonce).setAAD(header);
    decipher.setAuthTag(chunk.subarray(-16));
    plain.push(decipher.update(chunk.subarray(0, -16)), decipher.final());
  }
  const sorts: string[] = [];
  let rest = Buffer.concat(plain);
  while (rest.length > 0) {
    const [headLength, bodyLength] = [rest.readUInt32BE(0), rest.readUInt32BE(4)];
    const { sort, entries, kind } = JSON.parse(rest.toString('utf8', 8, 8 + headLength));
    if (sort === 'end') assert.equal(entries, sorts.length);
    sorts.push(kind ?? sort);
    rest = rest.subarray(8 + headLength + bodyLength);
  }
  const sectors = Array.from({ length: 4 }, () => 'sector');
  assert.deepEqual(sorts, ['kek-register', 'key-ring', 'root', ...sectors, 'log-entry', 'end']);
});
