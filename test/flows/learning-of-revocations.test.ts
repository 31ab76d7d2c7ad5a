import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, errors } from 'jose';
import { EventStream, type ReceivedEvent } from '#test/support/event-stream.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { statusOf } from '#test/support/status-list.ts';

const API = 'https://api.example.com';

/** A person who is signed in at a client of their own, with a token for the API. */
interface SignedIn {
  readonly subject: string;
  readonly clientId: string;
  readonly client: RelyingParty;
  readonly person: Person;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Whatever ends a token before its time. */
const CAUSES: Record<string, (keyturn: Keyturn, signedIn: SignedIn) => Promise<unknown>> = {
  'the access token is revoked': (_keyturn, { client, accessToken }) => client.revoke(accessToken),
  'the refresh token is revoked': (_keyturn, { client, refreshToken }) => client.revoke(refreshToken),
  'the person signs out': async ({ issuer }, { person }) =>
    person.submit(await person.visit(`${issuer}/logout`), '/logout/confirm', { logout: 'yes' }),
  'the account is locked': ({ services }, { subject }) => services.accounts.lock(subject),
  'the account is signed out everywhere': ({ services }, { subject }) =>
    services.accounts.signOutEverywhere(subject),
  'the account is removed': ({ services }, { subject }) => services.accounts.remove(subject),
  'the client is removed': ({ services }, { clientId }) => services.clients.remove(clientId),
  'the signing key is revoked': ({ services }, { accessToken }) =>
    services.rotation.revoke(decodeProtectedHeader(accessToken).kid ?? '', 'test'),
};

/** What docs/api-developers.md has an API do with the events of the stream. */
function falls(token: string, { event, data }: ReceivedEvent): boolean {
  const claims = decodeJwt(token);
  switch (event) {
    case 'token_revoked':
      return claims.jti === data.jti;
    case 'authorization_ended':
      return claims.grant_id === data.grant_id;
    case 'signed_out':
      return claims.sub === data.sub && Number(claims.auth_time) < Number(data.auth_time_before);
    case 'client_removed':
      return claims.client_id === data.client_id && Number(claims.iat) < Number(data.iat_before);
    case 'key_revoked':
      return decodeProtectedHeader(token).kid === data.kid;
    default:
      return false;
  }
}

describe('an API learns that a token has ended before its time', () => {
  let keyturn: Keyturn;
  let api: RelyingParty;
  let credentials: string;
  let count = 0;

  before(async () => {
    keyturn = await startKeyturnHere();
    const { resourceServer, secret } = await keyturn.addResourceServer({ identifier: API, statusList: true });
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    credentials = `Basic ${btoa(`${resourceServer.clientId}:${secret}`)}`;
    api = await RelyingParty.discover(keyturn, { client, secret });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function signIn(): Promise<SignedIn> {
    count += 1;
    const { account, password } = await keyturn.addAccount(`person${count}`);
    const added = await keyturn.addClient({ scope: 'openid read' });
    const client = await RelyingParty.discover(keyturn, added);
    const person = new Person();
    const requested = { scope: 'openid read', resource: API };
    const tokens = await client.signIn(person, { login: `person${count}`, password }, requested, {
      resource: API,
    });
    return {
      subject: account.subject,
      clientId: added.client.clientId,
      client,
      person,
      accessToken: tokens.access_token,
      refreshToken: tokens.refresh_token ?? '',
    };
  }

  const byIntrospection = async (token: string) => {
    while ((await api.introspect(token)).active) await pause();
  };
  const byList = async (token: string) => {
    for (;;) {
      // A list that was signed a moment before its key was revoked is none, and is fetched once more.
      const status = await statusOf(keyturn.issuer, token).catch((problem) => {
        if (problem instanceof errors.JWKSNoMatchingKey) return 0;
        throw problem;
      });
      if (status !== 0) return;
      await pause();
    }
  };
  const byStream = async (token: string, stream: EventStream) => {
    for (;;) {
      const event = await stream.next();
      assert.ok(event, 'the stream goes on');
      if (falls(token, event)) return;
    }
  };
  const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

  for (const [cause, end] of Object.entries(CAUSES)) {
    test(`by introspection, by the stream and by the status list when ${cause}`, async (t: TestContext) => {
      const signedIn = await signIn();
      const other = await signIn();
      const { accessToken } = signedIn;
      await using stream = await EventStream.open(`${keyturn.issuer}/revocations`, {
        authorization: credentials,
      });
      const told = await stream.until('ready');
      assert.ok(!told.some((event) => falls(accessToken, event)));
      assert.equal((await api.introspect(accessToken)).active, true);
      assert.equal(await statusOf(keyturn.issuer, accessToken), 0);

      const beganAt = performance.now();
      const measured = async (way: string, known: Promise<void>) => {
        await known;
        return `${way} ${Math.round(performance.now() - beganAt)} ms`;
      };
      const ended = end(keyturn, signedIn);
      const times = await Promise.all([
        measured('introspection', byIntrospection(accessToken)),
        measured('stream', byStream(accessToken, stream)),
        measured('status list', byList(accessToken)),
      ]);
      await ended;
      t.diagnostic(`${cause}: known after ${times.join(', ')} (and up to statusLists.ttl for a kept list)`);

      if (cause === 'the signing key is revoked') return;
      assert.equal((await api.introspect(other.accessToken)).active, true, "another's is not concerned");
      assert.equal(await statusOf(keyturn.issuer, other.accessToken), 0);
    });
  }
});
