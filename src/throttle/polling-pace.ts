import type { Records } from '#src/records.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** By how much a client that polls too fast has to slow down each time: RFC 8628 section 3.5. */
const SLOW_DOWN_BY = seconds(5);

/**
 * How often a client may ask whether a person has answered yet. One that asks too soon is told to slow down, and its
 * interval grows for good: RFC 8628 section 3.5; OpenID Connect CIBA section 11. Counted in the store, so that it holds
 * for all nodes together.
 */
export class PollingPace {
  readonly #records: Pick<Records, 'hit' | 'counted'>;

  constructor(records: Pick<Records, 'hit' | 'counted'>) {
    this.#records = records;
  }

  /** Counts a poll for what can be polled for as long as `remaining`, and says whether it came in time. */
  async poll(id: string, pace: { interval: Seconds; remaining: Seconds }): Promise<'in-time' | 'too-soon'> {
    const tooSoon = await this.#records.counted(tooSoonCounter(id));
    const interval = seconds(pace.interval + (tooSoon?.count ?? 0) * SLOW_DOWN_BY);
    const { count } = await this.#records.hit(`poll:${id}`, interval);
    if (count === 1) return 'in-time';
    await this.#records.hit(tooSoonCounter(id), pace.remaining);
    return 'too-soon';
  }
}

const tooSoonCounter = (id: string) => `poll-too-soon:${id}`;
