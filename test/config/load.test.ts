import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { isPayable } from '#src/accounts/password-hash.ts';
import { SETTINGS } from '#src/config/catalogue.ts';
import { loadConfig } from '#src/config/load.ts';
import { SettingsFault } from '#src/config/settings-fault.ts';
import { newKeyEncryptionKey } from '#src/sealing/key-encryption-keys.ts';
import { days, epochSeconds, hours, minutes, seconds } from '#src/units.ts';
import { load, problemsOf } from '#test/config/sources.ts';
import { fc } from '#test/support/properties.ts';

const KEK = newKeyEncryptionKey({
  clock: { now: () => epochSeconds(1_800_000_000) },
  random: { bytes: (count) => Buffer.alloc(count, 7) },
}).reveal();

describe('without any settings', () => {
  test('the server has an address, a store and keys of its own, and is seen by this machine only', () => {
    const { config } = load({});
    assert.equal(config.issuer, 'http://localhost:3000');
    assert.deepEqual(config.host, ['127.0.0.1', '::1']);
    assert.equal(config.port, 3000);
    assert.equal(config.store, 'sqlite:/srv/data/keyturn.db');
    assert.equal(config.keysDir, '/srv/keys');
    assert.equal(config.kek, null);
    assert.deepEqual(config.trustProxy, { kind: 'nobody' });
    assert.equal(config.allowPrivateNetwork, false);
  });

  test('lifetimes are those that the project promises', () => {
    assert.deepEqual(load({}).config.lifetimes, {
      accessToken: minutes(5),
      accessTokenMax: hours(1),
      idToken: minutes(10),
      authorizationCode: seconds(60),
      backchannelRequest: minutes(5),
      deviceCode: minutes(10),
      refreshIdle: days(14),
      refreshAbsolute: days(90),
      refreshGrace: seconds(10),
      session: hours(12),
      interaction: minutes(30),
    });
  });

  test('passwords are hashed on all cores but one, and on one at least', () => {
    assert.equal(load({ cores: 8 }).config.passwords.hashConcurrency, 7);
    assert.equal(load({ cores: 1 }).config.passwords.hashConcurrency, 1);
  });

  test('one process serves, or as many as there are cores where the machine is to say how many', () => {
    assert.equal(load({ cores: 8 }).config.workers, 1);
    assert.equal(load({ cores: 8, yaml: 'workers: auto\n' }).config.workers, 8);
    assert.equal(load({ cores: 512, env: { KEYTURN_WORKERS: 'auto' } }).config.workers, 128);
    assert.equal(load({ env: { KEYTURN_WORKERS: '3' } }).config.workers, 3);
    for (const KEYTURN_WORKERS of ['0', '129', '1.5', 'all', 'AUTO'])
      assert.throws(() => load({ env: { KEYTURN_WORKERS } }), SettingsFault, KEYTURN_WORKERS);
  });

  test('the issuer follows the port', () => {
    assert.equal(load({ env: { KEYTURN_PORT: '8080' } }).config.issuer, 'http://localhost:8080');
  });
});

