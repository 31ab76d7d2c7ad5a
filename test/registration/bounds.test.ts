import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Bounds, withinBounds } from '#src/registration/bounds.ts';
import { fc } from '#test/support/properties.ts';

const bounds: Bounds = {
  grantTypes: ['authorization_code', 'refresh_token'],
  authenticationMethods: ['none', 'private_key_jwt'],
  responseTypes: ['code'],
  scope: ['openid', 'offline_access', 'notes'],
  requirePkce: false,
  profile: 'mcp',
  idTokenSignedResponseAlg: 'RS256',
};

const fitted = (described: Record<string, unknown>) => withinBounds(described, bounds).described;

describe('what a client says of itself, made to fit (RFC 7591 section 3.2.1)', () => {
  test('is never out of bounds, unless that is told as a problem, whatever it said', () => {
    const anything = fc.oneof(
      fc.anything(),
      fc.array(fc.constantFrom('authorization_code', 'refresh_token', 'client_credentials', 'code', 'token')),
      fc.constantFrom('none', 'client_secret_basic', 'openid admin notes', 'admin'),
    );
    const described = fc.record(
      {
        grantTypes: anything,
        authenticationMethod: anything,
        scope: anything,
        profile: anything,
        requirePkce: anything,
        metadata: fc.record({ response_types: anything }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(described, (input) => {
        const { described: fit, problems } = withinBounds(input, bounds);
        const { grantTypes, authenticationMethod, scope, profile, metadata } = fit;
        assert.equal(profile, 'mcp');
        if (authenticationMethod === 'none') assert.equal(fit.requirePkce, true);
        const lists = [
          [grantTypes, bounds.grantTypes],
          [(metadata as Record<string, unknown>).response_types, bounds.responseTypes],
          [typeof scope === 'string' ? scope.split(' ').filter(Boolean) : null, bounds.scope],
        ] as const;
        for (const [list, allowed] of lists)
          if (Array.isArray(list)) assert.ok(list.every((each) => allowed.includes(each as never)));
        if (problems.length === 0 && typeof authenticationMethod === 'string')
          assert.ok((bounds.authenticationMethods as readonly string[]).includes(authenticationMethod));
      }),
      { numRuns: 2_000 },
    );
  });

  test('has the defaults of the specifications where they are within bounds', () => {
    assert.deepEqual(fitted({}), {
      idTokenSignedResponseAlg: 'RS256',
      name: 'An application without a name',
      authenticationMethod: 'none',
      grantTypes: ['authorization_code'],
      scope: 'openid notes',
      requirePkce: true,
      profile: 'mcp',
      metadata: {},
    });
    const grantTypes = ['authorization_code', 'refresh_token'];
    assert.equal(fitted({ grantTypes }).scope, 'openid offline_access notes');
    assert.equal(fitted({ idTokenSignedResponseAlg: 'ES256' }).idTokenSignedResponseAlg, 'ES256');
    assert.equal(fitted({ authenticationMethod: 'private_key_jwt' }).requirePkce, false);
  });

  test('gets codes alone, unless the implicit grant is within bounds too (OpenID Connect Registration section 2)', () => {
    const hybrid = { ...bounds, responseTypes: ['code', 'code id_token'] };
    const asked = {
      grantTypes: ['authorization_code', 'implicit'],
      metadata: { response_types: ['code', 'id_token code'] },
    };
    const codes = withinBounds(asked, hybrid);
    assert.deepEqual(codes.problems, []);
    assert.deepEqual(codes.described.grantTypes, ['authorization_code']);
    assert.deepEqual(codes.described.metadata, { response_types: ['code'] });
    const wide = { ...hybrid, grantTypes: ['authorization_code', 'implicit'] as const };
    assert.deepEqual(withinBounds(asked, wide).described.grantTypes, asked.grantTypes);
    assert.deepEqual(withinBounds(asked, wide).described.metadata, asked.metadata);
    const unused = withinBounds({ ...asked, metadata: { response_types: ['code'] } }, wide);
    assert.deepEqual(unused.described.grantTypes, ['authorization_code']);
    const token = withinBounds({ metadata: { response_types: ['id_token'] } }, hybrid);
    assert.deepEqual(token.problems.length, 1);
  });

  test('is called after where it is at home if it has no name', () => {
    const redirectUris = ['http://localhost/cb', 'https://app.example.com/cb'];
    assert.equal(fitted({ redirectUris }).name, 'app.example.com');
    assert.equal(fitted({ redirectUris, clientUri: 'https://example.org/' }).name, 'example.org');
    assert.equal(fitted({ redirectUris, name: 'Notes' }).name, 'Notes');
    assert.equal(fitted({ redirectUris: 7, clientUri: [{}] }).name, 'An application without a name');
  });

  test('asks for nothing where nobody is asked, unless it says what', () => {
    const own = { ...bounds, grantTypes: ['client_credentials'] as const };
    const grantTypes = ['client_credentials'];
    assert.equal(withinBounds({ grantTypes }, own).described.scope, '');
    assert.equal(withinBounds({ grantTypes, scope: 'notes admin' }, own).described.scope, 'notes');
  });
});
