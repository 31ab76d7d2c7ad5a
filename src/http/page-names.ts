/** The pages that there are, each after its template in `views`. */
export const PAGE_NAMES = [
  'front',
  'sign-in',
  'select-account',
  'consent',
  'device-code',
  'device-confirm',
  'device-done',
  'sign-out',
  'signed-out',
  'error',
  'post-on',
  'web-message',
  'account',
  'account-requests',
  'account-sessions',
  'account-applications',
  'account-password',
] as const;

export type PageName = (typeof PAGE_NAMES)[number];
