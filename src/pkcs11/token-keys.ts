import type { JsonWebKey } from 'node:crypto';
import { Refusal, SetupFault } from '#src/fault.ts';
import type { RequestName, TokenLocation, TokenRequests } from '#src/pkcs11/messages.ts';
import type { TokenAppearance, TokenKey } from '#src/pkcs11/token.ts';
import type { TokenAccess } from '#src/pkcs11/token-access.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { minutes, type Seconds, seconds } from '#src/units.ts';

/** Some tokens take a minute to find the primes of an RSA key. */
const GENERATING: Seconds = minutes(3);

const ADMINISTERING: Seconds = seconds(30);

/**
 * The keys in a token, made, read and removed by a process that lives as long as the call: making one may take a token
 * minutes, in which others want to be signed. Throws `SetupFault` if the token cannot be had, `Refusal` for a key.
 */
export class TokenKeys {
  readonly #access: TokenAccess;

  constructor(access: TokenAccess) {
    this.#access = access;
  }

  /** Makes a key pair with this label, of which the private part can never be taken out. */
  generate(label: string, alg: SigningAlgorithm): Promise<JsonWebKey> {
    return this.#ask('generate', { label, alg }, GENERATING);
  }

  /** A key pair that is there, once it has signed something that its public part verifies. */
  read(label: string): Promise<TokenKey> {
    return this.#ask('read', { label }, ADMINISTERING);
  }

  /** Removes a key pair for good; one that is not there has been removed. */
  async destroy(label: string): Promise<void> {
    await this.#ask('destroy', { label }, ADMINISTERING);
  }

  look(): Promise<TokenAppearance> {
    return this.#ask('look', null, ADMINISTERING);
  }

  async #ask<Name extends RequestName>(
    name: Name,
    what: TokenRequests[Name]['ask'],
    limit: Seconds,
  ): Promise<TokenRequests[Name]['answer']> {
    try {
      await using opened = await this.#access.open();
      return await opened.ask(name, what, limit);
    } catch (error) {
      throw error instanceof TokenProblem ? faultOf(error, this.#access.location) : error;
    }
  }
}

function faultOf({ kind, message }: TokenProblem, { module, token }: TokenLocation): Error {
  const name = JSON.stringify(token);
  switch (kind) {
    case 'setup':
      return new SetupFault(
        `the PKCS#11 module ${module} cannot be loaded: ${message}`,
        'see that pkcs11.module is the path of its library; koffi comes by npm ci, without --omit=optional',
      );
    case 'away':
      return new SetupFault(
        `the PKCS#11 token ${name} cannot be opened: ${message}`,
        'see that it is connected, that pkcs11.token is its label, and that the user who runs Keyturn may use it',
      );
    case 'pin':
      return new SetupFault(
        `the PKCS#11 token ${name} cannot be logged into: ${message}`,
        'put the PIN of its user where pkcs11.pinFile says; after some wrong ones a token locks it',
      );
    case 'misfit':
    case 'no-such-key':
      return new Refusal('unusable_key', `${message}.`);
    case 'refused':
      return new SetupFault(
        `the PKCS#11 token ${name} does not do it: ${message}`,
        'see that its user may do so, and what it says in its own log',
      );
  }
}
