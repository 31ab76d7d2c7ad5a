import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Timetable } from '#src/cli/drill/timetable.ts';
import { after, epochSeconds, seconds } from '#src/units.ts';

const start = epochSeconds(1_784_024_130);
const goesOn = new AbortController().signal;

/** A timetable on which deeds note their names and the second in which they are done. */
function noting() {
  const timetable = new Timetable(start);
  const done: string[] = [];
  const deed = (name: string) => async () => void done.push(`${name} ${timetable.now - start}`);
  const enter = (second: number, name: string) => timetable.at(after(start, seconds(second)), deed(name));
  return { timetable, done, deed, enter };
}

describe('a timetable', () => {
  test('does each thing in its second, in the order of time and then of entry', async () => {
    const { timetable, done, enter } = noting();
    enter(20, 'late');
    enter(5, 'one');
    enter(5, 'another');
    enter(0, 'first');
    await timetable.run(after(start, seconds(20)), goesOn);
    assert.deepEqual(done, ['first 0', 'one 5', 'another 5', 'late 20']);
  });

  test('leaves what comes after the end for later, and stands at the end', async () => {
    const { timetable, done, enter } = noting();
    enter(11, 'later');
    await timetable.run(after(start, seconds(10)), goesOn);
    assert.deepEqual([done, timetable.now - start], [[], 10]);
    await timetable.run(after(start, seconds(11)), goesOn);
    assert.deepEqual(done, ['later 11']);
  });

  test('does what is entered on the way, also in the same second', async () => {
    const { timetable, done, deed } = noting();
    timetable.at(start, async () => timetable.at(timetable.now, deed('at once')));
    await timetable.run(start, goesOn);
    assert.deepEqual(done, ['at once 0']);
  });

  test('repeats after a pause that is asked for anew each time', async () => {
    const { timetable, done, deed } = noting();
    const pauses = [3, 4, 5, 6].map(seconds);
    timetable.every(() => pauses.shift() ?? assert.fail('nothing more is due'), deed('again'));
    await timetable.run(after(start, seconds(17)), goesOn);
    assert.deepEqual(done, ['again 3', 'again 7', 'again 12']);
  });

  test('has clocks that are ahead of it by as much as they are told to be', async () => {
    const { timetable } = noting();
    const clock = timetable.clock(seconds(30));
    await timetable.run(after(start, seconds(7)), goesOn);
    assert.equal(clock.now() - start, 37);
  });

  test('ends where something fails, or where somebody wants it to, and does nothing more', async () => {
    const { timetable, done, enter } = noting();
    const stopping = new AbortController();
    timetable.at(after(start, seconds(1)), () => Promise.reject(new Error('broken')));
    timetable.at(after(start, seconds(2)), async () => stopping.abort());
    enter(3, 'never');
    const end = after(start, seconds(9));
    await assert.rejects(timetable.run(end, stopping.signal), /broken/);
    await assert.rejects(timetable.run(end, stopping.signal), { name: 'AbortError' });
    assert.deepEqual([done, timetable.now - start], [[], 2]);
  });
});
