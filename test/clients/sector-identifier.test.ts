import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sectorOf, sectorProblemsIn } from '#src/clients/sector-identifier.ts';

const member = (redirectUris: readonly string[], sectorIdentifierUri?: string, jwksUri?: string) =>
  sectorOf({ clientId: 'web', redirectUris, sectorIdentifierUri, jwksUri });

describe('the sector of a client (OpenID Connect Core section 8.1)', () => {
  test('is the host of sector_identifier_uri, whatever its redirect URIs are', () => {
    assert.equal(
      member(
        ['https://a.example.com/cb', 'https://b.example.org/cb'],
        'https://group.example.com/sector.json',
      ),
      'group.example.com',
    );
  });

  test('is the host of the redirect URIs where there is none', () => {
    assert.equal(member(['https://a.example.com/cb', 'https://a.example.com/other']), 'a.example.com');
    assert.equal(member(['https://A.example.com:8443/cb']), 'a.example.com');
  });

  test('is the host of its keys where it sends nobody anywhere (CIBA section 4)', () => {
    const keys = 'https://keys.example.com/jwks';
    assert.equal(member([], undefined, keys), 'keys.example.com');
    assert.equal(member(['https://a.example.com/cb'], undefined, keys), 'a.example.com');
  });

  for (const uri of [
    'http://localhost:4000/cb',
    'http://127.0.0.1/cb',
    'http://[::1]:1/cb',
    'com.example:/cb',
    'com.evil.app://victim.example/cb',
  ]) {
    test(`is the client itself for ${uri}, which any other application could have too`, () => {
      assert.equal(member([uri]), 'client:web');
    });
  }
});

describe('a registration for pairwise subjects', () => {
  const described = {
    authenticationMethod: 'client_secret_basic',
    grantTypes: ['authorization_code'],
    redirectUris: ['https://a.example.com/cb'],
    jwksUri: null,
  };
  const problems = (more: object, metadata: object = { subject_type: 'pairwise' }) =>
    [...sectorProblemsIn({ ...described, ...more, metadata })].map((problem) => problem.split(':')[0]);

  test('is enough where all redirect URIs have one host', () => {
    assert.deepEqual(problems({}), []);
    const several = ['https://a.example.com/cb', 'https://a.example.com/2'];
    assert.deepEqual(problems({ redirectUris: several }), []);
  });

  test('must name the sector where they have several', () => {
    const redirectUris = ['https://a.example.com/cb', 'https://b.example.com/cb'];
    assert.deepEqual(problems({ redirectUris }), ['metadata.sector_identifier_uri']);
    const sector_identifier_uri = 'https://example.com/sector.json';
    assert.deepEqual(problems({ redirectUris }, { subject_type: 'pairwise', sector_identifier_uri }), []);
    assert.deepEqual(problems({ redirectUris }, { subject_type: 'public' }), []);
  });

  test('is for clients that people sign in to', () => {
    const service = { redirectUris: [], grantTypes: ['client_credentials'] };
    assert.deepEqual(problems(service), ['metadata.subject_type']);
  });

  test('names a sector by https alone', () => {
    const sector_identifier_uri = 'http://example.com/sector.json';
    assert.deepEqual(problems({}, { sector_identifier_uri }), ['metadata.sector_identifier_uri']);
  });

  test('without redirect URIs rests on a key that the client publishes and signs with', () => {
    const grantTypes = ['urn:ietf:params:oauth:grant-type:device_code'];
    const device = { redirectUris: [], grantTypes };
    assert.deepEqual(problems(device), ['jwksUri', 'authenticationMethod']);
    const keyed = { authenticationMethod: 'private_key_jwt', jwksUri: 'https://a.example.com/jwks' };
    assert.deepEqual(problems({ ...device, ...keyed }), []);
    const both = { ...keyed, grantTypes: ['authorization_code', ...grantTypes] };
    assert.deepEqual(problems(both), ['metadata.sector_identifier_uri']);
  });
});
