import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordKind, RecordPage, Records } from '#src/records.ts';
import type { ResealStep } from '#src/sealing/resealing.ts';
import type { Store } from '#src/storage/open-store.ts';
import { after, seconds } from '#src/units.ts';
import { rotationOn } from '#test/sealing/rotation-on.ts';
import { RecordsModel } from '#test/storage/contract/records-model.ts';
import type { MakeStore } from '#test/storage/records-contract.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

/** All promises at once: whatever is done in whatever order, a store answers as the model does. */
export function historyContract(makeStore: MakeStore): void {
  test('a store answers every history of operations, on two connections, as a model in memory does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (history) => {
        const clock = new MovingClock();
        await using store = await makeStore(clock);
        const connections = [await store.connect(), await store.connect()];
        const real = new Side(clock);
        const model = new Side(clock);
        const records = new RecordsModel(clock);
        for (const [number, { text, connection, run, wait }] of history.entries()) {
          clock.move(seconds(wait));
          const connected = connections[connection] ?? assert.fail();
          const answer = await run(connected.records, real, connected);
          const says = `step ${number}: ${text}`;
          assert.deepEqual(answer, await run(records, model), says);
          const inModel = await whatIsThere(records);
          for (const each of connections) assert.deepEqual(await whatIsThere(each.records), inModel, says);
        }
      }),
      { numRuns: 50 },
    );
  });
}

/** What is read so often that a connection may hold it in mind is asked for after every step. */
async function whatIsThere(records: Records): Promise<unknown> {
  const read = NAMES.flatMap((name) => [
    records.find(OFTEN_READ, name).then(unversioned),
    records.findByAlias(OFTEN_READ, name).then(unversioned),
    records.anyRevoked([name]),
  ]);
  return Promise.all(read);
}

/** What a caller of one store remembers: the store and the model number their versions differently. */
class Side {
  readonly clock: MovingClock;
  readonly #versions = new Map<string, number[]>();

  constructor(clock: MovingClock) {
    this.clock = clock;
  }

  learn(name: string, version: number): void {
    const known = this.#versions.get(name) ?? [];
    assert.ok(
      known.every((earlier) => earlier < version),
      'a version grows with every put',
    );
    this.#versions.set(name, [...known, version]);
  }

  /** The version of the last put, or of one before. */
  version(name: string, age: number): number {
    return this.#versions.get(name)?.at(-1 - age) ?? 0;
  }

  in(length: number) {
    return after(this.clock.now(), seconds(length));
  }
}

/** The model has no store. */
type Run = (records: Records, side: Side, store?: Store) => Promise<unknown>;

interface Step {
  readonly text: string;
  readonly connection: number;
  readonly wait: number;
  readonly run: Run;
}

/** Few names and short times, so that operations meet. */
const NAMES = ['x', 'y', 'z'];
const OFTEN_READ = 'authorization';
const kind = fc.constantFrom<RecordKind>('interaction', OFTEN_READ);
const id = fc.constantFrom(...NAMES);
const name = fc.constantFrom(...NAMES);
const length = fc.integer({ min: 0, max: 6 });

/** What JSON can say, which has no minus zero. */
const json = fc.jsonValue({ maxDepth: 1 }).map((value): unknown => JSON.parse(JSON.stringify(value)));

const put = fc
  .record({
    kind,
    id,
    value: json.map((grant) => ({ grant })),
    lifetime: fc.option(length),
    group: fc.option(name),
    owner: fc.option(name),
    aliases: fc.array(name, { maxLength: 2 }),
    onlyIf: fc.constantFrom('always', 'always', 'absent', 'current', 'older'),
  })
  .map((args): [string, Run] => [
    `put ${JSON.stringify(args)}`,
    async (records, side) => {
      const { lifetime, group, owner, onlyIf, ...record } = args;
      const named = `${record.kind} ${record.id}`;
      const version = side.version(named, onlyIf === 'older' ? 1 : 0);
      const answer = await records.put({
        ...record,
        expiresAt: lifetime === null ? null : side.in(lifetime),
        ...(group === null ? {} : { group }),
        ...(owner === null ? {} : { owner }),
        ...(onlyIf === 'always' ? {} : { onlyIf: onlyIf === 'absent' ? onlyIf : { version } }),
      });
      if (answer.outcome === 'stored') {
        side.learn(named, answer.version);
        return 'stored';
      }
      return answer;
    },
  ]);

const find = fc
  .record({ kind, id, alias: name, owner: name })
  .map((args): [string, Run] => [
    `find ${JSON.stringify(args)}`,
    async (records) => [
      unversioned(await records.find(args.kind, args.id)),
      unversioned(await records.findByAlias(args.kind, args.alias)),
      (await allOf((page) => records.list(args.kind, page))).toSorted(),
      (await allOf((page) => records.listOwned(args.kind, args.owner, page))).toSorted(),
    ],
  ]);

