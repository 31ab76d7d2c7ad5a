import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { claimsIn } from '#test/support/answer.ts';
import { ask, assertToldClient } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const BANK = 'https://bank.example.com';
const LEDGER = 'https://ledger.example.com/';

const TYPES = `
payment_initiation:
  name: { en: Payment, de: Zahlung }
  sentences:
    en: Pay {instructedAmount.amount} {instructedAmount.currency} to {creditorName}
    de: '{instructedAmount.amount} {instructedAmount.currency} an {creditorName} zahlen'
  resources: [${BANK}]
  schema:
    type: object
    required: [type, instructedAmount, creditorName]
    additionalProperties: false
    properties:
      type: { const: payment_initiation }
      locations: { type: array, items: { type: string } }
      actions: { type: array, items: { type: string } }
      creditorName: { type: string, maxLength: 70 }
      remittance: { type: string }
      instructedAmount:
        type: object
        required: [amount, currency]
        additionalProperties: false
        properties: { amount: { type: string, pattern: '^[0-9]+$' }, currency: { enum: [EUR, CHF] } }
account_information:
  name: { en: Account information }
  sentences: { en: 'See your accounts: {actions}' }
  resources: [${BANK}, ${LEDGER}]
  clientCredentials: [batch]
  schema:
    type: object
    required: [type]
    properties:
      type: { const: account_information }
      actions: { type: array, items: { enum: [list, read, balances] } }
      locations: { type: array, items: { type: string } }
internal:
  name: { en: Internal }
  sentences: { en: Do things inside }
  resources: [${BANK}]
  clients: [nobody]
  schema: { type: object }
`;

const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { amount: '123', currency: 'EUR' },
  creditorName: 'Merchant A',
};
const ACCOUNTS = { type: 'account_information', actions: ['list', 'read'] };