describe('sources', () => {
  test('a value may come from a YAML file, from a JSON file or from the environment', () => {
    const yaml = 'lifetimes:\n  accessToken: 2m\nkeys:\n  algorithms: [EdDSA]\n';
    assert.equal(load({ yaml }).config.lifetimes.accessToken, minutes(2));
    assert.deepEqual(load({ yaml }).config.keys.algorithms, ['EdDSA']);
    const json = '{ "lifetimes": { "accessToken": 120 }, "allowPrivateNetwork": true }';
    assert.equal(load({ json }).config.lifetimes.accessToken, minutes(2));
    assert.equal(load({ json }).config.allowPrivateNetwork, true);
    const env = { KEYTURN_LIFETIMES_ACCESS_TOKEN: '2m', KEYTURN_KEYS_ALGORITHMS: 'EdDSA, ES256' };
    assert.equal(load({ env }).config.lifetimes.accessToken, minutes(2));
    assert.deepEqual(load({ env }).config.keys.algorithms, ['EdDSA', 'ES256']);
  });

  test('the environment goes before the file, the file before the default, each setting by itself', () => {
    const yaml = 'port: 4000\nhttp:\n  bodyMax: 8KiB\n  stopGrace: 1s\n';
    const { config } = load({ yaml, env: { KEYTURN_HTTP_BODY_MAX: '16KiB' } });
    assert.equal(config.port, 4000);
    assert.equal(config.http.bodyMax, 16_384);
    assert.equal(config.http.stopGrace, seconds(1));
    assert.equal(config.http.headersTimeout, seconds(10));
  });

  test('KEYTURN_CONFIG names the file when the command line does not', () => {
    const files = { '/etc/keyturn.yml': 'port: 4000' };
    assert.equal(load({ files, env: { KEYTURN_CONFIG: '/etc/keyturn.yml' } }).config.port, 4000);
    assert.equal(
      load({ files, yaml: 'port: 5000', env: { KEYTURN_CONFIG: '/etc/keyturn.yml' } }).config.port,
      5000,
    );
  });

  test('an empty variable and a key without a value count as not given', () => {
    const { config } = load({ yaml: 'port:\nlifetimes:\n', env: { KEYTURN_PORT: '', KEYTURN_CONFIG: '' } });
    assert.equal(config.port, 3000);
  });

  test('an empty file, or one with comments only, gives nothing', () => {
    assert.equal(load({ yaml: '' }).config.port, 3000);
    assert.equal(load({ yaml: '# port: 4000\n' }).config.port, 3000);
  });

  test('relative paths begin at the working directory', () => {
    const { config } = load({
      env: { KEYTURN_STORE: 'sqlite:a/b.db', KEYTURN_KEYS_DIR: '/etc/keyturn/keys' },
    });
    assert.equal(config.store, 'sqlite:/srv/a/b.db');
    assert.equal(config.keysDir, '/etc/keyturn/keys');
  });

  test('every setting has a variable of its own, among them those that the README names', () => {
    const variables = SETTINGS.map(({ variable }) => variable);
    assert.equal(new Set(variables).size, variables.length);
    for (const name of [
      'ISSUER',
      'PORT',
      'HOST',
      'STORE',
      'KEYS_DIR',
      'TRUST_PROXY',
      'ALLOW_PRIVATE_NETWORK',
    ]) {
      assert.ok(variables.includes(`KEYTURN_${name}`), name);
    }
    assert.ok(variables.includes('KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB'));
  });

  test('argon2 can be run at every cost that the settings allow (RFC 9106 section 3.1)', () => {
    const [memories = [], iterations = [], lanes = []] = ['MemoryKiB', 'Iterations', 'Parallelism'].map(
      boundsOf,
    );
    for (const memoryKiB of memories) {
      for (const times of iterations) {
        for (const parallelism of lanes) {
          assert.ok(isPayable({ memoryKiB, iterations: times, parallelism }), `${memoryKiB} KiB`);
        }
      }
    }
  });

  test('what is not given is taken from the process', () => {
    assert.equal(loadConfig({ env: {} }).keysDir, resolve('keys'));
  });
});

/** The least and the most that a setting of argon2 may be, as its reference says. */
function boundsOf(cost: string): readonly number[] {
  const setting = SETTINGS.find(({ name }) => name === `passwords.argon2${cost}`);
  const bounds = setting?.about.expects.match(/\d+/g)?.map(Number) ?? [];
  assert.equal(bounds.length, 2, cost);
  return bounds;
}

