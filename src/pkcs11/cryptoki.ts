import { platform } from 'node:os';
import koffi, { type LibraryHandle } from 'koffi';
import { CryptokiError } from '#src/pkcs11/cryptoki-error.ts';

/**
 * The functions of a PKCS#11 module that signing needs, as the standard's C interface has them (OASIS PKCS#11 2.40, and
 * 3.0 for Edwards curves). Every call blocks until the token has answered, so this runs in a process of its own.
 * What a module refuses is thrown as `CryptokiError`.
 */
export interface Cryptoki {
  /** Section 5.4: before anything else, and once. */
  initialize(): void;
  /** Ends every session of this process, and forgets every handle. */
  finalize(): void;
  /** The slots with a token in them. */
  slots(): readonly number[];
  tokenInfo(slot: number): TokenInfo;
  mechanisms(slot: number): ReadonlySet<number>;
  /** A session that may write. */
  openSession(slot: number): number;
  login(session: number, pin: string): void;
  /** Every object that has all of these attributes. */
  find(session: number, template: readonly Attribute[]): readonly number[];
  /** The value of an attribute; `null` if the object has none, or does not show it. */
  attribute(session: number, object: number, type: number): Buffer | null;
  generateKeyPair(
    session: number,
    mechanism: Mechanism,
    templates: { readonly publicKey: readonly Attribute[]; readonly privateKey: readonly Attribute[] },
  ): { readonly publicKey: number; readonly privateKey: number };
  /** The signature over `data`, in one part. */
  sign(session: number, mechanism: Mechanism, privateKey: number, data: Buffer): Buffer;
  destroy(session: number, object: number): void;
}

export interface Attribute {
  readonly type: number;
  readonly value: Buffer;
}

export interface Mechanism {
  readonly type: number;
  readonly parameter?: Buffer;
}

export interface TokenInfo {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serialNumber: string;
  readonly flags: number;
}

/** The largest signature that is expected, that of an RSA key of 8192 bits. In bytes. */
const SIGNATURE_BYTES_MAX = 1024;

const FOUND_AT_ONCE = 256;

/** More than any public key has. */
const ATTRIBUTE_BYTES_MAX = 64 * 1024;

// The only platform whose modules are compiled with structures that have no gaps: PKCS#11 2.40 section 2.1.
const struct = platform() === 'win32' ? koffi.pack : koffi.struct;

const VOID_POINTER = 'void *';
const ULONG = 'unsigned long';
const ULONG_BYTES = koffi.sizeof(ULONG);

struct('CK_ATTRIBUTE', { type: ULONG, pValue: VOID_POINTER, ulValueLen: ULONG });
struct('CK_MECHANISM', { mechanism: ULONG, pParameter: VOID_POINTER, ulParameterLen: ULONG });
struct('CK_C_INITIALIZE_ARGS', {
  createMutex: VOID_POINTER,
  destroyMutex: VOID_POINTER,
  lockMutex: VOID_POINTER,
  unlockMutex: VOID_POINTER,
  flags: ULONG,
  reserved: VOID_POINTER,
});
struct('CK_VERSION', { major: 'uint8', minor: 'uint8' });
const text = (length: number) => koffi.array('uint8', length, 'Typed');
struct('CK_TOKEN_INFO', {
  label: text(32),
  manufacturerID: text(32),
  model: text(16),
  serialNumber: text(16),
  flags: ULONG,
  counts: koffi.array(ULONG, 10),
  hardwareVersion: 'CK_VERSION',
  firmwareVersion: 'CK_VERSION',
  utcTime: text(16),
});

