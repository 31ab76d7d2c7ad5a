import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { machineExposition, type WorkerMeasures } from '#src/metrics/machine-exposition.ts';
import { SeriesSums } from '#src/metrics/series-sums.ts';

const text = (place: number, { tokens, held }: { tokens: number; held: number }) => `# HELP tokens Issued.
# TYPE tokens counter
tokens{client_id="a",worker="${place}"} ${tokens}

# HELP took How long.
# TYPE took histogram
took_bucket{le="+Inf",worker="${place}"} ${tokens}
took_sum{worker="${place}"} ${tokens / 2}
took_count{worker="${place}"} ${tokens}

# HELP held Held now.
# TYPE held gauge
held{worker="${place}"} ${held}
`;

const worker = (place: number, more: Partial<WorkerMeasures>): WorkerMeasures => ({
  place,
  leaving: false,
  text: null,
  last: null,
  ...more,
});

const told = (workers: readonly WorkerMeasures[], gone = new SeriesSums()) =>
  machineExposition({ workers, crashes: 0 }, gone).split('\n');

describe('what several workers have measured', () => {
  test('has each family once, with all workers in it', () => {
    const lines = told([
      worker(1, { text: text(1, { tokens: 3, held: 5 }) }),
      worker(2, { text: text(2, { tokens: 4, held: 6 }) }),
    ]);
    const types = lines.filter((line) => line.startsWith('# TYPE'));
    assert.equal(new Set(types).size, types.length);
    for (const line of [
      'tokens{client_id="a",worker="2"} 4',
      'took_sum{worker="1"} 1.5',
      'held{worker="2"} 6',
    ])
      assert.ok(lines.includes(line), line);
  });

  test('counts one that is about to leave and those that are gone at their place, and shows the state of who has it', () => {
    const gone = new SeriesSums();
    gone.add(text(1, { tokens: 100, held: 7 }));
    gone.add(text(1, { tokens: 200, held: 8 }));
    const lines = told(
      [
        worker(1, { leaving: true, text: text(1, { tokens: 10, held: 9 }) }),
        worker(1, { text: text(1, { tokens: 1, held: 2 }) }),
      ],
      gone,
    );
    for (const line of [
      'tokens{client_id="a",worker="1"} 311',
      'took_count{worker="1"} 311',
      'held{worker="1"} 2',
      'keyturn_worker_up{worker="1"} 1',
      'keyturn_workers_leaving 1',
    ])
      assert.ok(lines.includes(line), line);
    assert.equal(lines.filter((line) => line.startsWith('held{')).length, 1);
  });

  test('goes on with what a worker said last that does not answer, and says that it does not', () => {
    const lines = told([worker(1, { last: text(1, { tokens: 3, held: 5 }) }), worker(2, {})]);
    assert.ok(lines.includes('tokens{client_id="a",worker="1"} 3'));
    assert.ok(lines.includes('keyturn_worker_up{worker="1"} 0'));
    assert.ok(!lines.some((line) => line.startsWith('held{')));
  });

  test('remembers no more clients of those that are gone than it may', () => {
    const gone = new SeriesSums();
    for (let client = 0; client < 3000; client += 1)
      gone.add(`# HELP tokens Issued.\n# TYPE tokens counter\ntokens{client_id="c${client}"} 1\n`);
    const [family] = gone.families();
    assert.equal(family?.series.length, 2001);
    assert.deepEqual(
      family?.series.find(([name]) => name.includes('other')),
      ['tokens{client_id="other"}', '1000'],
    );
  });
});
