import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemRandom } from '#src/random.ts';
import { InitialAccessTokens } from '#src/registration/initial-access-token.ts';
import { hours, seconds } from '#src/units.ts';
import { refusal } from '#test/support/refusal.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const allowance = { scope: ['read'], grantTypes: ['client_credentials'], profile: 'mcp' } as const;

async function openTokens() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const tokens = new InitialAccessTokens({ records, clock, random: systemRandom });
  return { records, clock, tokens, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('an initial access token (RFC 7591 section 1.2)', () => {
  test('is found by its text, with what it allows, until the second that it expires', async () => {
    await using open = await openTokens();
    const { token, text } = await open.tokens.add({ uses: 2, lifetime: hours(1), allowance });
    assert.match(text.reveal(), /^keyturn_iat_[\w-]{43}$/);
    assert.deepEqual(await open.tokens.find(text.reveal()), token);
    assert.deepEqual(token.allowance, allowance);
    assert.equal(await open.tokens.find(token.id), null);
    assert.equal(await open.tokens.find(`${text.reveal()}x`), null);
    open.clock.move(seconds(3599));
    assert.ok(await open.tokens.find(text.reveal()));
    open.clock.move(seconds(1));
    assert.equal(await open.tokens.find(text.reveal()), null);
    await assert.rejects(open.tokens.use(token.id), refusal('invalid_token'));
  });

  test('of three uses is used by three of fifty at once', async () => {
    await using open = await openTokens();
    const { token, text } = await open.tokens.add({ uses: 3, lifetime: hours(1), allowance });
    const uses = await Promise.allSettled(Array.from({ length: 50 }, () => open.tokens.use(token.id)));
    assert.equal(uses.filter(({ status }) => status === 'fulfilled').length, 3);
    const lost = uses.filter((use) => use.status === 'rejected');
    assert.ok(lost.every(({ reason }) => refusal('invalid_token')(reason)));
    assert.equal(await open.tokens.find(text.reveal()), null);
    assert.deepEqual(await Array.fromAsync(open.tokens.list()), [{ ...token, usesLeft: 0 }]);
  });

  test('that is revoked is gone, also for whoever is about to use it', async () => {
    await using open = await openTokens();
    const { token, text } = await open.tokens.add({ uses: 3, lifetime: hours(1), allowance });
    assert.equal(await open.tokens.revoke(token.id), true);
    assert.equal(await open.tokens.revoke(token.id), false);
    assert.equal(await open.tokens.find(text.reveal()), null);
    await assert.rejects(open.tokens.use(token.id), refusal('invalid_token'));
    assert.deepEqual(await Array.fromAsync(open.tokens.list()), []);
  });

  test('is not to be had from what is stored', async () => {
    await using open = await openTokens();
    const { token, text } = await open.tokens.add({ uses: 1, lifetime: hours(1), allowance });
    const stored = JSON.stringify(await open.records.find('registration-token', token.id));
    assert.ok(!stored.includes(text.reveal().slice('keyturn_iat_'.length)));
  });
});
