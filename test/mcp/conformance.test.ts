import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

const TOOL = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));

test("the Model Context Protocol's own conformance tool finds nothing amiss (its command `authorization`)", async () => {
  await using keyturn = await startKeyturnHere();
  const { password } = await keyturn.addAccount('ada');
  const port = String(await freePort());
  const { client } = await keyturn.addClient({
    authenticationMethod: 'none',
    profile: 'mcp',
    redirectUris: [`http://127.0.0.1:${port}/callback`],
  });
  const options = ['--url', keyturn.issuer, '--client-id', client.clientId, '--port', port];
  const tool = spawn(process.execPath, [TOOL, 'authorization', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(tool, 'close');
  const lines: string[] = [];
  for await (const line of createInterface({ input: tool.stdout })) {
    lines.push(line);
    // It prints where a person is to go, and waits for the browser to come back to it.
    if (!line.startsWith(`${keyturn.issuer}/authorize?`)) continue;
    const callback = await new Person().authorize(line, { login: 'ada', password });
    await (await fetch(callback)).text();
  }
  const [code] = await ended;
  const output = lines.join('\n');
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /FAILURE|SKIPPED/);
});
