import { setTimeout as sleep } from 'node:timers/promises';
import { type OutgoingFetch, outgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { CanaryMint } from '#src/rehearsal/canary-mint.ts';
import { Rehearsal, type RehearsalPorts } from '#src/rehearsal/rehearsal.ts';
import type { Answer } from '#src/rehearsal/trial.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { publishedKeys } from '#src/signing/key-ring.ts';
import { signerOf } from '#src/signing/key-view.ts';
import { settlingTime } from '#src/signing/ring-policy.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** How often a server must have looked for a new key before it is sure to serve it. */
const LOOKS = 2;

/** A rehearsal of a rotation, for the resource servers that are registered. */
export function openRehearsal(
  services: Services,
  {
    clock,
    random,
    patience,
    onProgress,
    signal,
  }: Surroundings &
    Pick<RehearsalPorts, 'onProgress'> & {
      /** `null`: what the settings say. */
      readonly patience: Seconds | null;
      readonly signal: AbortSignal;
    },
): Rehearsal {
  const { config, rotation, store, resources, jwksReaders: readers } = services;
  const { issuer, keys, rehearsal, http, allowPrivateNetwork } = config;
  const outside = services.token?.signer ?? null;
  const holder = new KeyHolder({ rotation, clock, onFault: () => {}, outside });
  const mint = new CanaryMint({
    issuer,
    lifetime: rehearsal.tokenLifetime,
    clock,
    random,
    records: store.records,
    signer: (alg) => holder.signer(alg),
    rehearsalSigner: (kid) => {
      const rehearsed = publishedKeys(rotation.held.ring, clock.now()).find((key) => key.kid === kid);
      if (rehearsed === undefined || rehearsed.rehearsalUntil === null)
        throw new RangeError(`the key ${kid} is in no rehearsal`);
      return signerOf(rehearsed, { outside, onSigning: null });
    },
  });
  return new Rehearsal(
    {
      rotation,
      resources,
      readers,
      mint,
      clock,
      call: caller(outgoingFetch({ allowPrivateNetwork, timeout: http.outgoingTimeout })),
      pause: (length, ended) => sleep(length * 1000, undefined, { signal: ended }),
      policy: {
        patience: patience ?? rehearsal.patience ?? settlingTime(rotation.policy, 'jwks'),
        retryEvery: rehearsal.retryEvery,
        parallel: rehearsal.parallel,
        servedWithin: seconds(LOOKS * keys.ringPoll),
        writtenWithin: seconds(keys.readersWriteEvery + 1),
      },
      onProgress,
    },
    signal,
  );
}

/** Calls as a client would: RFC 6750 section 2.1. What the answer holds is of no interest. */
function caller(fetch: OutgoingFetch): RehearsalPorts['call'] {
  return async (url, token): Promise<Answer> => {
    const startedAt = performance.now();
    const ms = () => Math.round(performance.now() - startedAt);
    try {
      const headers = new Headers({ authorization: `Bearer ${token}` });
      const response = await fetch(url, { method: 'GET', headers });
      const answered = ms();
      await response.body?.cancel();
      return { outcome: 'answered', status: response.status, ms: answered };
    } catch (error) {
      return { outcome: 'failed', why: whyOf(error), ms: ms() };
    }
  };
}

/** What kept a call from being answered. Undici wraps what happened, sometimes more than once. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { cause } = error;
  if (cause instanceof Error) return whyOf(cause);
  return WORDS.get((error as NodeJS.ErrnoException).code ?? '') ?? error.message;
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'nothing listens there'],
  ['ENOTFOUND', 'no such host'],
]);
