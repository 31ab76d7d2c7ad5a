/**
 * Makes the fixture of the release that is at hand: a backup with sign-ins of a server that has been used, the key that it
 * is sealed under, and what its clients and people went away with. Run it once, when the version has been raised:
 *
 *     npm run release-fixture
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { newKeyEncryptionKey } from '#src/sealing/key-encryption-keys.ts';
import { backUp } from '#src/store-moves.ts';
import { days } from '#src/units.ts';
import { PROGRAM_VERSION } from '#src/version.ts';
import { API, type Known, OPAQUE_API, redemption, SETTINGS } from '#test/releases/known.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const surroundings = { clock: systemClock, random: systemRandom };
const directory = fileURLToPath(new URL(`./${PROGRAM_VERSION}`, import.meta.url));

const kek = newKeyEncryptionKey(surroundings);
await using keyturn = await startKeyturnHere({ ...SETTINGS, KEYTURN_KEK: kek.reveal() });
const known = await use(keyturn, kek.reveal());
await mkdir(directory);
await backUp(keyturn.services.config, { file: join(directory, 'store.backup') }, surroundings);
await writeFile(join(directory, 'known.json'), `${JSON.stringify(known, null, 2)}\n`);

async function use(server: Keyturn, kekLine: string): Promise<Known> {
  const { issuer, services } = server;
  const scope = 'openid profile email offline_access read';
  const added = await server.addClient({ scope: `${scope} look` });
  const web = await RelyingParty.discover(server, added);
  const service = await server.addClient({
    grantTypes: ['client_credentials'],
    redirectUris: [],
    scope: 'read',
  });
  const device = await server.addClient({
    ...{ authenticationMethod: 'none', redirectUris: [], grantTypes: [DEVICE_CODE_GRANT], scope: 'openid' },
  });
  const api = await server.addResourceServer();
  const opaqueApi = await server.addResourceServer({
    ...{ identifier: OPAQUE_API, tokenFormat: 'opaque', scope: ['look'] },
  });

  const [ada, bob] = [await server.addAccount('ada'), await server.addAccount('bob')];
  const asAda = { login: 'ada', password: ada.password };
  const [browser, other] = [new Person(), new Person()];
  const forApi = { scope, resource: API };
  const signedIn = await web.signIn(browser, asAda, forApi);
  const { request_uri: requestUri } = await post(issuer, '/par', added, await parametersOf(web, forApi));
  const opaque = await web.signIn(browser, asAda, { scope: 'openid look', resource: OPAQUE_API });
  const revoked = await web.signIn(browser, asAda, forApi);
  await web.revoke(revoked.access_token);
  const reused = await web.signIn(other, asAda, forApi);
  const successor = await web.refresh(String(reused.refresh_token));
  await web.refresh(String(successor.refresh_token));
  const locked = await web.signIn(new Person(), { login: 'bob', password: bob.password }, forApi);
  await services.accounts.lock(bob.account.subject);

  const code = await codeOf(web, browser, asAda, forApi);
  const usedCode = await codeOf(web, browser, asAda, forApi);
  await post(issuer, '/token', added, redemption(usedCode));
  const begun = await post(issuer, '/device_authorization', null, {
    client_id: device.client.clientId,
    scope: 'openid',
  });
  const invitation = await services.initialAccessTokens.add({
    ...{ uses: 2, lifetime: days(1), allowance: { scope: [], grantTypes: [], profile: null } },
  });
  await services.rotation.rotate({ breakGlass: 'a fixture waits for nobody' });
  const { keys } = (await (await fetch(`${issuer}/jwks`)).json()) as { keys: { kid: string }[] };
  return {
    issuer,
    madeAt: systemClock.now(),
    kek: kekLine,
    web: { id: added.client.clientId, secret: added.secret },
    service: { id: service.client.clientId, secret: service.secret },
    api: { id: api.resourceServer.clientId, secret: api.secret },
    opaqueApi: { id: opaqueApi.resourceServer.clientId, secret: opaqueApi.secret },
    device: device.client.clientId,
    cookie: browser.cookieHeader(new URL(`${issuer}/authorize`)),
    request: { client_id: added.client.clientId, redirect_uri: CALLBACK, ...forApi },
    tokens: {
      access: signedIn.access_token,
      opaque: opaque.access_token,
      revoked: revoked.access_token,
      locked: locked.access_token,
      refresh: String(signedIn.refresh_token),
      reused: String(reused.refresh_token),
      successor: String(successor.refresh_token),
    },
    code,
    usedCode,
    deviceCode: String(begun.device_code),
    requestUri: String(requestUri),
    initialAccessToken: invitation.text.reveal(),
    kids: keys.map(({ kid }) => kid),
  };
}

type Added = Awaited<ReturnType<Keyturn['addClient']>>;

async function parametersOf(web: RelyingParty, asked: Record<string, string>) {
  const { url } = await web.request(asked);
  return Object.fromEntries(url.searchParams);
}

async function codeOf(
  web: RelyingParty,
  person: Person,
  credentials: { login: string; password: string },
  asked: Record<string, string>,
) {
  const { url, checks } = await web.request(asked);
  const callback = await person.authorize(url, credentials);
  return { code: String(callback.searchParams.get('code')), verifier: checks.pkceCodeVerifier };
}

async function post(issuer: string, path: string, by: Added | null, fields: Record<string, string>) {
  const headers = by === null ? {} : { authorization: `Basic ${btoa(`${by.client.clientId}:${by.secret}`)}` };
  const response = await fetch(`${issuer}${path}`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(fields),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}
