import type { Backend } from '#src/storage/backend.ts';

/** The operations that requests wait for, and those of what goes on beside them. */
const OPERATIONS = [
  'append',
  'anyRevoked',
  'consume',
  'counted',
  'endGroup',
  'find',
  'findAgain',
  'findByAlias',
  'findByAliasAgain',
  'hit',
  'list',
  'listOwned',
  'ping',
  'put',
  'readLog',
  'remove',
  'resetCounter',
  'revoke',
  'settled',
  'sweep',
] as const;

/** A backend as far as records need it. */
export type RecordBackend = Pick<Backend, (typeof OPERATIONS)[number]>;

/**
 * Told of each operation when it has come to its end, how long it took in milliseconds, and of which kind the records are,
 * where the operation says that. It must not throw.
 */
export type OperationObserver = (operation: string, ms: number, failed: boolean, kind: string | null) => void;

/** The same backend, with somebody who is told how long it takes. */
export function observedBackend(backend: RecordBackend, onDone: OperationObserver): RecordBackend {
  const observed = OPERATIONS.map((name) => {
    const perform = (backend[name] as (...args: unknown[]) => Promise<unknown>).bind(backend);
    return [name, timed(name, perform, onDone)];
  });
  return Object.fromEntries(observed) as unknown as RecordBackend;
}

function timed(
  name: string,
  perform: (...args: unknown[]) => Promise<unknown>,
  onDone: OperationObserver,
): typeof perform {
  return async (...args) => {
    const startedAt = performance.now();
    let failed = true;
    try {
      const result = await perform(...args);
      failed = false;
      return result;
    } finally {
      onDone(name, performance.now() - startedAt, failed, kindIn(args[0]));
    }
  };
}

/** Operations begin with the kind of their records, or with what is to be written. */
function kindIn(first: unknown): string | null {
  if (typeof first === 'string') return first;
  const { kind } = (first ?? {}) as { kind?: unknown };
  return typeof kind === 'string' ? kind : null;
}
