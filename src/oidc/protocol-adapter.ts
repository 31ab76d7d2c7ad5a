import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { PendingRequestAdapter } from '#src/oidc/pending-request-adapter.ts';
import { storedPayload } from '#src/oidc/stored-payload.ts';
import type { RecordKind, Records } from '#src/records.ts';
import { type Authorizations, authorizationGroup, sessionGroup } from '#src/tokens/authorization.ts';
import { after, type Seconds, seconds } from '#src/units.ts';

/** Which kind of record each of the library's models becomes. What is not named here is of kind `protocol`. */
const KINDS: Readonly<Record<string, RecordKind>> = {
  AccessToken: 'opaque-access-token',
  AuthorizationCode: 'authorization-code',
  ClientCredentials: 'opaque-client-credentials',
  Interaction: 'interaction',
  Session: 'session',
};

/** Those of them that wait for a person to decide. */
const PENDING_KINDS: Readonly<Record<string, RecordKind>> = {
  BackchannelAuthenticationRequest: 'backchannel-request',
  DeviceCode: 'device-code',
};

/** The library's store of short-lived protocol state, on top of the storage contract. */
export function protocolAdapter(deps: {
  records: Records;
  clock: Clock;
  authorizations: Authorizations;
  lifetimes: { readonly interaction: Seconds };
}): (model: string) => Adapter {
  return (model) => {
    if (model === 'Grant') return new GrantAdapter(deps.authorizations);
    const pending = PENDING_KINDS[model];
    if (pending !== undefined) return new PendingRequestAdapter({ ...deps, kind: pending });
    return new RecordAdapter({ ...deps, model });
  };
}

class RecordAdapter implements Adapter {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #model: string;
  readonly #kind: RecordKind;
  readonly #interactionLifetime: Seconds;

  constructor({
    records,
    clock,
    model,
    lifetimes,
  }: {
    records: Records;
    clock: Clock;
    model: string;
    lifetimes: { interaction: Seconds };
  }) {
    this.#records = records;
    this.#interactionLifetime = lifetimes.interaction;
    this.#clock = clock;
    this.#model = model;
    this.#kind = KINDS[model] ?? 'protocol';
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { uid } = payload;
    const group = this.#group(payload);
    const record = {
      kind: this.#kind,
      id: this.#id(id),
      value: payload,
      expiresAt: expiresIn === undefined ? null : after(this.#clock.now(), this.#kept(expiresIn)),
      ...(group === undefined ? undefined : { group }),
      ...(this.#kind === 'session' && payload.accountId !== undefined
        ? { owner: payload.accountId }
        : undefined),
    };
    const aliases = uid === undefined ? [] : [`uid:${uid}`];
    let { outcome } = await this.#records.put<AdapterPayload>({ ...record, aliases });
    if (outcome === 'alias-taken' && this.#kind === 'session') {
      // A request that began before the session changed its identifier saves it under the old one. The uid keeps
      // leading to the session as it is now.
      ({ outcome } = await this.#records.put<AdapterPayload>(record));
    }
    // A request that began before the person signed out saves the session as it ends: it stays signed out.
    if (outcome === 'group-ended' && this.#kind === 'session') return;
    if (outcome === 'group-ended') throw new errors.InvalidGrant('the authorization has been ended');
    if (outcome !== 'stored') throw new Error(`the store refused a ${this.#model}: ${outcome}`);
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return storedPayload(await this.#records.find<AdapterPayload>(this.#kind, this.#id(id)));
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return storedPayload(await this.#records.findByAlias<AdapterPayload>(this.#kind, `uid:${uid}`));
  }

  async findByUserCode(): Promise<undefined> {}

  /** Exactly one of any number of simultaneous calls returns; for the others the grant is refused. */
  async consume(id: string): Promise<void> {
    const outcome = await this.#records.consume(this.#kind, this.#id(id));
    if (outcome !== 'consumed') throw new errors.InvalidGrant(`${this.#model} ${outcome}`);
  }

  async destroy(id: string): Promise<void> {
    await this.#records.remove(this.#kind, this.#id(id));
  }

  /** Nothing to do: what belongs to an authorization is a group of the store, and ends with the authorization. */
  async revokeByGrantId(): Promise<void> {}

  /**
   * A pushed request that has been used must be known as used for as long as the interaction that it began may still
   * come to use it again: RFC 9126 section 4. The library sees to it itself that it begins nothing after its time.
   */
  #kept(expiresIn: number): Seconds {
    const longer = this.#model === 'PushedAuthorizationRequest' ? this.#interactionLifetime : 0;
    return seconds(Math.ceil(expiresIn) + longer);
  }

  /** What a record ends together with. */
  #group({ grantId, uid }: AdapterPayload): string | undefined {
    if (this.#kind === 'session') return uid === undefined ? undefined : sessionGroup(uid);
    // The grant of an interaction has been opened by no code yet, and the next answer may be somebody else's.
    if (this.#kind === 'interaction') return undefined;
    return grantId === undefined ? undefined : authorizationGroup(grantId);
  }

  /** Kinds that share `protocol` must not meet under one identifier. */
  #id(id: string): string {
    return this.#kind === 'protocol' ? `${this.#model}:${id}` : id;
  }
}

/** The library's grants are the authorizations of `tokens/`; they are opened with what carries them, such as a code. */
class GrantAdapter implements Adapter {
  readonly #authorizations: Authorizations;

  constructor(authorizations: Authorizations) {
    this.#authorizations = authorizations;
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const authorization = await this.#authorizations.find(id);
    return authorization === null ? undefined : (authorization.grant as AdapterPayload);
  }

  async destroy(id: string): Promise<void> {
    await this.#authorizations.end(id);
  }

  async revokeByGrantId(id: string): Promise<void> {
    await this.#authorizations.end(id);
  }

  upsert(): Promise<never> {
    return unsupported();
  }

  consume(): Promise<never> {
    return unsupported();
  }

  findByUid(): Promise<never> {
    return unsupported();
  }

  findByUserCode(): Promise<never> {
    return unsupported();
  }
}

async function unsupported(): Promise<never> {
  throw new Error('a grant is opened by the code that carries it');
}
