import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { pino } from 'pino';
import type { NodeMaker } from '#src/cli/drill/deployment.ts';
import { type Drilled, drill } from '#src/cli/drill/drill.ts';
import { nodesLogging } from '#src/cli/drill/node.ts';
import { PYTHONS } from '#src/cli/drill/pyjwt.ts';
import { drillReport } from '#src/cli/drill/report.ts';
import type { Scene } from '#src/cli/drill/story.ts';
import { verdictsOf } from '#src/cli/drill/verdicts.ts';
import { systemClock } from '#src/clock.ts';
import type { Config } from '#src/config/schema.ts';
import { systemRandom } from '#src/random.ts';
import { openServices } from '#src/services.ts';
import { minutes, seconds } from '#src/units.ts';
import { readPage } from '#test/docs/markdown.ts';
import { makeKeyturnDirectory } from '#test/support/running-server.ts';

interface DrillDocument {
  readonly ok: boolean;
  readonly verdicts: readonly { name: string; held: boolean; claim: string }[];
  readonly resource_servers: readonly ServerDocument[];
  readonly left_out: readonly unknown[];
  readonly clients: { sign_ins: number; refreshes: number; client_credentials: number; refused: unknown[] };
  readonly revocations: readonly {
    tokens: number;
    answers: { node: string; asked: number; accepted: number }[];
  }[];
  readonly outages: readonly { node: string; from: number; until: number }[];
  readonly turns: readonly { at: number; alg: string; cause: string }[];
  readonly settings: { jwks_max_age: number; ring_poll: number };
}

interface ServerDocument {
  readonly who: string;
  readonly accepted: number;
  readonly lingered: number;
  readonly good_refused: number;
  readonly expired_accepted: number;
  readonly revoked_accepted: number;
  readonly oldest_accepted_seconds: number;
  readonly lingered_seconds: number | null;
  readonly unknown_keys: number;
}

