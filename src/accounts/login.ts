import { type EmailAddress, emailKey, readEmailAddress } from '#src/accounts/email-address.ts';
import { readUsername, type Username, usernameKey } from '#src/accounts/username.ts';

/** The name that an account is found by, as it is stored: unique among accounts. */
export type LoginKey = `username:${string}` | `email:${string}`;

/**
 * What a person typed to say who they are, as the key of the account it could mean; `null` when it can mean
 * none.
 */
export function readLogin(text: string): LoginKey | null {
  if (text.includes('@')) {
    const email = readEmailAddress(text);
    return email === null ? null : emailLogin(email);
  }
  const username = readUsername(text);
  return username === null ? null : usernameLogin(username);
}

export function usernameLogin(username: Username): LoginKey {
  return `username:${usernameKey(username)}`;
}

export function emailLogin(email: EmailAddress): LoginKey {
  return `email:${emailKey(email)}`;
}
