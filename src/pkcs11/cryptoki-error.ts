/** Answers of a module that somebody may meet: PKCS#11 2.40 section 5.1. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x00000005, 'CKR_GENERAL_ERROR'],
  [0x00000006, 'CKR_FUNCTION_FAILED'],
  [0x00000012, 'CKR_ATTRIBUTE_TYPE_INVALID'],
  [0x00000030, 'CKR_DEVICE_ERROR'],
  [0x00000031, 'CKR_DEVICE_MEMORY'],
  [0x00000032, 'CKR_DEVICE_REMOVED'],
  [0x00000060, 'CKR_KEY_HANDLE_INVALID'],
  [0x00000068, 'CKR_KEY_FUNCTION_NOT_PERMITTED'],
  [0x00000070, 'CKR_MECHANISM_INVALID'],
  [0x00000082, 'CKR_OBJECT_HANDLE_INVALID'],
  [0x000000a0, 'CKR_PIN_INCORRECT'],
  [0x000000a1, 'CKR_PIN_INVALID'],
  [0x000000a2, 'CKR_PIN_LEN_RANGE'],
  [0x000000a3, 'CKR_PIN_EXPIRED'],
  [0x000000a4, 'CKR_PIN_LOCKED'],
  [0x000000b3, 'CKR_SESSION_HANDLE_INVALID'],
  [0x000000e0, 'CKR_TOKEN_NOT_PRESENT'],
  [0x000000e1, 'CKR_TOKEN_NOT_RECOGNIZED'],
  [0x000000e2, 'CKR_TOKEN_WRITE_PROTECTED'],
  [0x00000101, 'CKR_USER_NOT_LOGGED_IN'],
  [0x00000102, 'CKR_USER_PIN_NOT_INITIALIZED'],
  [0x00000190, 'CKR_CRYPTOKI_NOT_INITIALIZED'],
]);

const ATTRIBUTE_SENSITIVE = 0x11;
const ATTRIBUTE_TYPE_INVALID = 0x12;

const PIN_CODES: ReadonlySet<number> = new Set([0xa0, 0xa1, 0xa2, 0xa3, 0xa4]);

/** An answer of a module other than CKR_OK. */
export class CryptokiError extends Error {
  readonly code: number;

  constructor(functionName: string, code: number) {
    super(`${functionName} answered ${NAMES.get(code) ?? `0x${code.toString(16)}`}`);
    this.name = 'CryptokiError';
    this.code = code;
  }

  /** The object has no such attribute, or does not show it. */
  get isAboutAttribute(): boolean {
    return this.code === ATTRIBUTE_SENSITIVE || this.code === ATTRIBUTE_TYPE_INVALID;
  }

  /** The PIN is wrong, or good for nothing any more. Trying again makes it worse. */
  get isAboutPin(): boolean {
    return PIN_CODES.has(this.code);
  }
}