describe('rich authorization requests (RFC 9396)', () => {
  let keyturn: Keyturn;
  let files: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
  let shop: RelyingParty;
  let plain: RelyingParty;
  let batch: RelyingParty;
  let bank: RelyingParty;
  let ledger: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    files = await makeTemporaryDirectory();
    const path = join(files.path, 'details.yaml');
    await writeFile(path, TYPES);
    keyturn = await startKeyturnHere({ KEYTURN_REQUESTS_AUTHORIZATION_DETAILS_FILE: path });
    ada.password = (await keyturn.addAccount('ada')).password;
    const api = async (identifier: string) => {
      const { resourceServer, secret } = await keyturn.addResourceServer({ identifier, name: identifier });
      const client = {
        clientId: resourceServer.clientId,
        authenticationMethod: 'client_secret_basic',
      } as const;
      return RelyingParty.discover(keyturn, { client, secret });
    };
    [bank, ledger] = [await api(BANK), await api(LEDGER)];
    const types = ['payment_initiation', 'account_information', 'internal'];
    const metadata = { authorization_details_types: types };
    shop = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ name: 'Shop', scope: 'openid offline_access read', metadata }),
    );
    plain = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Plain' }));
    batch = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({
        clientId: 'batch',
        name: 'Batch',
        redirectUris: [],
        grantTypes: ['client_credentials'],
        scope: '',
        metadata,
      }),
    );
  });
  after(async () => {
    await stopFaultless(keyturn);
    await files[Symbol.asyncDispose]();
  });

  const asking = (...details: object[]) => ({ authorization_details: JSON.stringify(details) });
  const detailsOf = (tokens: Tokens) => claimsIn(tokens.access_token).authorization_details;

  test('what the person allows is in the token, in its response and in introspection (sections 7, 9.1 and 9.2)', async () => {
    const tokens = await shop.signIn(new Person(), ada, asking(PAYMENT));
    assert.deepEqual(tokens.authorization_details, [PAYMENT]);
    const claims = claimsIn(tokens.access_token);
    assert.deepEqual(claims.authorization_details, [PAYMENT]);
    assert.deepEqual([claims.aud].flat()[0], BANK, 'the type says whom the token is for');
    assert.deepEqual((await bank.introspect(tokens.access_token)).authorization_details, [PAYMENT]);
    assert.deepEqual((await shop.introspect(tokens.access_token)).authorization_details, [PAYMENT]);
    assert.deepEqual(await ledger.introspect(tokens.access_token), { active: false });
  });

  test('the person sees each detail in plain words, in their language, and nothing is hidden (section 11.1)', async () => {
    const person = new Person();
    const detail = { ...PAYMENT, creditorName: '<b>Merchant</b>', remittance: 'Invoice 7' };
    const page = async (languages: string) => {
      const { url } = await shop.request({ ...asking(detail), ui_locales: languages });
      const first = await person.visit(url);
      return first.html.includes('/sign-in"') ? person.submit(first, '/sign-in', ada) : first;
    };
    const english = await page('en');
    assert.match(english.html, /Payment.*payment_initiation/s);
    assert.match(
      english.html,
      /Pay <bdi[^>]*>123<\/bdi> <bdi[^>]*>EUR<\/bdi> to <bdi[^>]*>&lt;b&gt;Merchant/,
    );
    assert.match(english.html, /<code>remittance<\/code>.*Invoice 7/s);
    assert.doesNotMatch(english.html, /<b>Merchant/);
    assert.match((await page('de')).html, /Zahlung/);
  });

  test('the person is asked each time, and not at all is not enough (section 11.1)', async () => {
    const person = new Person();
    await shop.signIn(person, ada, asking(PAYMENT));
    const again = await shop.request(asking(PAYMENT));
    assert.match((await person.visit(again.url)).html, /\/consent"/);
    const silent = await shop.request({ ...asking(PAYMENT), prompt: 'none' });
    assert.equal((await person.visit(silent.url)).leftTo?.searchParams.get('error'), 'consent_required');
    const consent = await person.visit(again.url);
    const { leftTo } = await person.submit(consent, '/cancel');
    assert.equal(leftTo?.searchParams.get('error'), 'access_denied');
  });

  test('details may be pushed (section 3; RFC 9126)', async () => {
    const { url, checks } = await shop.request(asking(PAYMENT));
    const sent = await oauth.buildAuthorizationUrlWithPAR(
      shop.configuration,
      Object.fromEntries(url.searchParams),
    );
    const tokens = await shop.redeem(await new Person().authorize(sent, ada), checks);
    assert.deepEqual(detailsOf(tokens), [PAYMENT]);
  });

  test('a token has the details of its own resource server alone (sections 6 and 9.1)', async () => {
    const both = asking(PAYMENT, ACCOUNTS);
    const { url, checks } = await shop.request(both);
    const atLedger = await shop.redeem(await new Person().authorize(url, ada), checks, { resource: LEDGER });
    assert.deepEqual(atLedger.authorization_details, [ACCOUNTS]);
    assert.equal(claimsIn(atLedger.access_token).aud, LEDGER);
    const atBank = await shop.refresh(atLedger.refresh_token as string, { resource: BANK });
    assert.deepEqual(atBank.authorization_details, [PAYMENT, ACCOUNTS]);
    const nowhere = await shop.request(both);
    const callback = await new Person().authorize(nowhere.url, ada);
    await assert.rejects(shop.redeem(callback, nowhere.checks), { error: 'invalid_target' });
    assert.ok(await shop.redeem(callback, nowhere.checks, { resource: BANK }), 'and the code is still good');
  });

  test('locations say where a detail is good (section 2.2)', async () => {
    const tokens = await shop.signIn(new Person(), ada, asking({ ...ACCOUNTS, locations: [LEDGER] }));
    assert.deepEqual([claimsIn(tokens.access_token).aud].flat()[0], LEDGER);
    await assertToldClient(
      shop,
      asking({ ...ACCOUNTS, locations: ['https://elsewhere.example'] }),
      'invalid_authorization_details',
    );
  });

  test('a token request may ask for less, and never for more (section 6.1)', async () => {
    const { url, checks } = await shop.request({ ...asking(PAYMENT, ACCOUNTS), resource: BANK });
    const callback = await new Person().authorize(url, ada);
    for (const beyond of [
      { ...ACCOUNTS, actions: ['list', 'balances'] },
      { type: 'account_information' },
      { ...PAYMENT, instructedAmount: { amount: '9999', currency: 'EUR' } },
      { ...PAYMENT, actions: ['initiate'] },
    ])
      await assert.rejects(shop.redeem(callback, checks, asking(beyond)), {
        error: 'invalid_authorization_details',
      });
    const less = { ...ACCOUNTS, actions: ['read'] };
    const tokens = await shop.redeem(callback, checks, asking(less));
    assert.deepEqual(detailsOf(tokens), [less]);

    const refreshed = await shop.refresh(tokens.refresh_token as string);
    assert.deepEqual(detailsOf(refreshed), [PAYMENT, ACCOUNTS], 'what was granted stays granted');
    const narrowed = await shop.refresh(refreshed.refresh_token as string, asking(PAYMENT));
    assert.deepEqual(detailsOf(narrowed), [PAYMENT]);
    await assert.rejects(
      shop.refresh(narrowed.refresh_token as string, asking({ ...PAYMENT, creditorName: 'Other' })),
      { error: 'invalid_authorization_details' },
    );
    assert.ok(await shop.refresh(narrowed.refresh_token as string), 'and the refresh token is still good');
  });

  test('an authorization without details yields none, whatever the token request says (section 6)', async () => {
    const { url, checks } = await shop.request({ scope: 'openid', resource: BANK });
    const callback = await new Person().authorize(url, ada);
    await assert.rejects(shop.redeem(callback, checks, asking(PAYMENT)), {
      error: 'invalid_authorization_details',
    });
  });

  test('what is of no known type, not of its schema, or no list of details is refused (section 5)', async () => {
    for (const details of [
      'nonsense',
      '{}',
      '[1]',
      '[null]',
      '[{}]',
      '[{"type":""}]',
      '[{"type":7}]',
      '[{"type":"unknown"}]',
      '[{"type":"__proto__"}]',
      '[{"type":"constructor"}]',
      JSON.stringify([PAYMENT, { type: 'unknown' }]),
      JSON.stringify([{ ...PAYMENT, more: 1 }]),
      JSON.stringify([{ ...PAYMENT, creditorName: 7 }]),
      JSON.stringify([{ ...PAYMENT, instructedAmount: { amount: '-1', currency: 'EUR' } }]),
      JSON.stringify([{ ...ACCOUNTS, actions: ['delete'] }]),
      JSON.stringify([{ ...ACCOUNTS, actions: 'list' }]),
      JSON.stringify([{ ...ACCOUNTS, actions: [''] }]),
      JSON.stringify([{ ...ACCOUNTS, note: 'x'.repeat(4096) }]),
    ])
      await assertToldClient(shop, { authorization_details: details }, 'invalid_authorization_details');
  });

  test('a client may ask for the types that it has registered, of those that are for it (section 10)', async () => {
    await assertToldClient(plain, asking(PAYMENT), 'invalid_authorization_details');
    await assertToldClient(shop, asking({ type: 'internal' }), 'invalid_authorization_details');
  });

  test('details are for a resource server that the request names (RFC 8707 section 2)', async () => {
    await assertToldClient(shop, { ...asking(PAYMENT), resource: LEDGER }, 'invalid_authorization_details');
    const { html } = await ask(shop, { ...asking(PAYMENT), resource: BANK });
    assert.match(html, /\/sign-in"/);
  });

  test('details go with a code alone (section 3)', async () => {
    for (const response_type of ['token', 'id_token']) {
      const { leftTo } = await ask(shop, { ...asking(PAYMENT), response_type });
      const answer = new URLSearchParams(leftTo?.hash.slice(1));
      assert.equal(answer.get('error'), 'unsupported_response_type');
    }
  });

  test('a client has details for itself where the type says so (section 6)', async () => {
    const own = await oauth.clientCredentialsGrant(batch.configuration, {
      ...asking(ACCOUNTS),
      resource: BANK,
    });
    assert.deepEqual(claimsIn(own.access_token).authorization_details, [ACCOUNTS]);
    assert.deepEqual(own.authorization_details, [ACCOUNTS]);
    assert.deepEqual((await bank.introspect(own.access_token)).authorization_details, [ACCOUNTS]);
    await assert.rejects(oauth.clientCredentialsGrant(batch.configuration, asking(PAYMENT)), {
      error: 'invalid_authorization_details',
    });
    await assert.rejects(
      oauth.clientCredentialsGrant(batch.configuration, asking(ACCOUNTS)),
      { error: 'invalid_target' },
      'two resource servers take it, so one must be named',
    );
  });

  test('an opaque token has its details in introspection (section 9.2)', async () => {
    await keyturn.services.resources.remove(LEDGER);
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: LEDGER,
      tokenFormat: 'opaque',
    });
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    const asks = await RelyingParty.discover(keyturn, { client, secret });
    const detail = { ...ACCOUNTS, locations: [LEDGER] };
    const tokens = await shop.signIn(new Person(), ada, asking(detail));
    assert.ok(!tokens.access_token.includes('.'));
    assert.deepEqual((await asks.introspect(tokens.access_token)).authorization_details, [detail]);
  });

  test('the metadata says the types, and nothing where there are none (section 10)', async () => {
    const metadata = async (of: Keyturn) => {
      const answer = await fetch(`${of.issuer}/.well-known/oauth-authorization-server`);
      return (await answer.json()) as Record<string, unknown>;
    };
    assert.deepEqual((await metadata(keyturn)).authorization_details_types_supported, [
      'payment_initiation',
      'account_information',
      'internal',
    ]);
    await using none = await startKeyturnHere();
    assert.equal((await metadata(none)).authorization_details_types_supported, undefined);
    const answer = await fetch(`${none.issuer}/par`, { method: 'POST', body: new URLSearchParams() });
    assert.equal((await refusalOf(answer)).error, 'invalid_client');
  });
});
