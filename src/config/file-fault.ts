/** What the codes of the operating system mean to an operator. Others are shown as they are. */
const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read the file',
  EISDIR: 'that is a folder, not a file',
};

/** Why a file could not be read, in words that continue a sentence about it. */
export function describeFileFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'for an unknown reason';
  return `cannot be read: ${MEANINGS[code] ?? code}`;
}