/** The functions in use: where each stands in the list that `C_GetFunctionList` gives, and what it takes. */
const FUNCTIONS = {
  initialize: [0, 'CK_C_INITIALIZE_ARGS *'],
  finalize: [1, 'void *'],
  getSlotList: [4, 'uint8 present, void *slots, _Inout_ unsigned long *count'],
  getTokenInfo: [6, 'unsigned long slot, _Out_ CK_TOKEN_INFO *info'],
  getMechanismList: [7, 'unsigned long slot, void *mechanisms, _Inout_ unsigned long *count'],
  openSession: [
    12,
    'unsigned long slot, unsigned long flags, void *a, void *n, _Out_ unsigned long *session',
  ],
  login: [18, 'unsigned long session, unsigned long user, void *pin, unsigned long length'],
  destroyObject: [22, 'unsigned long session, unsigned long object'],
  getAttributeValue: [
    24,
    'unsigned long session, unsigned long object, _Inout_ CK_ATTRIBUTE *template, unsigned long count',
  ],
  findObjectsInit: [26, 'unsigned long session, CK_ATTRIBUTE *template, unsigned long count'],
  findObjects: [27, 'unsigned long session, void *objects, unsigned long max, _Out_ unsigned long *count'],
  findObjectsFinal: [28, 'unsigned long session'],
  signInit: [42, 'unsigned long session, CK_MECHANISM *mechanism, unsigned long key'],
  sign: [
    43,
    'unsigned long session, void *data, unsigned long length, void *signature, _Inout_ unsigned long *size',
  ],
  generateKeyPair: [
    59,
    'unsigned long session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public, unsigned long publics, ' +
      'CK_ATTRIBUTE *private, unsigned long privates, _Out_ unsigned long *publicKey, _Out_ unsigned long *privateKey',
  ],
} as const;

type FunctionName = keyof typeof FUNCTIONS;

