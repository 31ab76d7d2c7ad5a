import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TokenExchangePolicy } from '#src/clients/token-exchange-policy.ts';
import type { PresentedToken } from '#src/tokens/presented-token.ts';
import { EXCHANGED_TOKENS_MAX, type ExchangeRequest, exchange } from '#src/tokens/token-exchange.ts';
import { epochSeconds } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';
import { refusal } from '#test/support/refusal.ts';

const ISSUER = 'https://login.example.com';
const ORDERS = 'https://orders.example.com';

const policy: TokenExchangePolicy = {
  from: ['https://api.example.com'],
  to: [ORDERS],
  semantics: ['delegation', 'impersonation'],
};

/** A token of ada's that the application `web` sent to the API. */
const ofAda: PresentedToken = {
  kind: 'access',
  jti: 'of-ada',
  subject: 'account of ada',
  sub: 'ada',
  clientId: 'web',
  audiences: ['https://api.example.com'],
  scope: ['read', 'write'],
  resources: null,
  expiresAt: epochSeconds(1000),
  authorizationId: 'sign-in-of-ada',
  confirmation: null,
  act: null,
  mayAct: null,
  restsOn: {},
  signIn: {},
};

/** A token of grace's at the gateway itself, who acts through it. */
const ofGrace: PresentedToken = {
  ...ofAda,
  jti: 'of-grace',
  subject: 'account of grace',
  sub: 'grace',
  clientId: 'gateway',
  authorizationId: 'sign-in-of-grace',
  expiresAt: epochSeconds(900),
};

function asked({
  semantics = policy.semantics,
  ...changes
}: Partial<ExchangeRequest> & { semantics?: TokenExchangePolicy['semantics'] } = {}) {
  return exchange({
    issuer: ISSUER,
    client: {
      clientId: 'gateway',
      scope: ['read', 'ship'],
      tokenExchange: { ...policy, semantics },
    },
    subject: ofAda,
    actor: null,
    target: { identifier: ORDERS, scope: ['read', 'write', 'ship'] },
    scope: null,
    ...changes,
  });
}

