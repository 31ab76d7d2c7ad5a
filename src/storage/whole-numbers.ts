/** A fraction, or NaN, would reach a database as something else than a point in time: as `never`, for one. */
export function assertWhole(name: string, value: number): void {
  if (!Number.isSafeInteger(value)) {
    throw new TypeError(`${name} must be a whole number of seconds, not ${value}`);
  }
}

/** For limits and windows. */
export function assertCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new TypeError(`${name} must be a whole number above zero, not ${value}`);
  }
}
