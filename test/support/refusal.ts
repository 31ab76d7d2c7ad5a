import { Refusal } from '#src/fault.ts';

/** For `assert.throws` and `assert.rejects`: a refusal with this code. */
export const refusal = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code;
