/** The value in the middle, or halfway between the two that are. @throws RangeError for no values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values have no median');
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/**
 * The smallest value that at least `percent` of all values do not exceed (nearest rank), so that it is one that was
 * measured. @throws RangeError for no values, and for a percentage outside of 0 to 100
 */
export function percentile(values: readonly number[] | Float64Array, percent: number): number {
  if (values.length === 0) throw new RangeError('no values have no percentile');
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`${percent} is no percentage`);
  const sorted = Float64Array.from(values).sort();
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] as number;
}

/** How fast something changes with time: the slope of the straight line that fits the points best, per unit of x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const { length } = points;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / length;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return 0;
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}
