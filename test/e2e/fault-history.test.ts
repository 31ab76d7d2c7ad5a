import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Asking } from '#test/e2e/faults/asking.ts';
import { audit } from '#test/e2e/faults/audit.ts';
import { type Fleet, startFleet } from '#test/e2e/faults/fleet.ts';
import { type Entry, History, tally } from '#test/e2e/faults/history.ts';
import { answersUnlessKilled, INVARIANTS } from '#test/e2e/faults/invariants.ts';
import { redeemedIn, startTraffic, type Traffic } from '#test/e2e/faults/traffic.ts';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const PAUSE_MS = 10_000;
const CLIENTS = 50;
const ACCOUNT = 'ada';
const PASSWORD = 'the quick brown fox of tests';

/** Which of the three servers is killed. */
const KILLED = 1;

/** So many codes and refresh tokens are redeemed before, between and after the faults, at least. */
const BETWEEN_FAULTS = 150;
const REDEMPTIONS_MIN = 1000;
/** So many requests at least are waiting for their answer at the moment of each fault. */
const UNDER_WAY_MIN = 30;

/** It takes 45 seconds where nothing else runs, and as many times that as others want the machine. */
const LIMIT = { timeout: 300_000 };

test(
  'three servers under Sentinel keep their promises while one is killed, the primary is killed and Redis is paused',
  LIMIT,
  async (t) => {
    await using fleet = await startFleet();
    const { web, authorization } = await register(fleet);
    const history = new History();
    const asking: Asking = { fleet, history, authorization };
    await using traffic = startTraffic(asking, {
      web,
      account: ACCOUNT,
      password: PASSWORD,
      clients: CLIENTS,
    });
    try {
      for (const [name, happens] of Object.entries(faultsOf(fleet, traffic))) {
        await traffic.flows(BETWEEN_FAULTS, UNDER_WAY_MIN);
        t.diagnostic(`${name}: ${redeemedIn(history)} redemptions, ${history.underWay} requests under way`);
        await happens();
      }
      await traffic.flows(BETWEEN_FAULTS, UNDER_WAY_MIN);
      await traffic.suffices(() => lackingIn(history));
      await traffic.stop();
    } finally {
      report(t, history.entries);
    }
    await fleet.whole();
    await audit(asking);

    const invariants = [...INVARIANTS, answersUnlessKilled(KILLED)];
    const breaches = invariants.flatMap((invariant) => invariant(history.entries));
    assert.deepEqual(breaches, []);
  },
);

/** What happens, one after the other. */
const faultsOf = (fleet: Fleet, traffic: Traffic): Readonly<Record<string, () => Promise<void>>> => ({
  'a server is killed': async () => {
    await fleet.nodes[KILLED].kill();
    await traffic.flows(BETWEEN_FAULTS, UNDER_WAY_MIN);
    await fleet.nodes[KILLED].restart();
  },
  'the primary is killed': () => fleet.losePrimary(),
  'Redis is paused': () => fleet.pauseRedis(() => setTimeout(PAUSE_MS)),
});

/** What a history must have more of, lest it tell too little. */
function lackingIn(history: History): readonly string[] {
  const done = history.entries.filter(({ outcome }) => outcome === 'done');
  const ends = done.filter((entry) => entry.what === 'end');
  const registered = done.flatMap((entry) => (entry.what === 'register' ? [entry.kind] : []));
  const counts: readonly [what: string, count: number, min: number][] = [
    ['codes and refresh tokens redeemed', redeemedIn(history), REDEMPTIONS_MIN],
    ['codes redeemed', history.count('redeem'), REDEMPTIONS_MIN / 10],
    ['access tokens revoked', ends.filter(({ scope }) => scope === 'token').length, 10],
    ['refresh tokens revoked', ends.filter(({ scope }) => scope === 'code').length, 10],
    ['accounts ended', ends.filter(({ scope }) => scope === 'account').length, 3],
    ['accounts opened', registered.filter((kind) => kind === 'account').length, 3],
    ['clients registered', registered.filter((kind) => kind === 'client').length, 20],
  ];
  return counts
    .filter(([, count, min]) => count < min)
    .map(([what, count, min]) => `${min} ${what}, now ${count}`);
}

/** A person, and a client that all tokens are for, with the header by which it authenticates. */
async function register({ nodes: [one] }: Fleet): Promise<{ web: RelyingParty; authorization: string }> {
  const person = ['accounts', 'add', '--username', ACCOUNT, '--password-stdin', '--json'];
  const application = [
    ...['clients', 'add', '--name', 'Web', '--redirect-uri', CALLBACK, '--json'],
    ...['--grant', 'authorization_code', '--grant', 'refresh_token', '--scope', 'openid offline_access'],
  ];
  const [account, client] = await Promise.all([one.cli(person, { stdin: PASSWORD }), one.cli(application)]);
  account.json();
  const { client_id: clientId, client_secret: secret } = client.json<Credentials>();
  const web = await RelyingParty.discover(one, {
    client: { clientId, authenticationMethod: 'client_secret_basic' },
    secret,
  });
  // What this person agrees to is not asked of any of the clients again.
  const { url } = await web.request({ scope: 'openid offline_access', prompt: 'consent' });
  await new Person().authorize(url, { login: ACCOUNT, password: PASSWORD });
  return { web, authorization: `Basic ${btoa(`${clientId}:${secret}`)}` };
}

interface Credentials {
  readonly client_id: string;
  readonly client_secret: string;
}

/** How many requests failed, and how. */
function report(t: TestContext, history: readonly Entry[]): void {
  const failed = history.filter(({ outcome }) => outcome === 'unavailable' || outcome === 'lost');
  t.diagnostic(`${failed.length} of ${history.length} requests failed`);
  for (const [kind, count] of tally(history)) t.diagnostic(`${count} ${kind}`);
}