describe('the decision of an exchange (RFC 8693)', () => {
  test('without an actor token a client that may impersonate does, and else acts itself (section 1.1)', () => {
    assert.equal(asked().semantics, 'impersonation');
    assert.equal(asked().act, null);
    assert.deepEqual(asked({ semantics: ['delegation'] }).act, { sub: 'gateway' });
  });

  test('with an actor token it is delegation, and the token names that actor (section 4.1)', () => {
    const { semantics, act } = asked({ actor: ofGrace });
    assert.deepEqual({ semantics, act }, { semantics: 'delegation', act: { sub: 'grace' } });
    assert.throws(
      () => asked({ actor: ofGrace, semantics: ['impersonation'] }),
      refusal('actor_token_unacceptable'),
    );
  });

  test('whoever acted before is named within whoever acts now, and is never left out (section 4.1)', () => {
    const subject = { ...ofAda, act: { sub: 'first' } };
    assert.deepEqual(asked({ subject, semantics: ['delegation'] }).act, {
      sub: 'gateway',
      act: { sub: 'first' },
    });
    assert.deepEqual(asked({ subject, semantics: ['impersonation'] }).act, { sub: 'first' });
  });

  test('a client without a policy, or with one for other targets, may exchange nothing (section 5)', () => {
    const client = { clientId: 'gateway', scope: ['read'], tokenExchange: null };
    assert.throws(() => asked({ client }), refusal('target_unacceptable'));
    const target = { identifier: 'https://vault.example.com', scope: ['read'] };
    assert.throws(() => asked({ target }), refusal('target_unacceptable'));
  });

  test('a client brings tokens of its own, and those of an audience that it is allowed (section 5)', () => {
    const elsewhere = { ...ofAda, audiences: ['https://elsewhere.example.com'] };
    assert.throws(() => asked({ subject: elsewhere }), refusal('subject_token_unacceptable'));
    assert.ok(asked({ subject: { ...elsewhere, clientId: 'gateway' } }));
    const several = { ...ofAda, audiences: [ISSUER, 'https://api.example.com'] };
    assert.ok(asked({ subject: several }));
  });

  test('an ID token is good for the client alone that it was issued to', () => {
    const idToken = { ...ofAda, kind: 'id', audiences: ['https://api.example.com'] } as const;
    assert.throws(() => asked({ subject: idToken }), refusal('subject_token_unacceptable'));
    assert.ok(asked({ subject: { ...idToken, clientId: 'gateway' } }));
  });

  test('a token whose sign-in asked for some targets is good for those alone, in either spelling', () => {
    const ofSignIn = (resources: readonly string[]) => ({ ...ofAda, clientId: 'gateway', resources });
    for (const resources of [[ORDERS], [`${ORDERS}/`], ['https://api.example.com', ORDERS]])
      assert.ok(asked({ subject: ofSignIn(resources) }), resources.join());
    for (const scope of [['read'], []])
      for (const resources of [[], ['https://api.example.com'], [`${ORDERS}/other`]])
        assert.throws(
          () => asked({ subject: ofSignIn(resources), target: { identifier: ORDERS, scope } }),
          refusal('target_unacceptable'),
        );
  });

  test('an actor token of another client, or of delegation, is refused', () => {
    for (const actor of [
      { ...ofGrace, clientId: 'web' },
      { ...ofGrace, act: { sub: 'other' } },
    ])
      assert.throws(() => asked({ actor }), refusal('actor_token_unacceptable'));
  });

  test('a subject token that names who may act is good for that party alone (section 4.4)', () => {
    const named = (mayAct: Record<string, unknown>) => ({ ...ofAda, mayAct });
    for (const mayAct of [
      { sub: 'gateway' },
      { sub: 'gateway', iss: ISSUER },
      { client_id: 'gateway' },
      { sub: 'gateway', client_id: 'gateway' },
    ])
      assert.ok(asked({ subject: named(mayAct) }), JSON.stringify(mayAct));
    assert.ok(asked({ subject: named({ sub: 'grace' }), actor: ofGrace }));
    for (const mayAct of [
      {},
      { sub: 'web' },
      { sub: 'grace' },
      { sub: 'gateway', iss: 'https://elsewhere.example.com' },
      { sub: 'gateway', email: 'gateway@example.com' },
      { sub: ['gateway'] },
    ])
      assert.throws(() => asked({ subject: named(mayAct) }), refusal('subject_token_unacceptable'));
    assert.throws(
      () => asked({ subject: named({ sub: 'gateway' }), actor: ofGrace }),
      refusal('subject_token_unacceptable'),
    );
  });

  test('the scope is what subject token, client and target have in common, and never more', () => {
    assert.deepEqual(asked().scope, ['read']);
    assert.deepEqual(asked({ scope: ['read'] }).scope, ['read']);
    for (const scope of [['write'], ['ship'], ['read', 'write'], ['openid'], ['nothing']])
      assert.throws(() => asked({ scope }), refusal('scope_unacceptable'), scope.join(' '));
    const scopes = fc.subarray(['read', 'write', 'ship', 'look'], { minLength: 0 });
    fc.assert(
      fc.property(scopes, scopes, scopes, fc.option(scopes), (held, registered, offered, scope) => {
        const common = offered.filter((each) => held.includes(each) && registered.includes(each));
        try {
          const { scope: given } = asked({
            subject: { ...ofAda, scope: held },
            client: { clientId: 'gateway', scope: registered, tokenExchange: policy },
            target: { identifier: ORDERS, scope: offered },
            scope,
          });
          assert.ok(given.every((each) => common.includes(each)));
        } catch (problem) {
          assert.ok(refusal('scope_unacceptable')(problem), String(problem));
        }
      }),
    );
  });

  test('where nothing is in common there is no token, unless the target has no scopes at all', () => {
    const subject = { ...ofAda, scope: ['write'] };
    assert.throws(() => asked({ subject }), refusal('scope_unacceptable'));
    assert.deepEqual(asked({ subject, target: { identifier: ORDERS, scope: [] } }).scope, []);
  });

  test('it ends no later than the subject token, nor than the actor token', () => {
    assert.equal(asked().expiresAt, 1000);
    assert.equal(asked({ actor: ofGrace }).expiresAt, 900);
    assert.equal(asked({ actor: { ...ofGrace, expiresAt: epochSeconds(2000) } }).expiresAt, 1000);
  });

  test('it rests on both tokens, on who acts, and on the clients between', () => {
    assert.deepEqual(asked().restsOn, { jti: ['of-ada'], client_id: ['web'] });
    assert.deepEqual(asked({ actor: ofGrace }).restsOn, {
      jti: ['of-ada', 'of-grace'],
      grant_id: ['sign-in-of-grace'],
      client_id: ['web'],
    });
    const before = { jti: ['first'], grant_id: ['sign-in-of-first'], client_id: ['web'] };
    assert.deepEqual(asked({ subject: { ...ofAda, clientId: 'between', restsOn: before } }).restsOn, {
      jti: ['first', 'of-ada'],
      grant_id: ['sign-in-of-first'],
      client_id: ['web', 'between'],
    });
  });

  test('a token is exchanged a bounded number of times', () => {
    const jti = Array.from({ length: EXCHANGED_TOKENS_MAX - 1 }, (_, index) => `token-${index}`);
    assert.ok(asked({ subject: { ...ofAda, restsOn: { jti } } }));
    assert.throws(
      () => asked({ subject: { ...ofAda, restsOn: { jti: [...jti, 'one-more'] } } }),
      refusal('subject_token_unacceptable'),
    );
  });
});
