import { type DerElement, readDer, readObjectIdentifier, readText } from '#src/clients/der.ts';

/** The parts of a name from the root on, each one attribute or several of equal rank. */
export type DistinguishedName = readonly (readonly NameAttribute[])[];

interface NameAttribute {
  /** An object identifier with dots. */
  readonly type: string;
  /** Its text or, for what is no text, `#` and its DER in hexadecimal digits. */
  readonly value: string;
}

/** RFC 4514 section 3, RFC 4519, and the names under which certificates are commonly shown. */
const TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    cn: '2.5.4.3',
    commonname: '2.5.4.3',
    sn: '2.5.4.4',
    surname: '2.5.4.4',
    serialnumber: '2.5.4.5',
    c: '2.5.4.6',
    countryname: '2.5.4.6',
    l: '2.5.4.7',
    localityname: '2.5.4.7',
    st: '2.5.4.8',
    stateorprovincename: '2.5.4.8',
    street: '2.5.4.9',
    o: '2.5.4.10',
    organizationname: '2.5.4.10',
    ou: '2.5.4.11',
    organizationalunitname: '2.5.4.11',
    title: '2.5.4.12',
    businesscategory: '2.5.4.15',
    postalcode: '2.5.4.17',
    givenname: '2.5.4.42',
    gn: '2.5.4.42',
    dnqualifier: '2.5.4.46',
    pseudonym: '2.5.4.65',
    organizationidentifier: '2.5.4.97',
    uid: '0.9.2342.19200300.100.1.1',
    userid: '0.9.2342.19200300.100.1.1',
    dc: '0.9.2342.19200300.100.1.25',
    domaincomponent: '0.9.2342.19200300.100.1.25',
    emailaddress: '1.2.840.113549.1.9.1',
    jurisdictionc: '1.3.6.1.4.1.311.60.2.1.3',
    jurisdictioncountryname: '1.3.6.1.4.1.311.60.2.1.3',
  }),
);

/**
 * Reads a name that is written as RFC 4514 says, with the spaces around separators that RFC 2253 let pass.
 * @throws SyntaxError that says what is wrong.
 */
export function parseDistinguishedName(text: string): DistinguishedName {
  const parts: NameAttribute[][] = [[]];
  let rest = text.trimStart();
  if (rest === '') throw new SyntaxError('it is empty');
  for (;;) {
    const [before = '', type = ''] =
      /^([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= */.exec(rest)?.slice(0, 2) ?? [];
    const identifier = /^\d/.test(type) ? type : TYPES.get(type.toLowerCase());
    if (before === '') throw new SyntaxError(`an attribute and "=" belong before ${JSON.stringify(rest)}`);
    if (identifier === undefined) throw new SyntaxError(`${type} is not known; write its object identifier`);
    const { value, length } = readValue(rest.slice(before.length));
    parts.at(-1)?.push({ type: identifier, value });
    rest = rest.slice(before.length + length);
    if (rest === '') return parts.toReversed();
    if (rest.startsWith(',')) parts.push([]);
    rest = rest.slice(1).trimStart();
  }
}

/** The name in a certificate: RFC 5280 section 4.1.2.4. */
export function readDistinguishedName({ content }: DerElement): DistinguishedName {
  return readDer(content).map((part) =>
    readDer(part.content).map((attribute) => {
      const [type, value] = readDer(attribute.content);
      if (type === undefined || value === undefined)
        throw new RangeError('an attribute has a type and a value');
      return { type: readObjectIdentifier(type), value: readText(value) ?? hexadecimal(value) };
    }),
  );
}

/**
 * True if two names are the same: part by part, in whatever order the attributes of one part are written, without
 * regard to case, composition and the number of spaces. RFC 5280 section 7.1, RFC 4518.
 */
export function areSameName(one: DistinguishedName, other: DistinguishedName): boolean {
  return canonical(one) === canonical(other);
}

function canonical(name: DistinguishedName): string {
  const attribute = ({ type, value }: NameAttribute) =>
    JSON.stringify([type, value.normalize('NFKC').toLowerCase().trim().replaceAll(/\s+/g, ' ')]);
  return JSON.stringify(name.map((part) => part.map(attribute).sort()));
}

/** One character of a value that is not escaped, or an escape: RFC 4514 section 2.4. */
const PIECE = /\\([0-9A-Fa-f]{2})|\\([ "#+,;<=>\\])|([^"+,;<>\\\0]+)/y;

function readValue(text: string): { value: string; length: number } {
  const [hex] = /^#(?:[0-9A-Fa-f]{2})+/.exec(text) ?? [];
  if (hex !== undefined) return { value: valueOfHex(hex), length: hex.length + endsAfter(text, hex.length) };
  const pieces: Buffer[] = [];
  // Spaces at the end count only where they are escaped.
  let kept = 0;
  PIECE.lastIndex = 0;
  let length = 0;
  for (let match = PIECE.exec(text); match !== null; match = PIECE.exec(text)) {
    const [, byte, character, plain] = match;
    pieces.push(byte === undefined ? Buffer.from(character ?? plain ?? '') : Buffer.from(byte, 'hex'));
    const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
    kept = plain === undefined ? total : total - (/ *$/.exec(plain)?.[0].length ?? 0);
    length = PIECE.lastIndex;
  }
  const value = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces).subarray(0, kept));
  return { value, length: length + endsAfter(text, length) };
}

/** How many spaces stand between a value and the separator behind it, which there must be unless the text ends. */
function endsAfter(text: string, at: number): number {
  const [spaces = ''] = /^ */.exec(text.slice(at)) ?? [];
  const next = text[at + spaces.length];
  if (next !== undefined && next !== ',' && next !== '+')
    throw new SyntaxError(`${JSON.stringify(next)} is not escaped`);
  return spaces.length;
}

function valueOfHex(hex: string): string {
  const [element, ...others] = readDer(Buffer.from(hex.slice(1), 'hex'));
  if (element === undefined || others.length > 0)
    throw new SyntaxError('after # stands the DER of one value');
  return readText(element) ?? hexadecimal(element);
}

function hexadecimal({ tag, content }: DerElement): string {
  return `#${Buffer.from([tag]).toString('hex')}:${content.toString('hex')}`;
}
