import { Refusal } from '#src/fault.ts';
import { isKeyEncryptionKeyId } from '#src/sealing/key-encryption-keys.ts';
import { STREAM_SALT_BYTES } from '#src/storage/backup/sealed-stream.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** What a backup says in clear, in its first line: which keys it needs, and when and by which program it was made. */
export interface BackupHeader {
  /** The key-encryption key that the file is sealed under. */
  readonly kek: string;
  /** Those that the store may have been sealed under when it was begun. */
  readonly keks: readonly string[];
  readonly salt: Buffer;
  readonly madeAt: EpochSeconds;
  /** The version of the program. */
  readonly program: string;
}

/** Grows when an older program could not read what a newer one writes. */
const FORMAT = 1;

export function writtenHeader({ kek, keks, salt, madeAt, program }: BackupHeader): Buffer {
  const json = JSON.stringify({ kek, keks, salt: salt.toString('base64url'), made_at: madeAt, program });
  return Buffer.from(`keyturn-backup ${FORMAT} ${json}\n`);
}

export interface ReadHeader {
  readonly header: BackupHeader;
  /** As they stand in the file. */
  readonly bytes: Buffer;
}

/** Takes the first line from the beginning of a file. @throws Refusal `not_a_backup`, `backup_newer` */
export function readHeader(beginning: Buffer): ReadHeader {
  const end = beginning.indexOf('\n');
  const bytes = beginning.subarray(0, end + 1);
  const [, format, json = ''] = /^keyturn-backup (\d{1,6}) (\{.*\})\n$/.exec(bytes.toString('latin1')) ?? [];
  if (format === undefined) throw new Refusal('not_a_backup', 'This is no backup of Keyturn.');
  if (Number(format) > FORMAT) {
    throw new Refusal(
      'backup_newer',
      `The backup has format ${format}, and this program knows formats up to ${FORMAT}. Use the Keyturn that made it.`,
    );
  }
  const header = headerFrom(json);
  if (header === null) throw new Refusal('backup_damaged', 'The first line of the backup was changed.');
  return { header, bytes };
}

/** The longest first line, in bytes. */
export const HEADER_BYTES_MAX = 16 * 1024;

function headerFrom(json: string): BackupHeader | null {
  const { kek, keks, salt, made_at: madeAt, program } = parsed(json);
  if (typeof kek !== 'string' || !isKeyEncryptionKeyId(kek)) return null;
  if (!Array.isArray(keks) || !keks.every((id) => typeof id === 'string' && isKeyEncryptionKeyId(id)))
    return null;
  if (typeof salt !== 'string' || typeof program !== 'string' || !Number.isSafeInteger(madeAt)) return null;
  const bytes = Buffer.from(salt, 'base64url');
  if (bytes.length !== STREAM_SALT_BYTES) return null;
  return { kek, keks, salt: bytes, madeAt: epochSeconds(Number(madeAt)), program };
}

function parsed(json: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return {};
  }
}
