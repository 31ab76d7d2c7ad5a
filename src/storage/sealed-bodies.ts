import { StorageFault } from '#src/fault.ts';
import type { BodyCount, CountStep, ResealStep, SealedStore, WalkPage } from '#src/sealing/resealing.ts';
import { keyOfSeal, MissingKeyFault, sealOfKey } from '#src/sealing/sealer.ts';
import type { Backend, BackendBody, Digest } from '#src/storage/backend.ts';
import { REGISTER_CONTEXT, REGISTER_KIND } from '#src/storage/kek-register-record.ts';
import { ROOT_CONTEXT, ROOT_KIND } from '#src/storage/root-secret.ts';
import type { StoreKeys } from '#src/storage/store-keys.ts';

/** What the body of a record is bound to. The key has a fixed length, so nothing else reads the same. */
export const recordContext = (kind: string, key: Digest): Buffer => Buffer.concat([key, Buffer.from(kind)]);

/** What the body of an entry of a log is bound to. */
export const logContext = (log: Digest): Buffer => recordContext('log', log);

/** Everything that is sealed in a store, whatever it says: counted by its key, and sealed anew under the current one. */
export class SealedBodies implements SealedStore {
  readonly #backend: Backend;
  readonly #keys: StoreKeys;

  constructor(parts: { backend: Backend; keys: StoreKeys }) {
    this.#backend = parts.backend;
    this.#keys = parts.keys;
  }

  async count({ after, limit }: WalkPage): Promise<CountStep> {
    const { counts, next } = await this.#backend.walk({ after, limit, except: null });
    return {
      counts: counts.map(({ kind, seal, count }): BodyCount => ({ kekId: keyOfSeal(seal), kind, count })),
      next,
    };
  }

  async reseal({ after, limit }: WalkPage): Promise<ResealStep> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const except = sealOfKey(this.#keys.held.current.id);
      const { counts, bodies, next } = await this.#backend.walk({ after, limit, except });
      const looked = counts.reduce((sum, { count }) => sum + count, 0);
      const { resealed, faults } = await this.#resealed(bodies);
      const replaced = resealed.length === 0 ? 0 : await this.#backend.replaceBodies(resealed);
      if (replaced !== 'seal-outdated') return { looked, resealed: replaced, faults, next };
      await this.#keys.refresh();
    }
    throw new StorageFault('the key-encryption key of the store changes faster than this process can follow');
  }

  async #resealed(
    bodies: readonly BackendBody[],
  ): Promise<{ resealed: BackendBody[]; faults: StorageFault[] }> {
    const resealed: BackendBody[] = [];
    const faults: StorageFault[] = [];
    for (const body of bodies) {
      try {
        resealed.push({ ...body, body: await this.#resealedBody(body) });
      } catch (fault) {
        if (!(fault instanceof StorageFault)) throw fault;
        faults.push(fault);
      }
    }
    return { resealed, faults };
  }

  async #resealedBody(sealed: BackendBody): Promise<Buffer> {
    const { sealer } = this.#keys;
    const context = contextOf(sealed);
    try {
      return sealer.seal(context, sealer.open(context, sealed.body));
    } catch (fault) {
      if (!(fault instanceof MissingKeyFault)) throw fault;
      await this.#keys.lookForKeys();
      return sealer.seal(context, sealer.open(context, sealed.body));
    }
  }
}

const ATTEMPTS_MAX = 5;

function contextOf(sealed: BackendBody): Buffer | string {
  if (sealed.in === 'log') {
    const { log, removed } = sealed;
    return removed === null ? logContext(log) : recordContext(removed.kind, removed.key);
  }
  const { kind, key } = sealed;
  if (kind === ROOT_KIND) return ROOT_CONTEXT;
  if (kind === REGISTER_KIND) return REGISTER_CONTEXT;
  return recordContext(kind, key);
}
