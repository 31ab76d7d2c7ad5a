/**
 * True if the reader holds the current version, by `If-None-Match`: RFC 9110 section 13.1.2. Said here because Koa's
 * `fresh` looks away when the request also says `no-cache`, as every script that revalidates does.
 */
export function isHeld(ifNoneMatch: string, etag: string): boolean {
  if (ifNoneMatch === '') return false;
  if (ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
