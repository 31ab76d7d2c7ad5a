import { createHash, timingSafeEqual } from 'node:crypto';
import type { GrantType } from '#src/clients/client.ts';
import type { ProfileName } from '#src/clients/profile.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { newCredential, type Random } from '#src/random.ts';
import { changeRecord, everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { Secret } from '#src/secret.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** What an administrator hands out so that clients may register themselves: RFC 7591 section 1.2. */
export interface InitialAccessToken {
  /** Names it to people; the token itself is not kept. */
  readonly id: string;
  readonly uses: number;
  readonly usesLeft: number;
  readonly allowance: Allowance;
  readonly createdAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

/** What clients that come with a token may have beside what everybody may. */
export interface Allowance {
  readonly scope: readonly string[];
  readonly grantTypes: readonly GrantType[];
  /** The rules that they are held to. */
  readonly profile: ProfileName | null;
}

export const INITIAL_ACCESS_TOKEN_USES_MAX = 10_000;

/** Enough that two never meet by chance, and short enough to be typed. */
const ID_CHARS = 16;

type TokenRecords = Pick<Records, 'find' | 'put' | 'remove' | 'list'>;

/** The initial access tokens in the store, each kept as a digest of its text. */
export class InitialAccessTokens {
  readonly #records: TokenRecords;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: { records: TokenRecords; clock: Clock; random: Random }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** Makes a token, which is shown this once. */
  async add(described: {
    readonly uses: number;
    readonly lifetime: Seconds;
    readonly allowance: Allowance;
  }): Promise<{ readonly token: InitialAccessToken; readonly text: Secret }> {
    const { uses, lifetime, allowance } = described;
    const text = newCredential(this.#random, 'keyturn_iat_');
    const digest = digestOf(text);
    const createdAt = this.#clock.now();
    const expiresAt = after(createdAt, lifetime);
    const token = { id: idOf(digest), uses, usesLeft: uses, allowance, createdAt, expiresAt };
    await this.#records.put<KeptToken>({ ...recordOf({ token, digest }), onlyIf: 'absent' });
    return { token, text: new Secret(text) };
  }

  /** The token with this text; `null` if there is none, if it has expired, or if all its uses are used. */
  async find(text: string): Promise<InitialAccessToken | null> {
    const digest = digestOf(text);
    const kept = (await this.#records.find<KeptToken>(KIND, idOf(digest)))?.value;
    if (kept === undefined || kept.token.usesLeft === 0) return null;
    return timingSafeEqual(Buffer.from(kept.digest), Buffer.from(digest)) ? kept.token : null;
  }

  /**
   * Uses a token once: of any number of calls as many succeed as it has uses.
   * @throws Refusal `invalid_token` if it has none left, or is gone.
   */
  async use(id: string): Promise<void> {
    await changeRecord<KeptToken>(this.#records, { kind: KIND, id }, (kept) => {
      if (kept === null || kept.token.usesLeft === 0)
        throw new Refusal('invalid_token', 'the initial access token has been used up');
      const { token, digest } = kept;
      return recordOf({ token: { ...token, usesLeft: token.usesLeft - 1 }, digest });
    });
  }

  /** True if there was such a token. Clients that it let in stay. */
  revoke(id: string): Promise<boolean> {
    return this.#records.remove(KIND, id);
  }

  /** Every token that has not expired, used up or not. */
  async *list(): AsyncGenerator<InitialAccessToken> {
    for await (const { token } of everyValue<KeptToken>(this.#records, KIND)) yield token;
  }
}

export interface KeptToken {
  readonly token: InitialAccessToken;
  /** SHA-256; the text has 256 random bits, so nobody finds it from that. */
  readonly digest: string;
}

const KIND = 'registration-token';

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');

const idOf = (digest: string) => digest.slice(0, ID_CHARS);

function recordOf(kept: KeptToken) {
  const { id, expiresAt } = kept.token;
  return { kind: KIND, id, value: kept, expiresAt } as const;
}
