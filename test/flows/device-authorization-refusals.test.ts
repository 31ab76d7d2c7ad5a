import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { later } from '#test/support/later.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';

describe('what device authorization refuses (RFC 8628)', () => {
  let keyturn: Keyturn;
  let television: Device;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_THROTTLE_USER_CODES_WRONG_PER_ADDRESS: '1000' });
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    television = await Device.register(keyturn);
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const refusalOfAsking = async (fields: Record<string, string>, headers?: Record<string, string>) =>
    refusalOf(await television.ask(fields, headers));

  describe('the device authorization request (section 3.1)', () => {
    test('an unknown client, and a client that does not say who it is', async () => {
      assert.deepEqual(await refusalOfAsking({ client_id: 'nobody' }), {
        status: 401,
        error: 'invalid_client',
      });
      const anonymous = await fetch(`${keyturn.issuer}/device_authorization`, {
        method: 'POST',
        body: new URLSearchParams({ scope: 'openid' }),
      });
      assert.deepEqual(await refusalOf(anonymous), { status: 401, error: 'invalid_client' });
    });

    test('a confidential client that does not authenticate, or by a wrong secret', async () => {
      const { client } = await keyturn.addClient({
        redirectUris: [],
        grantTypes: [DEVICE_CODE_GRANT],
        scope: 'openid',
      });
      const names = { client_id: client.clientId };
      assert.equal((await refusalOfAsking(names)).error, 'invalid_client');
      assert.equal((await refusalOfAsking({ ...names, client_secret: 'wrong' })).error, 'invalid_client');
      const authorization = `Basic ${btoa(`${client.clientId}:wrong`)}`;
      assert.deepEqual(await refusalOfAsking(names, { authorization }), {
        status: 401,
        error: 'invalid_client',
      });
    });

    test('a client that is not registered for the grant, there and at the token endpoint (RFC 6749 section 5.2)', async () => {
      const { client } = await keyturn.addClient({ authenticationMethod: 'none' });
      const fields = { client_id: client.clientId };
      assert.deepEqual(await refusalOfAsking(fields), { status: 400, error: 'unauthorized_client' });
      const { device_code } = await television.begin();
      assert.deepEqual(await refusalOf(await television.poll(device_code, fields)), {
        status: 400,
        error: 'unauthorized_client',
      });
    });

    test('a scope that the client is not registered for, a resource that there is not, a parameter that comes twice', async () => {
      assert.equal((await refusalOfAsking({ scope: 'openid email' })).error, 'invalid_scope');
      assert.equal(
        (await refusalOfAsking({ scope: 'read', resource: 'https://other.example.com' })).error,
        'invalid_target',
      );
      const twice = await fetch(`${keyturn.issuer}/device_authorization`, {
        method: 'POST',
        body: new URLSearchParams([
          ['client_id', television.clientId],
          ['scope', 'openid'],
          ['scope', 'profile'],
        ]),
      });
      assert.equal((await refusalOf(twice)).error, 'invalid_request');
    });

    test('a request by GET, or by anything but a form', async () => {
      const get = await fetch(`${keyturn.issuer}/device_authorization?client_id=${television.clientId}`);
      assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST, OPTIONS']);
      const json = await fetch(`${keyturn.issuer}/device_authorization`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: television.clientId }),
      });
      assert.equal((await refusalOf(json)).error, 'invalid_request');
    });
  });

  describe('the device access token request (sections 3.4 and 3.5)', () => {
    const pollRefusal = async (deviceCode: string, fields?: Record<string, string>) =>
      refusalOf(await television.poll(deviceCode, fields));

    test('a device code that is missing or unknown', async () => {
      assert.equal((await pollRefusal('')).error, 'invalid_request');
      assert.deepEqual(await pollRefusal('unknown'), { status: 400, error: 'invalid_grant' });
    });

    test("another client's device code, which stays good for its own", async () => {
      const other = await Device.register(keyturn);
      const { device_code, user_code } = await television.begin();
      for (const pace of ['slow', 'fast'])
        assert.equal((await refusalOf(await other.poll(device_code))).error, 'invalid_grant', pace);
      await television.approve(new Person(), user_code, ada);
      assert.equal((await refusalOf(await other.poll(device_code))).error, 'invalid_grant');
      assert.equal(await television.pollError(device_code), null);
    });

    test('a code that nobody has approved yet is pending, confirmed or not: authorization_pending', async () => {
      const { device_code, user_code } = await television.begin();
      assert.deepEqual(await pollRefusal(device_code), { status: 400, error: 'authorization_pending' });
      const person = new Person();
      const page = await television.confirm(person, user_code);
      later(5);
      assert.equal(await television.pollError(device_code), 'authorization_pending');
      await person.submit(page, '/sign-in', ada);
      later(5);
      assert.equal(await television.pollError(device_code), 'authorization_pending');
    });

    test('a device that polls faster than its interval is told to slow down, by five seconds more each time: slow_down', async () => {
      const { device_code, interval } = await television.begin();
      assert.equal(await television.pollError(device_code), 'authorization_pending');
      later(interval - 1);
      assert.deepEqual(await pollRefusal(device_code), { status: 400, error: 'slow_down' });
      later(interval + 5);
      assert.equal(await television.pollError(device_code), 'authorization_pending');
      later(interval + 1);
      assert.equal(await television.pollError(device_code), 'slow_down', 'its interval is longer now');
      later(interval + 10);
      assert.equal(await television.pollError(device_code), 'authorization_pending');
    });

    test('of fifty polls at once one is in time, and each device has a pace of its own', async () => {
      const [hasty, patient] = [await television.begin(), await television.begin()];
      const said = await Promise.all(
        Array.from({ length: 50 }, () => television.pollError(hasty.device_code)),
      );
      assert.equal(said.filter((error) => error === 'authorization_pending').length, 1);
      assert.equal(said.filter((error) => error === 'slow_down').length, 49);
      assert.equal(await television.pollError(patient.device_code), 'authorization_pending');
    });

    test('a device that was too fast still gets its tokens once they are there', async () => {
      const { device_code, user_code } = await television.begin();
      await television.approve(new Person(), user_code, ada);
      assert.equal(await television.pollError(device_code), null);
    });

    test('a code past its lifetime, whether or not anybody entered it: expired_token', async () => {
      const [unseen, confirmed, approved] = await Promise.all([1, 2, 3].map(() => television.begin()));
      const person = new Person();
      const page = await television.confirm(person, confirmed?.user_code ?? '');
      await television.approve(new Person(), approved?.user_code ?? '', ada);
      later(600);
      for (const code of [unseen, confirmed, approved])
        assert.deepEqual(await pollRefusal(code?.device_code ?? ''), { status: 400, error: 'expired_token' });
      assert.match((await television.consent(person, page, ada)).html, /has expired/);
      assert.match((await television.enter(new Person(), unseen?.user_code ?? '')).html, /has expired/);
    });

    test('a person who says that it is not their device: access_denied', async () => {
      const { device_code, user_code } = await television.begin();
      const person = new Person();
      const page = await television.enter(person, user_code);
      const done = await person.submit(page, '/device', { confirm: '', abort: 'yes' });
      assert.match(done.html, /was not connected/);
      assert.deepEqual(await pollRefusal(device_code), { status: 400, error: 'access_denied' });
      assert.equal(await television.pollError(device_code), 'invalid_grant', 'it is told once');
    });

    test('a person who cancels at the sign-in or at the consent: access_denied', async () => {
      for (const steps of [[], ['/sign-in']]) {
        const { device_code, user_code } = await television.begin();
        const person = new Person();
        let page = await television.confirm(person, user_code);
        for (const step of steps) page = await person.submit(page, step, ada);
        assert.match((await person.submit(page, '/cancel')).html, /was not connected/);
        assert.equal(await television.pollError(device_code), 'access_denied');
      }
    });

    test('a code of a client that has been removed since', async () => {
      const device = await Device.register(keyturn);
      const { device_code, user_code } = await device.begin();
      await keyturn.services.clients.remove(device.clientId);
      const page = await device.enter(new Person(), user_code);
      assert.equal(page.response.status, 400);
      assert.match(page.html, /cannot have/);
      assert.equal(await device.pollError(device_code), 'invalid_client');
    });
  });

  describe('the page where a code is entered (section 3.3)', () => {
    test('no code, and one that there is not', async () => {
      const person = new Person();
      const missing = await television.enter(person, '');
      assert.equal(missing.response.status, 400);
      assert.match(missing.html, /Please enter the code/);
      const unknown = await television.enter(person, 'BCDF-GHJK');
      assert.equal(unknown.response.status, 400);
      assert.match(unknown.html, /no such code/);
      assert.match(unknown.html, /value="BCDF-GHJK"/, 'what was typed can be corrected');
    });

    test('what is typed is shown as it is, and never as markup', async () => {
      const { html } = await television.enter(new Person(), '"><script>alert(1)</script>');
      assert.ok(!html.includes('<script>'));
    });

    test('a form that was not made for this browser confirms and declines nothing', async () => {
      const { device_code, user_code } = await television.begin();
      const [victim, attacker] = [new Person(), new Person()];
      await victim.visit(`${keyturn.issuer}/device`);
      const stolen = /name="xsrf" value="([^"]+)"/.exec(
        (await attacker.visit(`${keyturn.issuer}/device`)).html,
      )?.[1];
      for (const xsrf of [undefined, '', 'x', stolen]) {
        for (const answer of ['confirm', 'abort']) {
          const fields = { user_code, [answer]: 'yes', ...(xsrf === undefined ? undefined : { xsrf }) };
          const page = await victim.visit(`${keyturn.issuer}/device`, {
            method: 'POST',
            body: new URLSearchParams(fields),
          });
          assert.equal(page.response.status, 400);
          assert.match(page.html, /open for too long/);
        }
      }
      const stranger = await new Person().visit(`${keyturn.issuer}/device`, {
        method: 'POST',
        body: new URLSearchParams({ user_code, confirm: 'yes', xsrf: stolen ?? '' }),
      });
      assert.match(stranger.html, /Enter the code/, 'without a session it has to begin anew');
      assert.equal(await television.pollError(device_code), 'authorization_pending');
      assert.match((await television.approve(new Person(), user_code, ada)).html, /is connected/);
    });

    test('a code that was used, approved or declined', async () => {
      const { user_code } = await television.begin();
      await television.approve(new Person(), user_code, ada);
      assert.match((await television.enter(new Person(), user_code)).html, /used already/);
    });

    test('where a confirmation went on is of no use in another browser, nor a second time', async () => {
      const { device_code, user_code } = await television.begin();
      const person = new Person();
      let page = await person.submit(await television.confirm(person, user_code), '/sign-in', ada);
      page = await person.submit(page, '/consent');
      assert.match(page.url.pathname, /^\/device\/.+/);
      assert.match((await new Person().visit(page.url)).html, /Enter the code/);
      assert.equal((await person.visit(page.url)).response.status, 400);
      assert.equal(await television.pollError(device_code), null);
    });

    test('its pages are no place for other sites: no frames, no scripts, no caching', async () => {
      const { response } = await new Person().visit(`${keyturn.issuer}/device`);
      assert.match(
        response.headers.get('content-security-policy') ?? '',
        /^default-src 'none';.*form-action 'self'; frame-ancestors 'none'/,
      );
      assert.equal(response.headers.get('cache-control'), 'no-store');
    });
  });
});

