import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** A PKCS#11 token of SoftHSM with nothing in it. Disposing it removes it. */
export interface SoftToken extends AsyncDisposable {
  readonly module: string;
  readonly label: string;
  readonly pinFile: string;
  readonly pin: string;
  /** The settings of Keyturn that name it. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where the module finds it; this process and those that it starts have it already. */
  readonly env: Readonly<Record<string, string>>;
  /** Takes it out of its slot, or switches it off. */
  takeAway(): Promise<void>;
  bringBack(): Promise<void>;
  writePin(pin: string): Promise<void>;
}

/** Where Debian and others put the module. */
const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

const LABEL = 'keyturn test';
const PIN = '4821-9937';

export async function makeSoftToken(): Promise<SoftToken> {
  const module = MODULES.find((path) => existsSync(path));
  assert.ok(module, 'these tests need SoftHSM: apt-get install softhsm2');
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await makeTemporaryDirectory());
  const tokens = join(path, 'tokens');
  const away = join(path, 'away');
  await mkdir(tokens);
  const configuration = join(path, 'softhsm2.conf');
  await writeFile(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\n`);
  const env = { SOFTHSM2_CONF: configuration };
  const before = process.env.SOFTHSM2_CONF;
  process.env.SOFTHSM2_CONF = configuration;
  opened.defer(() => {
    if (before === undefined) delete process.env.SOFTHSM2_CONF;
    else process.env.SOFTHSM2_CONF = before;
  });
  const made = ['--init-token', '--free', '--label', LABEL, '--pin', PIN, '--so-pin', '12345678'];
  await promisify(execFile)('softhsm2-util', made);
  const pinFile = join(path, 'pin');
  const writePin = async (pin: string) => {
    await writeFile(pinFile, `${pin}\n`);
    await chmod(pinFile, 0o600);
  };
  await writePin(PIN);
  const closing = opened.move();
  return {
    module,
    label: LABEL,
    pin: PIN,
    pinFile,
    settings: {
      KEYTURN_KEYS_SOURCE: 'pkcs11',
      KEYTURN_PKCS11_MODULE: module,
      KEYTURN_PKCS11_TOKEN: LABEL,
      KEYTURN_PKCS11_PIN_FILE: pinFile,
      KEYTURN_PKCS11_RETRY_AFTER: '1s',
    },
    env,
    takeAway: () => rename(tokens, away),
    bringBack: () => rename(away, tokens),
    writePin,
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