describe('secrets', () => {
  test('a secret may come from the file, from its variable, or from the file that its _FILE variable names', () => {
    const files = { '/run/secrets/kek': `${KEK}\n`, '/srv/kek': `${KEK}\r\n` };
    assert.equal(load({ yaml: `kek: ${KEK}` }).config.kek?.reveal(), KEK);
    assert.equal(load({ env: { KEYTURN_KEK: KEK } }).config.kek?.reveal(), KEK);
    assert.equal(load({ files, env: { KEYTURN_KEK_FILE: '/run/secrets/kek' } }).config.kek?.reveal(), KEK);
    assert.equal(load({ files, env: { KEYTURN_KEK_FILE: 'kek' } }).config.kek?.reveal(), KEK);
  });

  test('a secret given by its variable and by its _FILE variable at once is a problem', () => {
    const env = { KEYTURN_KEK: KEK, KEYTURN_KEK_FILE: '/run/secrets/kek' };
    assert.deepEqual(problemsOf({ files: { '/run/secrets/kek': KEK }, env }), [
      { setting: 'kek', place: 'KEYTURN_KEK_FILE', message: 'KEYTURN_KEK is set too; keep one of them' },
    ]);
  });

  test('a secret file that cannot be read is a problem with its path', () => {
    assert.deepEqual(problemsOf({ env: { KEYTURN_KEK_FILE: '/run/secrets/kek' } }), [
      {
        setting: 'kek',
        place: 'KEYTURN_KEK_FILE',
        message: '"/run/secrets/kek" cannot be read: there is no such file',
      },
    ]);
  });

  test('a setting that is no secret is not read from a file, and the problem says so', () => {
    const [problem] = problemsOf({ env: { KEYTURN_PORT_FILE: '/run/port' } });
    assert.match(problem?.message ?? '', /only secrets are read from files, so set KEYTURN_PORT$/);
  });

  test('a secret does not show when the settings are printed', () => {
    const { config } = load({ env: { KEYTURN_KEK: KEK } });
    assert.ok(!(JSON.stringify(config) + inspect(config, { depth: null })).includes(KEK));
  });

  test('no problem repeats the value of a secret, however it is mangled', () => {
    const mangled = [
      { yaml: 'kek: hunter2' },
      { yaml: 'kek: [hunter2]' },
      { yaml: 'kek: { a: hunter2 }' },
      { yaml: 'kek: *hunter2' },
      { yaml: 'kek: "hun\\qhunter2' },
      { yaml: 'kek: !hunter2 x' },
      { yaml: 'kek: @hunter2' },
      { yaml: 'port: 1\nkek:hunter2' },
      { yaml: '{ kek: hunter2 } }' },
      { yaml: 'kek hunter2: 1' },
      { json: '{ "kek": hunter2, }' },
      { json: '{ "kek": "hunter2" "port": 1 }' },
      { env: { KEYTURN_KEK: 'hunter2' } },
      { env: { KEYTURN_KEK_FILE: '/k' }, files: { '/k': 'hunter2' } },
      { env: { KEYTURN_KEKK: 'hunter2' } },
      { env: { KEYTURN_ISSUER: 'https://ada:hunter2@id.example.com' } },
    ];
    for (const sources of mangled) {
      const problems = problemsOf(sources);
      assert.ok(problems.length > 0, inspect(sources));
      assert.ok(!inspect(problems).includes('hunter2'), inspect(problems));
    }
  });
});