describe('guessing at user codes (RFC 8628 section 5.1)', () => {
  const limits = {
    KEYTURN_TRUST_PROXY: '1',
    KEYTURN_THROTTLE_USER_CODES_WRONG_PER_ADDRESS: '3',
    KEYTURN_THROTTLE_USER_CODES_WRONG: '5',
  };

  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });

  async function enterFrom(person: Person, issuer: string, address: string, userCode: string) {
    const page = await person.visit(`${issuer}/device`, from(address));
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.html)?.[1] ?? '';
    return person.visit(`${issuer}/device`, {
      ...from(address),
      method: 'POST',
      body: new URLSearchParams({ xsrf, user_code: userCode }),
    });
  }

  test('one address may be wrong a few times, others go on, and right codes do not count', async () => {
    await using keyturn = await startKeyturnHere(limits);
    const device = await Device.register(keyturn);
    const { user_code } = await device.begin();
    const enter = (address: string, code: string) => enterFrom(new Person(), keyturn.issuer, address, code);
    for (let time = 0; time < 5; time += 1)
      assert.equal((await enter('192.0.2.1', user_code)).response.status, 200);
    for (let time = 0; time < 3; time += 1)
      assert.equal((await enter('192.0.2.1', 'BCDF-GHJK')).response.status, 400);
    for (const code of ['BCDF-GHJK', user_code]) {
      const { response, html } = await enter('192.0.2.1', code);
      assert.equal(response.status, 429);
      const retryAfter = Number(response.headers.get('retry-after'));
      assert.ok(retryAfter > 0 && retryAfter <= 900, String(retryAfter));
      assert.match(html, /too many wrong codes/);
    }
    assert.equal((await enter('192.0.2.2', user_code)).response.status, 200);
    const refusals = keyturn.logged.filter((line) => line.includes('too many wrong codes'));
    assert.equal(refusals.length, 2, 'the log tells of it');
  });

  test('of fifty guesses at once from one address no more than the limit are looked at', async () => {
    await using keyturn = await startKeyturnHere(limits);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => enterFrom(new Person(), keyturn.issuer, '192.0.2.1', 'BCDF-GHJK')),
    );
    assert.equal(answers.filter(({ response }) => response.status === 400).length, 3);
    assert.equal(answers.filter(({ response }) => response.status === 429).length, 47);
  });

  test('all addresses together may be wrong a few times, and what one of them is refused does not count', async () => {
    await using keyturn = await startKeyturnHere(limits);
    const statuses: number[] = [];
    for (const address of [...Array(8).fill('192.0.2.1'), '192.0.2.2', '192.0.2.3', '192.0.2.4']) {
      const { response } = await enterFrom(new Person(), keyturn.issuer, address, 'BCDF-GHJK');
      statuses.push(response.status);
    }
    assert.deepEqual(statuses, [400, 400, 400, 429, 429, 429, 429, 429, 400, 400, 429]);
  });
});