/** Types have names, and each is made once. */
const SIGNATURES = Object.entries(FUNCTIONS).map(([name, [index, parameters]]) => {
  const standardName = `C_${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return { name, index, standardName, type: koffi.proto(`unsigned long ${standardName}(${parameters})`) };
});

/** How many functions the list of version 2.40 has. */
const FUNCTION_COUNT = 68;
const FUNCTION_LIST = struct('CK_FUNCTION_LIST', {
  version: 'CK_VERSION',
  functions: koffi.array(VOID_POINTER, FUNCTION_COUNT),
});

/** Calls a function of the module, and throws `CryptokiError` for every answer but CKR_OK. */
type Call = (name: FunctionName, ...args: readonly unknown[]) => void;

const OS_LOCKING = 0x2;
const SERIAL_SESSION = 0x4;
const RW_SESSION = 0x2;
const USER = 1;

/** Loads a module; `path` is that of its shared library. Throws what the system says if it cannot be loaded. */
export function loadCryptoki(path: string): Cryptoki {
  const call = functionsOf(path);
  return {
    initialize: () => call('initialize', { flags: OS_LOCKING }),
    finalize: () => call('finalize', null),
    slots: () => counted((list, count) => call('getSlotList', 1, list, count)),
    tokenInfo: (slot) => tokenInfo(call, slot),
    mechanisms: (slot) => new Set(counted((list, count) => call('getMechanismList', slot, list, count))),
    openSession: (slot) =>
      given((session) => call('openSession', slot, SERIAL_SESSION | RW_SESSION, null, null, session)),
    login: (session, pin) => {
      const bytes = Buffer.from(pin);
      try {
        call('login', session, USER, bytes, bytes.length);
      } finally {
        bytes.fill(0);
      }
    },
    find: (session, template) => find(call, session, template),
    attribute: (session, object, type) => attribute(call, session, object, type),
    generateKeyPair: (session, mechanism, { publicKey, privateKey }) => {
      const made = { publicKey: [0], privateKey: [0] };
      const both = [...template(publicKey), ...template(privateKey)];
      call('generateKeyPair', session, mechanismOf(mechanism), ...both, made.publicKey, made.privateKey);
      return { publicKey: Number(made.publicKey[0]), privateKey: Number(made.privateKey[0]) };
    },
    sign: (session, mechanism, privateKey, data) => {
      call('signInit', session, mechanismOf(mechanism), privateKey);
      const signature = Buffer.alloc(SIGNATURE_BYTES_MAX);
      const size = [signature.length];
      call('sign', session, data, data.length, signature, size);
      return signature.subarray(0, Number(size[0]));
    },
    destroy: (session, object) => call('destroyObject', session, object),
  };
}

/** A library that nobody refers to is unloaded, and functions that were found by pointers do not refer to it. */
const kept: LibraryHandle[] = [];

function functionsOf(path: string): Call {
  const library = koffi.load(path);
  kept.push(library);
  const list: unknown[] = [null];
  const code = library.func('unsigned long C_GetFunctionList(_Out_ void **list)')(list);
  if (code !== 0) throw new CryptokiError('C_GetFunctionList', code);
  const { functions } = koffi.decode(list[0], FUNCTION_LIST) as { functions: readonly unknown[] };
  const callable = new Map(
    SIGNATURES.map(({ name, index, standardName, type }) => {
      const call = koffi.decode(functions[index], type) as (...args: unknown[]) => number;
      return [name, { standardName, call }];
    }),
  );
  return (name, ...args) => {
    const found = callable.get(name);
    if (found === undefined) throw new TypeError(`there is no function ${name}`);
    const answer = Number(found.call(...args));
    if (answer !== 0) throw new CryptokiError(found.standardName, answer);
  };
}

function find(call: Call, session: number, wanted: readonly Attribute[]): number[] {
  const found: number[] = [];
  const page = Buffer.alloc(FOUND_AT_ONCE * ULONG_BYTES);
  call('findObjectsInit', session, ...template(wanted));
  try {
    for (;;) {
      const count = given((place) => call('findObjects', session, page, FOUND_AT_ONCE, place));
      found.push(...ulongs(page, count));
      if (count < FOUND_AT_ONCE) return found;
    }
  } finally {
    call('findObjectsFinal', session);
  }
}

function attribute(call: Call, session: number, object: number, type: number): Buffer | null {
  const read = (value: Buffer | null) => {
    const asked = [{ type, pValue: value, ulValueLen: value?.length ?? 0 }];
    call('getAttributeValue', session, object, asked, 1);
    return Number(asked[0]?.ulValueLen);
  };
  try {
    const length = read(null);
    // The largest number there is stands for no value: PKCS#11 2.40 section 5.7.
    if (length > ATTRIBUTE_BYTES_MAX) return null;
    const value = Buffer.alloc(length);
    return value.subarray(0, read(value));
  } catch (error) {
    if (error instanceof CryptokiError && error.isAboutAttribute) return null;
    throw error;
  }
}

function tokenInfo(call: Call, slot: number): TokenInfo {
  const info: Record<string, unknown> = {};
  call('getTokenInfo', slot, info);
  // Padded with blanks, and not ended by a zero: PKCS#11 2.40 section 3.2.
  const said = (name: string) =>
    Buffer.from(info[name] as Uint8Array)
      .toString('utf8')
      .trimEnd();
  return {
    label: said('label'),
    manufacturer: said('manufacturerID'),
    model: said('model'),
    serialNumber: said('serialNumber'),
    flags: Number(info.flags),
  };
}

const mechanismOf = ({ type, parameter }: Mechanism) => ({
  mechanism: type,
  pParameter: parameter ?? null,
  ulParameterLen: parameter?.length ?? 0,
});

/** A template and its length, as two arguments. */
function template(attributes: readonly Attribute[]): [object[], number] {
  const entries = attributes.map(({ type, value }) => ({ type, pValue: value, ulValueLen: value.length }));
  return [entries, entries.length];
}

/** A list of which the module says its length first. */
function counted(ask: (list: Buffer | null, count: number[]) => void): number[] {
  const count = [0];
  ask(null, count);
  const list = Buffer.alloc(Number(count[0]) * ULONG_BYTES);
  ask(list, count);
  return ulongs(list, Number(count[0]));
}

/** What a function writes into its last argument. */
function given(ask: (place: number[]) => void): number {
  const place = [0];
  ask(place);
  return Number(place[0]);
}

function ulongs(list: Buffer, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const at = index * ULONG_BYTES;
    return ULONG_BYTES === 8 ? Number(list.readBigUInt64LE(at)) : list.readUInt32LE(at);
  });
}

/** A CK_ULONG as an attribute or a parameter has it. */
export function ulong(value: number): Buffer {
  const bytes = Buffer.alloc(ULONG_BYTES);
  bytes.writeUInt32LE(value);
  return bytes;
}