describe('problems', () => {
  test('are all reported at once, each with its setting, its place and what is allowed', () => {
    const yaml = 'port: 99999\nlifetimes:\n  accesToken: 5m\n  idToken: soon\nfoo: 1\n';
    const env = { KEYTURN_ISSUER: 'http://id.example.com', KEYTURN_PROT: '1', KEYTURN_HTTP_BODY_MAX: '1GiB' };
    assert.deepEqual(
      problemsOf({ yaml, env }).map(({ setting, place, message }) => `${setting} (${place}): ${message}`),
      [
        'lifetimes.accesToken (keyturn.yaml:3): there is no such setting; did you mean lifetimes.accessToken?',
        'foo (keyturn.yaml:5): there is no such setting',
        'KEYTURN_PROT (KEYTURN_PROT): there is no such variable; did you mean KEYTURN_PORT?',
        'issuer (KEYTURN_ISSUER): "http://id.example.com" is plain http, where anyone on the way could read codes, tokens and passwords; give the https origin that clients see, such as https://id.example.com (http only for localhost and loopback addresses)',
        'port (keyturn.yaml:1): "99999" is out of range; give a whole number from 1 to 65535',
        'lifetimes.idToken (keyturn.yaml:4): "soon" is not understood; give a duration from 1s to 1d, written like 90s or 5m',
        'http.bodyMax (KEYTURN_HTTP_BODY_MAX): "1GiB" is out of range; give a size from 4KiB to 56KiB, written like 16KiB',
      ],
    );
  });

  test('have a stable code, and a message that lists them', () => {
    const attempt = () => load({ env: { KEYTURN_PORT: 'http', KEYTURN_COLOUR: 'red' } });
    assert.throws(attempt, (error) => {
      assert.ok(error instanceof SettingsFault);
      assert.equal(error.code, 'invalid_settings');
      assert.equal(
        error.message,
        [
          '2 settings are wrong:',
          '  KEYTURN_COLOUR: there is no such variable',
          '  port (KEYTURN_PORT): "http" is not understood; give a whole number from 1 to 65535',
        ].join('\n'),
      );
      return true;
    });
  });

  test('a setting that stands outside its group is told where it belongs', () => {
    const messages = problemsOf({ yaml: 'access_token: 5m\nlifetimes.idToken: 5m\nhttp: 5\n' }).map(
      ({ message }) => message,
    );
    assert.deepEqual(messages, [
      'there is no such setting; did you mean lifetimes.accessToken?',
      'there is no such setting; groups are nested: write lifetimes: { idToken: … }',
      'is a single value or a list, where settings with their names belong',
    ]);
    const [problem] = problemsOf({ env: { KEYTURN_ACCESS_TOKEN: '5m' } });
    assert.match(problem?.message ?? '', /did you mean KEYTURN_LIFETIMES_ACCESS_TOKEN\?$/);
  });

  test('a mistake in the syntax of the file is reported with its line', () => {
    const [yamlProblem] = problemsOf({ yaml: 'port: 3000\nhost: "localhost\n' });
    assert.equal(yamlProblem?.place, 'keyturn.yaml:3');
    assert.match(yamlProblem?.message ?? '', /^is not YAML here: Missing closing/);
    const [twice] = problemsOf({ yaml: 'port: 3000\nport: 3001\n' });
    assert.deepEqual(
      [twice?.place, twice?.message],
      ['keyturn.yaml:2', 'is not YAML here: Map keys must be unique'],
    );
    const [jsonProblem] = problemsOf({ json: '{ "port": 3000, }' });
    assert.match(jsonProblem?.message ?? '', /^is YAML, but not JSON/);
  });

  test('a settings file that is missing, or of another kind, is a problem', () => {
    const missing = problemsOf({ env: { KEYTURN_CONFIG: '/etc/keyturn.yaml' } });
    assert.equal(missing[0]?.message, 'cannot be read: there is no such file');
    const files = { '/etc/keyturn.toml': 'port = 3000' };
    const [other] = problemsOf({ files, env: { KEYTURN_CONFIG: '/etc/keyturn.toml' } });
    assert.match(other?.message ?? '', /ends in \.yaml, \.yml or \.json$/);
  });

  test('variables with which Kubernetes describes a service called keyturn are passed over', () => {
    const env = {
      KEYTURN_PORT: 'tcp://10.0.0.1:3000',
      KEYTURN_SERVICE_HOST: '10.0.0.1',
      KEYTURN_SERVICE_PORT: '3000',
      KEYTURN_SERVICE_PORT_HTTP: '3000',
      KEYTURN_PORT_3000_TCP: 'tcp://10.0.0.1:3000',
      KEYTURN_PORT_3000_TCP_ADDR: '10.0.0.1',
    };
    assert.equal(load({ env }).config.port, 3000);
  });

  test('no file and no environment makes loading throw anything but described problems', () => {
    const names = SETTINGS.map(({ path }) => path.at(-1) ?? '');
    const key = fc.oneof(fc.constantFrom(...names, 'lifetimes', 'http', '__proto__'), fc.string());
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('5m', '56KiB', 'off', '::1', 'sqlite:x', 3, true, null),
        fc.string(),
        fc.double(),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(key, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    const env = fc.dictionary(fc.constantFrom(...SETTINGS.map(({ variable }) => variable)), fc.string());
    fc.assert(
      fc.property(tree, env, (content, variables) => {
        problemsOf({ json: JSON.stringify(content), env: variables });
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'kek: port\n-[]{}&*!|>\'"#%@`,?a1\t\\') }), (yaml) => {
        problemsOf({ yaml });
      }),
    );
  });
});

