/**
 * What can go wrong, in two classes. A refusal is an answer: someone asked for what they may not have, and is told
 * so by a stable code. A fault is a broken promise of something that we rely on, and is nobody's request's doing.
 */

/** A refusal inside, with a code that stays the same and can be switched on. `detail` is for the log, never for secrets. */
export class Refusal extends Error {
  readonly code: string;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, detail: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.detail = detail;
  }
}

/** The store could not do what it promises: it is away, full, broken, or holds what cannot be read. */
export class StorageFault extends Error {
  readonly code = 'storage_fault';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StorageFault';
  }
}

/** What holds the signing keys outside of this process does not sign now. Whoever asked may ask again. */
export class SigningFault extends Error {
  readonly code = 'signing_fault';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SigningFault';
  }
}

/** The operator must change something before the program can run; `hint` says what. */
export class SetupFault extends Error {
  readonly code = 'setup_fault';
  readonly hint: string;

  constructor(message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SetupFault';
    this.hint = hint;
  }
}
