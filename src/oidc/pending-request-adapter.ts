import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { storedPayload } from '#src/oidc/stored-payload.ts';
import type { RecordKind, Records } from '#src/records.ts';
import { authorizationGroup } from '#src/tokens/authorization.ts';
import { after, minutes, seconds } from '#src/units.ts';

/**
 * What a client waits for while a person decides. A person takes it up (`claimed`, where it has a code to be entered),
 * and approves or refuses it, once.
 */
type Stage = 'waiting' | 'claimed' | 'approved' | 'refused';

/** Whoever comes second is told so: two browsers with one code, or a person who answers twice. */
export class DecidedAlready extends errors.InvalidGrant {
  constructor() {
    super('it has been used already');
  }
}

/** A client that asks after the end is still told that it has expired, and not that there never was such a thing. */
const EXPIRED_TOLD_FOR = minutes(5);

/**
 * The library's store of device codes and of backchannel authentication requests. The library reads a record, decides,
 * and writes it whole; here the write happens only if the record is still in a stage that it may go on from.
 */
export class PendingRequestAdapter implements Adapter {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #kind: RecordKind;

  constructor(options: { records: Records; clock: Clock; kind: RecordKind }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#kind = options.kind;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const { accountId, grantId, userCode, uid } = payload;
    const aliases = [];
    if (userCode !== undefined) aliases.push(userCodeAlias(userCode));
    if (uid !== undefined) aliases.push(uidAlias(uid));
    const current = await this.#records.find<AdapterPayload>(this.#kind, id);
    if (current !== null && (current.consumedAt !== null || !mayBecome(current.value, payload))) {
      throw new DecidedAlready();
    }
    const { outcome } = await this.#records.put<AdapterPayload>({
      kind: this.#kind,
      id,
      value: payload,
      expiresAt: after(this.#clock.now(), seconds(Math.ceil(expiresIn) + EXPIRED_TOLD_FOR)),
      onlyIf: current === null ? 'absent' : { version: current.version },
      aliases,
      ...(accountId === undefined ? undefined : { owner: accountId }),
      ...(grantId === undefined ? undefined : { group: authorizationGroup(grantId) }),
    });
    // Someone else has decided between the reading and the writing.
    if (outcome === 'stale') throw new DecidedAlready();
    if (outcome === 'group-ended') throw new errors.InvalidGrant('the authorization has been ended');
    // Two of the codes that live at the same time are hardly ever the same, and the device asks again.
    if (outcome === 'alias-taken') throw new errors.TemporarilyUnavailable('please ask again');
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return storedPayload(await this.#records.find<AdapterPayload>(this.#kind, id));
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return storedPayload(
      await this.#records.findByAlias<AdapterPayload>(this.#kind, userCodeAlias(userCode)),
    );
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return storedPayload(await this.#records.findByAlias<AdapterPayload>(this.#kind, uidAlias(uid)));
  }

  /** Exactly one of any number of simultaneous calls returns; for the others the grant is refused. */
  async consume(id: string): Promise<void> {
    const outcome = await this.#records.consume(this.#kind, id);
    if (outcome !== 'consumed') throw new errors.InvalidGrant(`${this.#kind} ${outcome}`);
  }

  async destroy(id: string): Promise<void> {
    await this.#records.remove(this.#kind, id);
  }

  /** Nothing to do: what belongs to an authorization is a group of the store, and ends with the authorization. */
  async revokeByGrantId(): Promise<void> {}
}

/** True while nobody has decided. */
export function isUndecided(payload: Pick<AdapterPayload, 'error' | 'grantId'>): boolean {
  return payload.error === undefined && payload.grantId === undefined;
}

function stageOf(payload: AdapterPayload): Stage {
  if (payload.error !== undefined) return 'refused';
  if (payload.grantId !== undefined) return 'approved';
  return payload.inFlight === true ? 'claimed' : 'waiting';
}

function mayBecome(before: AdapterPayload, after: AdapterPayload): boolean {
  const [from, to] = [stageOf(before), stageOf(after)];
  return isUndecided(before) && from !== to && to !== 'waiting';
}

const userCodeAlias = (userCode: string) => `user-code:${userCode}`;

const uidAlias = (uid: string) => `uid:${uid}`;
