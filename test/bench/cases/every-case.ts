import type { Case } from '#test/bench/cases/case.ts';
import { CLIENT_CREDENTIALS } from '#test/bench/cases/client-credentials.ts';
import { DOCUMENTS } from '#test/bench/cases/documents.ts';
import { INTROSPECTION } from '#test/bench/cases/introspection.ts';
import { PASSWORD_SIGN_IN } from '#test/bench/cases/password.ts';
import { REFRESHING } from '#test/bench/cases/refreshing.ts';
import { REFUSALS } from '#test/bench/cases/refusals.ts';
import { SIGN_INS } from '#test/bench/cases/sign-ins.ts';

export const CASES: readonly Case[] = [
  ...CLIENT_CREDENTIALS,
  ...INTROSPECTION,
  ...REFRESHING,
  ...SIGN_INS,
  PASSWORD_SIGN_IN,
  ...DOCUMENTS,
  ...REFUSALS,
];