describe('settings that do not fit together', () => {
  const cases: [rule: string, settings: Record<string, string>, blamed: string][] = [
    [
      'a refresh token outlives the access token it renews',
      { LIFETIMES_REFRESH_IDLE: '5m' },
      'lifetimes.refreshIdle',
    ],
    ['idling ends before refreshing does', { LIFETIMES_REFRESH_IDLE: '91d' }, 'lifetimes.refreshIdle'],
    ['retries end before the access token', { LIFETIMES_REFRESH_GRACE: '5m' }, 'lifetimes.refreshGrace'],
    [
      'clocks agree better than caches',
      { KEYS_CLOCK_SKEW_MAX: '10s', KEYS_JWKS_MAX_AGE: '10s' },
      'keys.clockSkewMax',
    ],
    ['keys are published before they sign', { KEYS_ROTATE_EVERY: '630s' }, 'keys.rotateEvery'],
    [
      'some password is long enough',
      { PASSWORDS_MIN_LENGTH: '65', PASSWORDS_MAX_LENGTH: '64' },
      'passwords.minLength',
    ],
    [
      'a password hash costs an attacker enough',
      { PASSWORDS_ARGON2_ITERATIONS: '1' },
      'passwords.argon2Iterations',
    ],
    [
      'an address may fail as often as an account',
      { THROTTLE_SIGN_IN_FAILURES_PER_ADDRESS: '9' },
      'throttle.signInFailuresPerAddress',
    ],
    [
      'all addresses may enter as many wrong device codes as one',
      { THROTTLE_USER_CODES_WRONG: '9' },
      'throttle.userCodesWrong',
    ],
    [
      'user codes are too long to be guessed (RFC 8628 section 5.1)',
      { DEVICE_AUTHORIZATION_USER_CODE_LENGTH: '7', LIFETIMES_DEVICE_CODE: '15m' },
      'deviceAuthorization.userCodeLength',
    ],
    [
      'a server that hangs leaves room for others',
      { OUTBOX_PARALLEL_PER_ORIGIN: '8' },
      'outbox.parallelPerOrigin',
    ],
    ['the head of a request is a part of it', { HTTP_HEADERS_TIMEOUT: '31s' }, 'http.headersTimeout'],
  ];
  for (const [rule, settings, blamed] of cases) {
    test(`${rule}, or it is a problem with its reason`, () => {
      const env = Object.fromEntries(
        Object.entries(settings).map(([name, text]) => [`KEYTURN_${name}`, text]),
      );
      const problems = problemsOf({ env });
      assert.deepEqual(
        problems.map(({ setting }) => setting),
        [blamed],
      );
      assert.match(problems[0]?.message ?? '', / is .+; what must hold: .+, because ./);
    });
  }

  test('an authorization code lives no longer than ten minutes (RFC 6749 section 4.1.2)', () => {
    const [problem] = problemsOf({ env: { KEYTURN_LIFETIMES_AUTHORIZATION_CODE: '11m' } });
    assert.match(problem?.message ?? '', /RFC 6749 section 4\.1\.2/);
    assert.deepEqual(problemsOf({ env: { KEYTURN_LIFETIMES_AUTHORIZATION_CODE: '10m' } }), []);
  });

  test('a rule waits while one of its settings has a problem of its own', () => {
    const env = { KEYTURN_LIFETIMES_REFRESH_IDLE: '91d', KEYTURN_LIFETIMES_REFRESH_ABSOLUTE: 'x' };
    assert.deepEqual(
      problemsOf({ env }).map(({ setting }) => setting),
      ['lifetimes.refreshAbsolute'],
    );
  });
});

describe('the file of authorization details (RFC 9396 section 2)', () => {
  const TYPES = `
payment:
  name: { en: Payment }
  sentences: { en: 'Pay {amount}' }
  resources: [https://bank.example]
  schema: { type: object }
`;
  const env = { KEYTURN_REQUESTS_AUTHORIZATION_DETAILS_FILE: 'details.yaml' };
  const given = (text: string) => ({ env, files: { '/srv/details.yaml': text } });

  test('is read from the working directory, and its types are there', () => {
    const { config } = load(given(TYPES));
    assert.deepEqual([...config.detailTypes.keys()], ['payment']);
    assert.equal(config.requests.authorizationDetailsFile, '/srv/details.yaml');
    assert.equal(load({}).config.detailTypes.size, 0);
  });

  test('is a problem of the settings when it is not there, no YAML, or declares a type wrongly', () => {
    for (const [sources, message] of [
      [{ env }, /no such file/],
      [given('payment: ['), /not YAML in line/],
      [given('a: *b'), /not YAML|aliases/],
      [given(TYPES.replace('type: object', 'tpye: object')), /payment\.schema: strict mode/],
      [given(TYPES.replace('resources', 'resorces')), /payment/],
    ] as const) {
      const [problem] = problemsOf(sources);
      assert.equal(problem?.setting, 'requests.authorizationDetailsFile');
      assert.equal(problem?.place, 'details.yaml');
      assert.match(problem?.message ?? '', message);
    }
  });
});
