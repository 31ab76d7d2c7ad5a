import { after } from 'node:test';

/**
 * Loaded into every test file (`--import`): ends a file that stays open after its last test, and says what keeps it
 * open. Without it, a test that hangs fails at its time limit, but the run never ends.
 */

/** How long a file may take to close what its tests have opened, in milliseconds. */
const CLOSING_MS = 15_000;

// The runner's own process loads this too, and has no tests.
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    setTimeout(() => {
      const open = [...new Set(process.getActiveResourcesInfo())].join(', ');
      process.stderr.write(`Still open ${CLOSING_MS / 1000} s after the last test: ${open}\n`);
      process.exit(1);
    }, CLOSING_MS).unref();
  });
}
