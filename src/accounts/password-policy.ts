import type { CommonPasswords } from '#src/accounts/common-passwords.ts';
import { preparePassword } from '#src/accounts/password.ts';
import { Refusal } from '#src/fault.ts';
import type { Secret } from '#src/secret.ts';

export interface PasswordPolicyOptions {
  /**
   * In code points. NIST SP 800-63B-4 section 3.1.1.2 allows no less than 8, and asks for 15 where the
   * password is the only factor.
   */
  readonly minLength: number;
  /** In code points; NIST asks for at least 64. */
  readonly maxLength: number;
  /**
   * What the service is called, in its pages and its address: the first thing that somebody who hates
   * passwords types.
   */
  readonly serviceNames: readonly string[];
  readonly commonPasswords: CommonPasswords;
}

/** Whose password it will be. */
export interface PasswordOwner {
  readonly username: string;
  readonly email: string | null;
  readonly displayName: string | null;
}

export type PasswordProblemCode =
  | 'password_too_short'
  | 'password_too_long'
  | 'password_characters'
  | 'password_repetitive'
  | 'password_personal'
  | 'password_common';

/** Why a password is not taken: a code for programs, a sentence for the person. */
export interface PasswordProblem {
  readonly code: PasswordProblemCode;
  readonly message: string;
}

/** A password that repeats this much or less is as weak as what it repeats. */
const REPEATED_UNIT_MAX = 4;

/** Shorter words are in too many good passwords by chance. */
const PERSONAL_WORD_MIN = 3;

/**
 * What people put around a word to please a rule: "ada-2024!". More than this is a password in its own right.
 */
const ADORNMENT_MAX = 6;

/** Words that everybody would expect, alone or adorned. */
const EXPECTED_WORDS = ['password', 'passwort', 'admin', 'administrator', 'changeme', 'welcome'];

/**
 * Which passwords are taken, as NIST SP 800-63B-4 section 3.1.1.2 wants it: long enough, and not one that an
 * attacker would try early. No rules of composition, no expiry.
 */
export class PasswordPolicy {
  readonly #options: PasswordPolicyOptions;

  constructor(options: PasswordPolicyOptions) {
    this.#options = options;
  }

  /** The first reason not to take the password, or `null` for a good one. */
  problem(password: Secret, owner: PasswordOwner): PasswordProblem | null {
    const { minLength, maxLength, serviceNames, commonPasswords } = this.#options;
    const raw = password.reveal();
    if (!raw.isWellFormed() || /\p{Cc}/u.test(raw)) {
      return { code: 'password_characters', message: 'A password cannot contain control characters.' };
    }
    const text = preparePassword(raw);
    const letters = [...text];
    if (letters.length < minLength) {
      return { code: 'password_too_short', message: `A password needs at least ${minLength} characters.` };
    }
    if (letters.length > maxLength) {
      return { code: 'password_too_long', message: `A password can have at most ${maxLength} characters.` };
    }
    if (repeatsItself(letters) || isSequence(letters)) {
      return {
        code: 'password_repetitive',
        message: 'This password repeats itself or is a simple sequence. Choose a less regular one.',
      };
    }
    if ([...wordsOf(owner), ...serviceNames].some((word) => isDerivedFrom(text, word))) {
      return {
        code: 'password_personal',
        message:
          'This password is made from your name, your address or the name of this service. Choose another.',
      };
    }
    if (commonPasswords.has(text) || EXPECTED_WORDS.some((word) => isDerivedFrom(text, word))) {
      return {
        code: 'password_common',
        message: 'Many people use this password, so it is tried first by attackers. Choose another.',
      };
    }
    return null;
  }

  /** @throws Refusal with the code and the sentence of the problem. */
  demand(password: Secret, owner: PasswordOwner): void {
    const problem = this.problem(password, owner);
    if (problem !== null) throw new Refusal(problem.code, problem.message);
  }
}

function wordsOf({ username, email, displayName }: PasswordOwner): readonly string[] {
  const name = displayName ?? '';
  const address = email ?? '';
  const at = address.lastIndexOf('@');
  return [username, address, address.slice(0, at), address.slice(at + 1), name, ...name.split(' ')];
}

/**
 * Whether the text is the word, forwards, backwards or twice, whatever its case, in little more than
 * ornament.
 */
function isDerivedFrom(text: string, word: string): boolean {
  const bare = plain(word);
  if ([...bare].length < PERSONAL_WORD_MIN) return false;
  const backwards = [...bare].reverse().join('');
  const joined = bare.replace(/[^\p{L}\p{M}\p{N}]/gu, '');
  return [bare, joined, backwards, bare + bare].some((form) => isAdorned(plain(text), form));
}

/** `form` with nothing but digits, signs and spaces before and after it, and few of them. */
function isAdorned(text: string, form: string): boolean {
  const start = text.indexOf(form);
  if (start < 0) return false;
  const adornment = [...text.slice(0, start), ...text.slice(start + form.length)];
  return adornment.length <= ADORNMENT_MAX && !adornment.some((letter) => /\p{L}/u.test(letter));
}

function plain(text: string): string {
  return preparePassword(text).toUpperCase().toLowerCase();
}

function repeatsItself(letters: readonly string[]): boolean {
  for (let unit = 1; unit <= REPEATED_UNIT_MAX; unit += 1) {
    if (letters.every((letter, index) => letter === letters[index % unit])) return true;
  }
  return false;
}

/**
 * Every character follows the one before it by the same step up or down, as in "23456789" or "hgfedcba"; 0
 * comes after 9.
 */
function isSequence(letters: readonly string[]): boolean {
  const steps = letters.slice(1).map((letter, index) => stepBetween(letters[index] ?? '', letter));
  return steps.every((step) => step === 1) || steps.every((step) => step === -1);
}

function stepBetween(from: string, to: string): number {
  if (from === '9' && to === '0') return 1;
  if (from === '0' && to === '9') return -1;
  return (to.codePointAt(0) ?? 0) - (from.codePointAt(0) ?? 0);
}