describe('keyturn keys drill', () => {
  test('holds through ten rotations, an undo, a restart and a revocation, before resource servers of every kind', {
    timeout: 300_000,
  }, async () => {
    await using directory = await makeKeyturnDirectory();
    const drawing = join(directory.path, 'drill.svg');
    const drilled = await directory.cli(['keys', 'drill', '--json', '--svg', drawing]);
    const document = drilled.json<DrillDocument>();
    assert.deepEqual(
      document.verdicts.filter(({ held }) => !held),
      [],
    );
    assert.equal(document.ok, true);
    const withoutFigures = (words: string) => words.replace(/\d+/g, '0');
    const shown = withoutFigures(readPage('docs/administrators.md').text);
    for (const { claim } of document.verdicts)
      assert.ok(shown.includes(`✓ ${withoutFigures(claim)}\n`), `the page shows: ${claim}`);

    const servers = new Map(document.resource_servers.map((server) => [server.who, server]));
    assert.deepEqual([...servers.keys()], ['jose', 'max_age', 'polling', 'pyjwt', 'introspection']);
    assert.deepEqual(document.left_out, [], 'Debian: apt-get install python3-jwt python3-cryptography');
    const { jwks_max_age: maxAge, ring_poll: poll } = document.settings;
    for (const server of servers.values()) {
      assert.ok(server.accepted > 500, `${server.who} was shown ${server.accepted} good tokens`);
      assert.ok(server.oldest_accepted_seconds > 1700, 'and some of them were nearly as old as they get');
      assert.deepEqual([server.good_refused, server.expired_accepted, server.revoked_accepted], [0, 0, 0]);
      assert.equal(server.unknown_keys, 0);
      assert.ok((server.lingered_seconds ?? 0) < maxAge + poll);
    }
    assert.deepEqual(
      [servers.get('introspection')?.lingered, servers.get('introspection')?.lingered_seconds],
      [0, null],
    );
    assert.ok(
      (servers.get('max_age')?.lingered ?? 0) > 0,
      'who only verifies signatures does not know at once',
    );

    const { sign_ins, refreshes, client_credentials, refused } = document.clients;
    assert.deepEqual(refused, []);
    assert.ok(sign_ins > 5 && refreshes > 50 && client_credentials > 200);
    const [revocation] = document.revocations;
    assert.deepEqual(
      revocation?.answers.map(({ node, asked, accepted }) => [node, asked > 10, accepted]),
      [
        ['A', true, 0],
        ['B', true, 0],
      ],
    );
    const [outage] = document.outages;
    assert.ok(
      outage !== undefined && document.turns.some(({ at }) => at > outage.from && at < outage.until),
      'keys turned while a node was away',
    );
    const causes = (alg: string) =>
      Object.groupBy(
        document.turns.filter((turn) => turn.alg === alg),
        ({ cause }) => cause,
      );
    for (const alg of ['ES256', 'RS256']) {
      const { schedule = [], hand = [], undo = [] } = causes(alg);
      assert.ok(schedule.length >= 6 && hand.length >= 4 && undo.length === 1);
    }
    assert.equal(causes('ES256').revocation?.length, 1);

    assert.match(
      await readFile(drawing, 'utf8'),
      /^<svg [^>]*role="img".*<title id="t">Key rotation drill<\/title>/s,
    );
    assert.deepEqual(
      await readdir(directory.path),
      ['drill.svg'],
      'the store of the administrator is not touched',
    );
  });

  test('says where a drawing cannot be written before it begins', async () => {
    await using directory = await makeKeyturnDirectory();
    const { code, stderr } = await directory.cli(['keys', 'drill', '--svg', 'nowhere/drill.svg']);
    assert.equal(code, 1);
    assert.match(stderr, /nowhere\/drill\.svg cannot be written: ENOENT\nhint: /);
  });

  test('takes a whole number as its seed', async () => {
    await using directory = await makeKeyturnDirectory();
    const { code, stderr } = await directory.cli(['keys', 'drill', '--seed', 'luck']);
    assert.equal(code, 2);
    assert.match(stderr, /--seed: "luck" is no whole number above 0/);
  });
});

/** Rotations so close to one another that all but the first have to wait. */
const ROTATIONS: readonly Scene[] = [12, 15, 18, 21].map((minute) => ({
  at: minutes(minute),
  deed: 'rotate',
}));
/** Shortly after everybody has fetched the keys anew. */
const REVOCATION: readonly Scene[] = [{ at: minutes(16), deed: 'revoke' }];