const use = fc
  .record({ kind, id, how: fc.constantFrom('consume', 'remove') })
  .map((args): [string, Run] => [
    `${args.how} ${args.kind} ${args.id}`,
    (records) =>
      args.how === 'consume' ? records.consume(args.kind, args.id) : records.remove(args.kind, args.id),
  ]);

const endGroup = fc
  .record({ group: name, length })
  .map((args): [string, Run] => [
    `endGroup ${JSON.stringify(args)}`,
    (records, side) => records.endGroup(args.group, side.in(args.length)),
  ]);

const revoke = fc
  .record({ entries: fc.array(name, { maxLength: 2 }), length, asked: fc.array(name, { maxLength: 2 }) })
  .map((args): [string, Run] => [
    `revoke ${JSON.stringify(args)}`,
    async (records, side) => {
      await records.revoke(args.entries, side.in(args.length));
      return records.anyRevoked(args.asked);
    },
  ]);

const count = fc
  .record({
    counter: name,
    window: fc.integer({ min: 1, max: 6 }),
    reset: fc.constantFrom(false, false, true),
  })
  .map((args): [string, Run] => [
    `count ${JSON.stringify(args)}`,
    async (records) => {
      if (args.reset) await records.resetCounter(args.counter);
      else await records.hit(args.counter, seconds(args.window));
      return records.counted(args.counter);
    },
  ]);

const log = fc
  .record({
    log: name,
    entry: fc.nat(9),
    length,
    kind,
    id,
    group: name,
    how: fc.constantFrom('append', 'remove', 'end'),
  })
  .map((args): [string, Run] => [
    `log ${JSON.stringify(args)}`,
    async (records, side) => {
      const notedIn = { log: args.log, until: side.in(args.length) };
      if (args.how === 'append') await records.append({ ...notedIn, entry: args.entry });
      else if (args.how === 'remove') await records.remove(args.kind, args.id, notedIn);
      else await records.endGroup(args.group, side.in(args.length), { ...notedIn, kind: args.kind });
      const { entries } = await records.readLog(args.log, { after: 0, limit: 1000 });
      // Which of a group is noted first is a backend's own affair.
      return entries.map(({ position: _, ...entry }) => JSON.stringify(entry)).toSorted();
    },
  ]);

/** What a sweep removes is a backend's own affair; that nobody notices is not. */
const sweep = fc.integer({ min: 1, max: 3 }).map((limit): [string, Run] => [
  `sweep ${limit}`,
  async (records) => {
    await records.sweep(limit);
    return null;
  },
]);

/** That another key-encryption key becomes current, and that all or a part is sealed anew, nobody notices either. */
const reseal = fc
  .record({
    newKey: fc.boolean(),
    limit: fc.integer({ min: 1, max: 5 }),
    steps: fc.integer({ min: 0, max: 4 }),
  })
  .map((args): [string, Run] => [
    `reseal ${JSON.stringify(args)}`,
    async (_records, { clock }, store) => {
      if (store === undefined) return null;
      const rotation = rotationOn(store, { clock });
      if (args.newKey) await rotation.make();
      await rotation.advance();
      let after: string | null = null;
      for (let i = 0; i < args.steps; i += 1) {
        const done: ResealStep = await store.bodies.reseal({ after, limit: args.limit });
        assert.deepEqual(done.faults, []);
        after = done.next;
      }
      return null;
    },
  ]);

const step: fc.Arbitrary<Step> = fc
  .record({
    connection: fc.nat(1),
    wait: fc.constantFrom(0, 0, 0, 1, 2, 5),
    what: fc.oneof(
      { weight: 6, arbitrary: put },
      { weight: 4, arbitrary: find },
      { weight: 3, arbitrary: use },
      { weight: 1, arbitrary: endGroup },
      { weight: 1, arbitrary: revoke },
      { weight: 1, arbitrary: count },
      { weight: 2, arbitrary: log },
      { weight: 1, arbitrary: sweep },
      { weight: 2, arbitrary: reseal },
    ),
  })
  .map(({ connection, wait, what: [text, run] }) => ({ connection, wait, text, run }));

async function allOf(
  read: (page: { limit: number; after?: string }) => Promise<RecordPage<unknown>>,
): Promise<string[]> {
  const page = await read({ limit: 2 });
  const rest = page.next === null ? [] : (await read({ limit: 10, after: page.next })).records;
  return [...page.records, ...rest].map((record) => record.id);
}

function unversioned(record: { readonly version: number } | null) {
  return record && { ...record, version: 'any' };
}
