/** Units of time and size, so that a number can say what it counts. */

declare const unit: unique symbol;

/** A length of time in whole seconds. */
export type Seconds = number & { readonly [unit]: 'seconds' };

/** A point in time: whole seconds since 1970-01-01T00:00:00Z, as in a JWT's NumericDate (RFC 7519 section 2). */
export type EpochSeconds = number & { readonly [unit]: 'epoch-seconds' };

export const seconds = (count: number): Seconds => count as Seconds;
export const minutes = (count: number): Seconds => (count * 60) as Seconds;
export const hours = (count: number): Seconds => (count * 3600) as Seconds;
export const days = (count: number): Seconds => (count * 86_400) as Seconds;

export const epochSeconds = (value: number): EpochSeconds => value as EpochSeconds;

/** The point in time `length` after `start`. */
export const after = (start: EpochSeconds, length: Seconds): EpochSeconds => (start + length) as EpochSeconds;

/** How long it is from `start` to `end`; negative when `end` lies before `start`. */
export const between = (start: EpochSeconds, end: EpochSeconds): Seconds => (end - start) as Seconds;
