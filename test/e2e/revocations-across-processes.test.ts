import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { EventStream } from '#test/support/event-stream.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';
import { statusReferenceOf } from '#test/support/status-list.ts';

const API = 'https://api.example.com';

interface Credentials {
  readonly client_id: string;
  readonly client_secret: string;
}

const originOf = ({ env }: RunningKeyturn) => `http://127.0.0.1:${env.KEYTURN_PORT}`;

/** The status of a token as the process says that listens there, whichever has issued it. */
async function statusAt(process: RunningKeyturn, token: string): Promise<string> {
  const { uri } = statusReferenceOf(token);
  const answer = await fetch(originOf(process) + new URL(uri).pathname);
  assert.equal(answer.status, 200);
  const { status_list } = decodeJwt<{ status_list: { lst: string } }>(await answer.text());
  return status_list.lst;
}

test('what is revoked at one process is told by the stream and the list of another, and kill -9 of the first loses none of it', async () => {
  await using one = await startKeyturn();
  const { KEYTURN_STORE = '', KEYTURN_KEYS_DIR = '' } = one.env;
  const shared = { KEYTURN_STORE, KEYTURN_KEYS_DIR, KEYTURN_ISSUER: one.issuer };
  await using other = await startKeyturn({ env: shared });
  const added = (
    await one.cli(['resources', 'add', '--identifier', API, '--scope', 'read', '--status-list', '--json'])
  ).json();
  const api = added as unknown as Credentials;
  const register = [
    'clients',
    'add',
    '--name',
    'Service',
    '--grant',
    'client_credentials',
    '--scope',
    'read',
  ];
  const registered = (await one.cli([...register, '--json'])).json() as unknown as Credentials;
  const client = { clientId: registered.client_id, authenticationMethod: 'client_secret_basic' } as const;
  const service = await RelyingParty.discover(one, { client, secret: registered.client_secret });
  const tokenOf = async () =>
    (await oauth.clientCredentialsGrant(service.configuration, { scope: 'read' })).access_token;
  const listen = (cursor?: string) =>
    EventStream.open(`${originOf(other)}/revocations`, {
      authorization: `Basic ${btoa(`${api.client_id}:${api.client_secret}`)}`,
      ...(cursor === undefined ? {} : { 'last-event-id': cursor }),
    });

  await using stream = await listen();
  await stream.until('ready');
  const [first, second] = [await tokenOf(), await tokenOf()];
  const before = await statusAt(other, first);
  await service.revoke(first);
  const told = await stream.next();
  assert.deepEqual([told?.event, told?.data.jti], ['token_revoked', decodeJwt(first).jti]);
  while ((await statusAt(other, first)) === before) await new Promise((resolve) => setTimeout(resolve, 50));

  const cursor = stream.lastId;
  await stream[Symbol.asyncDispose]();
  await service.revoke(second);
  await one.kill();
  await using resumed = await listen(cursor);
  const missed = await resumed.until('ready');
  assert.deepEqual(
    missed.map(({ data }) => data.jti),
    [decodeJwt(second).jti],
  );

  (await other.cli(['clients', 'remove', registered.client_id, '--yes', '--json'])).json();
  const removed = await resumed.next();
  assert.deepEqual([removed?.event, removed?.data.client_id], ['client_removed', registered.client_id]);
});
