import type { LineObserver } from '#src/accounts/waiting-line.ts';
import type { Tracer } from '#src/tracing/tracer.ts';

/** Told of each operation of the store when it has come to its end. */
export type StoreNote = (operation: string, ms: number, failed: boolean, kind: string | null) => void;

/** Tells of the operations of the store: OpenTelemetry, semantic conventions for databases. Never what is looked for. */
export function noteStore(tracer: Tracer, system: 'sqlite' | 'redis'): StoreNote {
  // A file of this process is no other service.
  const spanKind = system === 'sqlite' ? 'internal' : 'client';
  return (performed, ms, failed, kind) => {
    const operation = performed.replace(AGAIN, '');
    tracer.note({
      name: kind === null ? operation : `${operation} ${kind}`,
      kind: spanKind,
      ms,
      attributes: {
        'db.system.name': system,
        'db.operation.name': operation,
        ...(kind !== null && { 'db.collection.name': kind }),
      },
      failure: failed ? 'StorageFault' : null,
    });
  };
}

/** Whether a record is read by somebody who holds what it said makes no other operation of it. */
const AGAIN = /Again$/;

/** Tells how long passwords waited to be hashed, and how long that took; or why they were not. */
export function noteHashing(tracer: Tracer): LineObserver {
  return {
    served: (waitedMs, tookMs) => {
      tracer.note({ name: 'password wait', kind: 'internal', ms: waitedMs, msAgo: tookMs });
      tracer.note({ name: 'password hash', kind: 'internal', ms: tookMs });
    },
    turnedAway: (why) => tracer.current?.set('keyturn.password.turned_away', why),
  };
}
