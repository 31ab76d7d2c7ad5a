import { createHash } from 'node:crypto';
import { type JwsAlgorithm, REFRESH_ALGORITHM, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** How keys come and go. All lengths of time are in seconds. */
export interface RingPolicy {
  /** The algorithms that tokens are signed with; each has an active key at all times. */
  readonly algorithms: readonly SigningAlgorithm[];
  /** How long a key signs at most before the next one does. */
  readonly rotateEvery: Seconds;
  /** By how much less it may sign, so that the algorithms of a server, and servers among one another, do not turn together. */
  readonly jitter: Seconds;
  /** How long anyone may hold a copy of the JWK Set: the `max-age` that it is served with. */
  readonly jwksMaxAge: Seconds;
  /** The longest lifetime of an access or ID token. */
  readonly longestToken: Seconds;
  /** The longest lifetime of a refresh token, counted from the authorization. */
  readonly longestRefreshToken: Seconds;
  /** By when every node has read a ring that was changed. */
  readonly ringPoll: Seconds;
  /** The most by which the clocks of two nodes, or of a node and a resource server, differ. */
  readonly clockSkewMax: Seconds;
}

/** Keys in the JWK Set verify access and ID tokens; refresh keys are known to the nodes alone. */
export type KeyPurpose = 'jwks' | 'refresh';

export const purposeOf = (alg: JwsAlgorithm): KeyPurpose => (alg === REFRESH_ALGORITHM ? 'refresh' : 'jwks');

/** Every algorithm that the ring keeps keys for. */
export const ringAlgorithms = (policy: RingPolicy): readonly JwsAlgorithm[] => [
  ...policy.algorithms,
  REFRESH_ALGORITHM,
];

/** How often the ring is read within `ringPoll`: one reading may have just missed the change, and reading takes time. */
const READINGS_PER_POLL = 2;

/** How long a node waits before it looks again whether anything has changed, in milliseconds. */
export const readEveryMs = (ringPoll: Seconds): number => (ringPoll * 1000) / READINGS_PER_POLL;

/** How long it takes until every node has seen a change of the ring, by any node's clock. */
export const nodeDelay = (policy: RingPolicy): Seconds => seconds(policy.ringPoll + policy.clockSkewMax);

/**
 * How long after its publication a key may sign. The last node to notice a new key serves a JWK Set without it for
 * up to `ringPoll`, whoever fetched that set keeps it for `jwksMaxAge`, and the signer's clock may be ahead.
 */
export function settlingTime(policy: RingPolicy, purpose: KeyPurpose): Seconds {
  return purpose === 'jwks' ? seconds(nodeDelay(policy) + policy.jwksMaxAge) : nodeDelay(policy);
}

/**
 * How long a key is kept once another signs in its place. The last node to notice signs with it for up to
 * `ringPoll`, and that token lives as long as the longest one. The clock of the node that drops the key may be ahead
 * of that of the node that rotated, and the clock that judges the token behind: twice the skew.
 */
export function retention(policy: RingPolicy, purpose: KeyPurpose): Seconds {
  const longest = purpose === 'jwks' ? policy.longestToken : policy.longestRefreshToken;
  return seconds(longest + nodeDelay(policy) + policy.clockSkewMax);
}

/** How long a key signs before the schedule has the next one sign: the same for every node that asks. */
export function reignOf(policy: RingPolicy, kid: string): Seconds {
  const share = createHash('sha256').update(kid).digest().readUInt32BE() / 2 ** 32;
  return seconds(policy.rotateEvery - Math.floor(share * policy.jitter));
}

/** What is wrong with a policy, each as a sentence for the operator; empty when it can be kept. */
export function checkPolicy(policy: RingPolicy): readonly string[] {
  const problems: string[] = [];
  const { algorithms, rotateEvery, jitter } = policy;
  for (const [name, length] of Object.entries(policy)) {
    if (typeof length === 'number' && !(Number.isSafeInteger(length) && length >= 0)) {
      problems.push(`${name} must be a whole number of seconds, not ${length}`);
    }
  }
  if (algorithms.length === 0) problems.push('at least one signing algorithm is needed');
  if (new Set(algorithms).size !== algorithms.length) problems.push('an algorithm is named twice');
  if (policy.ringPoll < 1) problems.push('ringPoll must be at least one second');
  const settling = settlingTime(policy, 'jwks');
  if (rotateEvery - jitter <= settling) {
    problems.push(
      `rotateEvery (${rotateEvery} s) less jitter (${jitter} s) must exceed jwksMaxAge + ringPoll + clockSkewMax (${settling} s)`,
    );
  }
  return problems;
}
