/**
 * What a key in a token is known by in the ring: its label, and whether it was made here. One that was made here is
 * removed when nothing needs it any more; one that somebody brought is theirs.
 */
export type KeyHandle = `made:${string}` | `brought:${string}`;

export const madeHere = (label: string): KeyHandle => `made:${label}`;
export const brought = (label: string): KeyHandle => `brought:${label}`;

export const labelOf = (handle: string): string => handle.slice(handle.indexOf(':') + 1);
export const isMadeHere = (handle: string): boolean => handle.startsWith('made:');
