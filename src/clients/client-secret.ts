import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import { newCredential, type Random } from '#src/random.ts';
import { Recent } from '#src/recent.ts';
import { Secret } from '#src/secret.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * A client secret as it is kept: a keyed digest, from which the secret cannot be had back. Secrets are generated with
 * 256 random bits, so a fast digest is enough; a slow one would only make the token endpoint slow.
 */
export interface ClientSecret {
  readonly id: string;
  readonly digest: string;
  /** Kept only where the text itself is computed with: for signatures by it, and for answers encrypted by it. */
  readonly text?: string;
  readonly createdAt: EpochSeconds;
}

/** Two, so that a new secret can be rolled out to every place before the old one goes. */
export const LIVE_SECRETS_MAX = 2;

/** Some three hundred bytes each. */
const SHOWN_SECRETS_MAX = 2048;

/** Makes and checks client secrets. `digestKey` is this deployment's own; a digest is worth nothing elsewhere. */
export class ClientSecrets {
  readonly #digestKey: KeyObject;
  readonly #clock: Clock;
  readonly #random: Random;
  /**
   * Digests of secrets that were shown and right, by another digest of them that costs a fifth and is worth nothing
   * outside this process.
   */
  readonly #shown = new Recent<string, Buffer>(SHOWN_SECRETS_MAX);
  readonly #shownSalt: string;

  constructor(options: { digestKey: Buffer; clock: Clock; random: Random }) {
    // Given bytes, each HMAC would make a key of them first, at five times the cost.
    this.#digestKey = createSecretKey(options.digestKey);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#shownSalt = options.random.bytes(32).toString('base64url');
  }

  /** A new secret: the text to show once, and what to keep. */
  create({ keepText }: { keepText: boolean }): { shown: Secret; kept: ClientSecret } {
    return this.#made(newCredential(this.#random, 'keyturn_cs_'), keepText);
  }

  /** A new token by which a client manages its own registration: RFC 7592 section 3. Checked as secrets are. */
  createRegistrationAccessToken(): { shown: Secret; kept: ClientSecret } {
    return this.#made(newCredential(this.#random, 'keyturn_rat_'), false);
  }

  #made(text: string, keepText: boolean): { shown: Secret; kept: ClientSecret } {
    const kept = {
      id: this.#random.bytes(6).toString('hex'),
      digest: this.#digest(text).toString('base64url'),
      createdAt: this.#clock.now(),
      ...(keepText ? { text } : undefined),
    };
    return { shown: new Secret(text), kept };
  }

  /** True if `presented` is one of the secrets. Takes the same time whichever it is, and however much of it is right. */
  matches(secrets: readonly ClientSecret[], presented: string): boolean {
    return this.matching(secrets, presented) !== null;
  }

  /** The secret that `presented` is, or `null`. Takes the same time whichever it is, and however much of it is right. */
  matching(secrets: readonly ClientSecret[], presented: string): ClientSecret | null {
    const shownAs = hash('sha256', this.#shownSalt + presented, 'binary');
    const digest = this.#shown.get(shownAs) ?? this.#digest(presented);
    let matching: ClientSecret | null = null;
    for (const secret of secrets) {
      if (timingSafeEqual(digest, Buffer.from(secret.digest, 'base64url'))) matching = secret;
    }
    if (matching !== null) this.#shown.set(shownAs, digest);
    return matching;
  }

  #digest(text: string): Buffer {
    return createHmac('sha256', this.#digestKey).update(text).digest();
  }
}

/** The secrets after a roll: the new one and the one before it. Whatever was older has ended. */
export function rolledSecrets(
  secrets: readonly ClientSecret[],
  added: ClientSecret,
): readonly ClientSecret[] {
  return [...secrets, added].slice(-LIVE_SECRETS_MAX);
}

/** The secrets with only the newest left: the end of a roll. */
export function newestSecret(secrets: readonly ClientSecret[]): readonly ClientSecret[] {
  return secrets.slice(-1);
}
