import { type Attribute, ulong } from '#src/pkcs11/cryptoki.ts';

/** The attributes of objects that are asked for or set: PKCS#11 2.40 section 4. */
export const CKA = {
  class: 0x000,
  token: 0x001,
  private: 0x002,
  label: 0x003,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  encrypt: 0x104,
  decrypt: 0x105,
  wrap: 0x106,
  unwrap: 0x107,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export const CKO = { publicKey: 2, privateKey: 3 } as const;

export type AttributeName = keyof typeof CKA;

/** Attributes by their names: numbers are CK_ULONG, booleans CK_BBOOL, texts UTF-8. */
export function attributes(
  values: Partial<Record<AttributeName, number | boolean | string | Buffer>>,
): readonly Attribute[] {
  return Object.entries(values).map(([name, value]) => ({
    type: CKA[name as AttributeName],
    value: encoded(value),
  }));
}

function encoded(value: number | boolean | string | Buffer): Buffer {
  if (typeof value === 'number') return ulong(value);
  if (typeof value === 'boolean') return Buffer.from([value ? 1 : 0]);
  return typeof value === 'string' ? Buffer.from(value) : value;
}
