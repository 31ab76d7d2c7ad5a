import { after, type EpochSeconds, epochSeconds, type Seconds, seconds } from '#src/units.ts';

/** Something that somebody else's server is to be told, kept until it has been told or it is too late. */
export interface Delivery<Content = unknown> {
  /** What it is about, which decides who sends it. */
  readonly topic: string;
  /** Whose server is called. No node calls one recipient twice at the same time. */
  readonly recipient: string;
  readonly destination: Destination;
  readonly content: Content;
  readonly postedAt: EpochSeconds;
  /** How often it has been tried, an attempt that is under way included. */
  readonly attempts: number;
  /** Not to be tried before. */
  readonly dueAt: EpochSeconds;
}

/** Where a delivery goes, as far as others that wait for their turn are concerned. */
export interface Destination {
  /** That of the server which is called; that of the recipient's identifier where the server is not known yet. */
  readonly origin: string;
  /** True if nobody at this server has let the recipient in. */
  readonly uninvited: boolean;
}

/** How long and how often delivery is tried. */
export interface DeliveryPolicy {
  readonly attemptsMax: number;
  /** The time between the first attempt and the second; each further one waits twice as long as the one before. */
  readonly retryAfter: Seconds;
  readonly retryAfterMax: Seconds;
  readonly ageMax: Seconds;
}

/**
 * The delivery as it is once somebody has begun to try it: due again when the attempt must be over, so that nobody has
 * to notice if the one who tries is gone.
 */
export function attempted<C>(delivery: Delivery<C>, now: EpochSeconds, policy: DeliveryPolicy): Delivery<C> {
  const attempts = delivery.attempts + 1;
  const wait = seconds(Math.min(policy.retryAfter * 2 ** (attempts - 1), policy.retryAfterMax));
  return { ...delivery, attempts, dueAt: after(now, wait) };
}

/** True if there will be no further attempt. */
export function isExhausted(delivery: Delivery, policy: DeliveryPolicy): boolean {
  return delivery.attempts >= policy.attemptsMax || delivery.dueAt >= tooLateAt(delivery, policy);
}

/** When it is of no use any more. */
export function tooLateAt({ postedAt }: Delivery, { ageMax }: DeliveryPolicy): EpochSeconds {
  return epochSeconds(postedAt + ageMax);
}