describe('a drill', () => {
  test('of sound nodes finds nothing, and comes out the same each time', async () => {
    const [one, other] = [await played(ROTATIONS, minutes(40)), await played(ROTATIONS, minutes(40))];
    assert.deepEqual(broken(one), ['revoked_at_once', 'rotated_once', 'all_happened'], 'what did not happen');
    assert.deepEqual(one.ledger.total, other.ledger.total);
    assert.deepEqual(countsOf(one), countsOf(other));
  });

  test('finds out nodes that sign with a key at once after its publication', async () => {
    const hasty = nodesOf(({ keys, ...config }) => ({
      ...config,
      keys: { ...keys, jwksMaxAge: seconds(1) },
    }));
    const drilled = await played(ROTATIONS, minutes(30), hasty);
    assert.ok(broken(drilled).includes('no_good_token_refused'));
    assert.ok(broken(drilled).includes('no_key_unknown'), 'jose fetches the keys again, and that counts too');
    const whoRefused = new Set(drilled.ledger.wrongs.map(({ who }) => who));
    assert.ok(whoRefused.has('max-age') && whoRefused.has('pyjwt') && !whoRefused.has('introspection'));
  });

  test('finds out nodes that drop a key as soon as another signs', async () => {
    const forgetful = nodesOf(({ lifetimes, ...config }) => ({
      ...config,
      lifetimes: { ...lifetimes, accessTokenMax: seconds(1), idToken: seconds(1) },
    }));
    const drilled = await played(ROTATIONS, minutes(40), forgetful);
    assert.ok(broken(drilled).includes('no_good_token_refused'));
    const whoRefused = new Set(drilled.ledger.wrongs.map(({ who }) => who));
    assert.ok(whoRefused.has('introspection'), 'a node itself does not know the key any more');
  });

  test('finds out a node that goes on taking tokens of a revoked key', async () => {
    const sound = nodesLogging(pino({ level: 'silent' }));
    const credulous: NodeMaker = {
      ...sound,
      serve: (services, surroundings) => {
        const records = { ...services.standing.records, anyRevoked: async () => false };
        return sound.serve({ ...services, standing: { ...services.standing, records } }, surroundings);
      },
    };
    const drilled = await played(REVOCATION, minutes(18), credulous);
    assert.ok(broken(drilled).includes('revoked_at_once'));
    const right = await played(REVOCATION, minutes(18));
    assert.ok(!broken(right).includes('revoked_at_once'));
  });

  test('finds out nodes whose published keys may be kept for longer than the rotation knows', async () => {
    const kept = nodesOf(({ keys, ...config }) => ({ ...config, keys: { ...keys, jwksMaxAge: minutes(3) } }));
    const drilled = await played(REVOCATION, minutes(30), kept);
    assert.ok(broken(drilled).includes('revoked_within_bound'));
  });

  test('goes on without a Python, and says so', async () => {
    const drilled = await played(ROTATIONS, minutes(5), undefined, []);
    assert.deepEqual(
      drilled.participants.map(({ manner }) => manner.who),
      ['jose', 'max-age', 'polling', 'introspection'],
    );
    const said = drillReport(drilled, { took: 0, columns: 80 }).text((_emphasis, text) => text);
    assert.match(said, /^pyjwt is left out: no python3 with PyJWT/m);
  });

  test('that is ended early cleans up and says why it ended', async () => {
    const stopping = new AbortController();
    const playing = drill({
      ...PARTS,
      story: { scenes: ROTATIONS, length: minutes(40) },
      signal: stopping.signal,
      onDone: () => stopping.abort(),
    });
    await assert.rejects(playing, { name: 'AbortError' });
  });
});

test('the resource server in Python can be read by the Python that it runs on', async () => {
  const program = new URL(import.meta.resolve('#src/cli/drill/resource_server.py'));
  const check = 'import ast, sys; ast.parse(open(sys.argv[1]).read())';
  await promisify(execFile)('/usr/bin/python3', ['-c', check, program.pathname]);
});

const PARTS = {
  seed: 7,
  clock: systemClock,
  random: systemRandom,
  maker: nodesLogging(pino({ level: 'silent' })),
  pythons: PYTHONS,
  signal: new AbortController().signal,
  onDone: () => {},
};

function played(
  scenes: readonly Scene[],
  length: ReturnType<typeof minutes>,
  maker: NodeMaker = PARTS.maker,
  pythons: readonly string[] = PYTHONS,
): Promise<Drilled> {
  return drill({ ...PARTS, story: { scenes, length }, maker, pythons });
}

/** Nodes that rotate by other settings than those that they serve by. */
function nodesOf(rotatingBy: (config: Config) => Config): NodeMaker {
  const sound = nodesLogging(pino({ level: 'silent' }));
  const configs = new WeakMap<object, Config>();
  return {
    open: async (config, surroundings) => {
      const services = await openServices(rotatingBy(config), surroundings);
      configs.set(services, config);
      return services;
    },
    serve: (services, surroundings) => {
      const config = configs.get(services) ?? services.config;
      return sound.serve({ ...services, config }, surroundings);
    },
  };
}

const broken = (drilled: Drilled) =>
  verdictsOf(drilled)
    .filter(({ held }) => !held)
    .map(({ name }) => name);

const countsOf = ({ participants, ledger, clients }: Drilled) => [
  ...participants.map(({ manner, fetches }) => [manner.who, fetches(), ledger.of(manner.who)]),
  clients,
];
