import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { readPage } from '#test/docs/markdown.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const RESOURCE = 'https://api.example.com';
const page = readPage('docs/api-developers.md');

/** What docs/api-developers.md says and no other test holds. */
describe('docs/api-developers.md', () => {
  let keyturn: Keyturn;
  let api: RelyingParty;
  let token: string;
  let exchanged: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    const { resourceServer, secret } = await keyturn.addResourceServer();
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    api = await RelyingParty.discover(keyturn, { client, secret });
    const { password } = await keyturn.addAccount('ada');
    const web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid read' }));
    const credentials = { login: 'ada', password };
    const parameters = { scope: 'openid read', resource: RESOURCE };
    token = (await web.signIn(new Person(), credentials, parameters, { resource: RESOURCE })).access_token;
    const gateway = await keyturn.addClient({
      name: 'Gateway',
      redirectUris: [],
      grantTypes: [TOKEN_EXCHANGE_GRANT],
      scope: 'read',
      tokenExchange: { from: [RESOURCE], to: [RESOURCE] },
    });
    const { configuration } = await RelyingParty.discover(keyturn, gateway);
    const answer = await oauth.genericGrantRequest(configuration, TOKEN_EXCHANGE_GRANT, {
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    exchanged = answer.access_token;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  test('tells of every claim in an access token, and of none that is not there', () => {
    const start = page.text.indexOf('## What the token says');
    const table = page.text.slice(start, page.text.indexOf('\n## ', start + 1));
    const told = [...table.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, claim]) => claim),
    );
    const there = new Set([token, exchanged].flatMap((each) => Object.keys(decodeJwt(each))));
    assert.deepEqual(told.sort(), [...there].sort());
  });

  test('shows an answer of the introspection endpoint with just the members that there are', async () => {
    const shown = page.fences.find(({ language }) => language === 'json');
    const answer = await api.introspect(token);
    assert.deepEqual(Object.keys(JSON.parse(shown?.code ?? '')).sort(), Object.keys(answer).sort());
    assert.deepEqual(answer.aud, RESOURCE);
  });

  test('says how long the keys may be kept, by default, and that there is an ETag (RFC 9111 section 5.2.2.1)', async () => {
    const url = `${keyturn.issuer}/jwks`;
    const { headers } = await fetch(url);
    assert.match(headers.get('cache-control') ?? '', /\bmax-age=600\b/);
    const again = await fetch(url, { headers: { 'If-None-Match': headers.get('etag') ?? '' } });
    assert.equal(again.status, 304);
  });
});
