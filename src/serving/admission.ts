import type { Config } from '#src/config/schema.ts';
import { Admission, type ShedReason } from '#src/http/admission.ts';
import { headersOfEveryAnswer } from '#src/http/security-headers.ts';
import { endpointName } from '#src/serving/endpoint-name.ts';
import type { ServerEvents } from '#src/serving/log.ts';

/** Who has to be answered above all while there is too much to do, or is bounded in another way. */
const SPARED: ReadonlySet<string> = new Set(['health', 'jwks', 'metadata', 'revocation_stream']);

/** How often it is logged that requests are turned away, while they are. */
const TOLD_EVERY_MS = 10_000;

/** The admission to a server, and what tells the log of it now and then. `onEach` is told of every single request. */
export function openAdmission(
  { http, issuer }: Config,
  { events, onEach }: { readonly events: ServerEvents; readonly onEach: (reason: ShedReason) => void },
): Admission {
  let toldAt = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return new Admission({
    ...http,
    isSpared: (target) => SPARED.has(endpointName(target)),
    headers: headersOfEveryAnswer(issuer),
    onShed: (reason) => {
      onEach(reason);
      untold += 1;
      const now = performance.now();
      if (now - toldAt < TOLD_EVERY_MS) return;
      events.onShed(reason, untold);
      toldAt = now;
      untold = 0;
    },
  });
}
