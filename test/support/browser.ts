import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** A headless Chromium of this machine: `KEYTURN_TEST_CHROMIUM`, or the first that is found in PATH. Close it. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(process.env),
    chromiumSandbox: false,
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-gpu',
      '--disable-quic',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** The path of a Chromium that can be run. Throws an error that says how to get one. */
export function findChromium(env: NodeJS.ProcessEnv): string {
  const candidates = env.KEYTURN_TEST_CHROMIUM
    ? [env.KEYTURN_TEST_CHROMIUM]
    : (env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const found = candidates.find(isExecutable);
  if (found === undefined) {
    throw new Error(
      'The tests of the pages need Chromium: `apt-get install -y chromium` (see README.md), or name one in KEYTURN_TEST_CHROMIUM.',
    );
  }
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
