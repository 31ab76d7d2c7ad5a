import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { attempted, type Delivery, type DeliveryPolicy, isExhausted } from '#src/outbox/delivery.ts';
import { after, days, epochSeconds, hours, seconds } from '#src/units.ts';

const NOW = epochSeconds(1_784_024_130);
const POLICY: DeliveryPolicy = {
  attemptsMax: 6,
  retryAfter: seconds(10),
  retryAfterMax: seconds(60),
  ageMax: days(1),
};
const FRESH: Delivery = {
  topic: 'news',
  recipient: 'ada',
  destination: { origin: 'https://ada.example.com', uninvited: false },
  content: null,
  postedAt: NOW,
  attempts: 0,
  dueAt: NOW,
};

/** How long each attempt waits for the next. */
function waitsOf(policy: DeliveryPolicy): number[] {
  const waits: number[] = [];
  let delivery = FRESH;
  for (let now = NOW; !isExhausted(delivery, policy); now = delivery.dueAt) {
    delivery = attempted(delivery, now, policy);
    waits.push(delivery.dueAt - now);
  }
  return waits;
}

describe('a delivery', () => {
  test('waits twice as long after each attempt, up to the longest wait, and ends with the last attempt', () => {
    assert.deepEqual(waitsOf(POLICY), [10, 20, 40, 60, 60, 60]);
  });

  test('ends when the next attempt would come too late', () => {
    assert.deepEqual(waitsOf({ ...POLICY, ageMax: seconds(71) }), [10, 20, 40, 60]);
  });

  test('has no number of attempts at which the wait overflows', () => {
    const tired = { ...FRESH, attempts: 5000 };
    assert.equal(attempted(tired, NOW, { ...POLICY, retryAfterMax: hours(1) }).dueAt, after(NOW, hours(1)));
  });
});
