import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';

const ON = { KEYTURN_BACKCHANNEL_ENABLED: 'true' };

describe('asking people too often (MFA fatigue; OpenID Connect CIBA Core section 13)', () => {
  let keyturn: Keyturn;

  before(async () => {
    keyturn = await startKeyturnHere({ ...ON, KEYTURN_THROTTLE_BACKCHANNEL_ASKED: '5' });
  });
  after(() => stopFaultless(keyturn));

  const newClient = (name = 'Bank') => BackchannelClient.register(keyturn, { name });

  /** The statuses of requests for these, one after another. */
  async function ask(client: BackchannelClient, hints: readonly string[], fields: object = {}) {
    const statuses = [];
    for (const login_hint of hints)
      statuses.push((await client.ask({ scope: 'openid', login_hint, ...fields })).status);
    return statuses;
  }

  const messagesIn = (html: string) => [...html.matchAll(/asked-\w+/g)].map(([message]) => message);

  test('of one client no more wait for one person than the settings say, however many at once; known and unknown alike', async () => {
    await keyturn.addAccount('waiting');
    const [bank, shop] = [await newClient(), await newClient()];
    for (const login_hint of ['waiting', 'waiting@example.com', 'nobody', 'nobody@example.com']) {
      const answers = await Promise.all(
        [bank, shop, bank, shop, bank, shop, bank, shop].map((client) =>
          client.ask({ scope: 'openid', login_hint, requested_expiry: '120' }),
        ),
      );
      const refused = answers.filter(({ status }) => status !== 200);
      assert.equal(refused.length, 2, login_hint);
      for (const response of refused) {
        const retryAfter = Number(response.headers.get('retry-after'));
        assert.ok(retryAfter > 0 && retryAfter <= 120, String(retryAfter));
        assert.deepEqual(await refusalOf(response), { status: 429, error: 'temporarily_unavailable' });
      }
    }
    assert.deepEqual(await ask(bank, ['somebody']), [200]);
  });

  test('places are free again once requests have expired, and one client may ask no more than so often', async () => {
    await keyturn.addAccount('often');
    const [bank, shop] = [await newClient(), await newClient()];
    const askFor = (client: BackchannelClient, times: number) =>
      ask(client, Array(times).fill('often'), { requested_expiry: '30' });
    try {
      const started = Date.now();
      mock.timers.enable({ apis: ['Date'], now: started });
      assert.deepEqual(await askFor(bank, 4), [200, 200, 200, 429]);
      mock.timers.setTime(started + 30_000);
      assert.deepEqual(await askFor(bank, 2), [200, 429], 'five times in all');
      assert.deepEqual(await askFor(shop, 4), [200, 200, 200, 429], 'and another client is another');
      mock.timers.setTime(started + 15 * 60_000);
      assert.deepEqual(await askFor(bank, 1), [200]);
    } finally {
      mock.timers.reset();
    }
  });

  test('every spelling of a name is one, whether or not it is somebody’s', async () => {
    await keyturn.addAccount('straße');
    for (const name of ['straße', 'gasse']) {
      const spellings = [name, ` ${name} `, name.toUpperCase(), name.replace('a', 'ａ')];
      assert.deepEqual(await ask(await newClient(), spellings), [200, 200, 200, 429], name);
      const address = `${name}@example.com`;
      const ofAddress = [address, ` ${address} `, address.toUpperCase(), `${name}@Example.com`];
      assert.deepEqual(await ask(await newClient(), ofAddress), [200, 200, 200, 429], address);
    }
  });

  test('no client finds out which names are one person’s, or that they are anybody’s', async () => {
    await keyturn.addAccount('ada');
    const told = async (names: readonly string[]) => ask(await newClient(), names);
    const thrice = (one: string, other: string) => [one, one, one, one, other, other, other, other, other];
    const known = await told(thrice('ada', 'ada@example.com'));
    assert.deepEqual(known, await told(thrice('nemo', 'nemo@example.com')));
    assert.deepEqual(known, [200, 200, 200, 429, 200, 200, 200, 429, 429]);
    // What another client has asked shows in nothing.
    assert.deepEqual(await told(['ada', 'ada', 'ada']), await told(['nemo', 'nemo', 'nemo']));
  });

  test('a person is asked no more often by several names of theirs, and the client is not told', async () => {
    const { password } = await keyturn.addAccount('several');
    const bank = await newClient();
    const person = new Person();
    const signIn = await person.visit(`${keyturn.issuer}/account/requests`);
    await person.submit(signIn, '/sign-in', { login: 'several', password });
    const seen: string[] = [];
    for (const [place, login_hint] of Array.from(
      { length: 8 },
      (_, place) => [place, place % 2 === 0 ? 'several' : 'several@example.com'] as const,
    )) {
      const { auth_req_id } = await bank.begin({ login_hint, binding_message: `asked-${place}` });
      const page = await person.visit(`${keyturn.issuer}/account/requests`);
      seen.push(...messagesIn(page.html));
      const reached = messagesIn(page.html).length > 0;
      if (reached) await person.submit(page, '/account/requests/deny');
      assert.equal(await bank.pollError(auth_req_id), reached ? 'access_denied' : 'authorization_pending');
    }
    assert.deepEqual(seen, ['asked-0', 'asked-1', 'asked-2', 'asked-3', 'asked-4'], 'five times in all');
  });

  test('no more are shown at a time than the settings say, the others when those are answered, and every client is heard', async (t) => {
    const { password } = await keyturn.addAccount('shown');
    const [greedy, bank] = [await newClient('Greedy'), await newClient()];
    // They are put in order by the second in which they came.
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    t.after(() => mock.timers.reset());
    const begin = async (client: BackchannelClient, login_hint: string, binding_message: string) => {
      mock.timers.setTime(Date.now() + 1000);
      return client.begin({ login_hint, binding_message });
    };
    for (const [place, login_hint] of ['shown', 'shown', 'shown@example.com', 'shown'].entries())
      await begin(greedy, login_hint, `asked-greedily${place}`);
    const { auth_req_id } = await begin(bank, 'shown', 'asked-once');
    const person = new Person();
    let page = await person.visit(`${keyturn.issuer}/account/requests`);
    page = await person.submit(page, '/sign-in', { login: 'shown', password });
    assert.deepEqual(messagesIn(page.html), ['asked-greedily0', 'asked-greedily1', 'asked-once']);
    for (const next of ['asked-greedily2', 'asked-greedily3']) {
      page = await person.submit(page, '/account/requests/deny');
      assert.ok(messagesIn(page.html).includes(next));
      assert.equal(messagesIn(page.html).length, 3);
    }
    assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
  });
});
