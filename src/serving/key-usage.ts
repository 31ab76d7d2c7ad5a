import { UsageCounter } from '#src/key-usage/usage-counter.ts';
import { UsageWriter } from '#src/key-usage/usage-writer.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { SigningMeans } from '#src/signing/key-view.ts';

/** Begins to count what is signed, and to write that down. */
export function openKeyUsage(
  { config, store: { records } }: Services,
  surroundings: Surroundings & { readonly onFault: (error: unknown) => void },
): Pick<SigningMeans, 'onSigning'> & AsyncDisposable {
  const { usageWriteEvery: writeEvery, historyKept: usesKept } = config.keys;
  const counter = new UsageCounter({ ...surroundings, issuer: config.issuer });
  const writer = new UsageWriter({ ...surroundings, counter, records, writeEvery, usesKept });
  writer.start();
  return {
    onSigning: (key, jwt) => counter.note(key, jwt),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
