import { setTimeout } from 'node:timers/promises';
import { type RasterType, rasterTypeOf } from '#src/clients/raster-image.ts';
import type { Clock } from '#src/clock.ts';
import { Recent } from '#src/recent.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** The logo of a client, as it can be shown. */
export interface Logo {
  readonly type: RasterType;
  readonly bytes: Buffer;
}

export interface ClientLogosOptions {
  readonly clock: Clock;
  /** False where no logo is fetched, nor shown. */
  readonly shown: boolean;
  /** The most pixels on a side. */
  readonly pixelsMax: number;
  /** How long a logo is shown before it is fetched again. */
  readonly keptFor: Seconds;
  /** How long after one could not be had the next try is made. */
  readonly retryAfter: Seconds;
  /** How many are kept. */
  readonly logosMax: number;
  /** How long a page waits for one. */
  readonly waitMax: Seconds;
  /** Fetches what lies under an address, within the limits of outgoing calls. Throws where it cannot. */
  fetch(uri: string): Promise<Buffer>;
  /** Counts a fetch on behalf of the address that asks. @throws Refusal */
  admit(address: string): Promise<void>;
  /** Told why a logo is not shown. */
  readonly onUnavailable: (uri: string, reason: unknown) => void;
}

/** So many servers may be slow at the same time before others are not asked. */
const FETCHES_AT_ONCE_MAX = 16;

interface Held {
  readonly logo: Promise<Logo | null>;
  /** When it is to be fetched again. */
  until: EpochSeconds;
}

/**
 * The logos of clients: RFC 7591 section 2, `logo_uri`. This server fetches them, and not the browser of whoever is asked
 * to sign in, so that no client learns who sees its logo, when, and from where. Fetched once for however many ask, and
 * kept for a while, as is that one could not be had.
 */
export class ClientLogos {
  readonly #options: ClientLogosOptions;
  readonly #held: Recent<string, Held>;
  #fetching = 0;

  constructor(options: ClientLogosOptions) {
    this.#options = options;
    this.#held = new Recent(options.logosMax);
  }

  /** The logo under an address, on behalf of whoever asks; `null` if there is none that can be shown. */
  async find(uri: string, address: string): Promise<Logo | null> {
    const { clock, shown, retryAfter } = this.#options;
    if (!shown) return null;
    const held = this.#held.get(uri);
    if (held !== undefined && clock.now() < held.until) return held.logo;
    if (this.#fetching >= FETCHES_AT_ONCE_MAX) return null;
    const next = { logo: this.#fetch(uri, address), until: after(clock.now(), retryAfter) };
    this.#held.set(uri, next);
    const logo = await next.logo;
    if (logo !== null) next.until = after(clock.now(), this.#options.keptFor);
    return logo;
  }

  /** True if the logo is here, or comes within the time that a page waits. */
  async isAtHand(uri: string, address: string): Promise<boolean> {
    const wait = setTimeout(this.#options.waitMax * 1000, null, { ref: false });
    return (await Promise.race([this.find(uri, address), wait])) !== null;
  }

  async #fetch(uri: string, address: string): Promise<Logo | null> {
    const { admit, fetch, pixelsMax, onUnavailable } = this.#options;
    this.#fetching += 1;
    try {
      await admit(address);
      const bytes = await fetch(uri);
      const type = rasterTypeOf(bytes, pixelsMax);
      if (type === null)
        throw new Error(`no PNG, JPEG or WebP that stands still, of ${pixelsMax} pixels at most`);
      return { type, bytes };
    } catch (reason) {
      onUnavailable(uri, reason);
      return null;
    } finally {
      this.#fetching -= 1;
    }
  }
}
