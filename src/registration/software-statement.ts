import type { ClientDocument } from '#src/clients/client-document.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { IssuerKeys } from '#src/federation/issuer-keys.ts';
import { isTrustedFor } from '#src/federation/trusted-issuer.ts';
import type { TrustedIssuerRegistry } from '#src/federation/trusted-issuer-registry.ts';
import { mediaTypeOf, type ParsedJwt, parseJwt } from '#src/signing/jws.ts';
import type { Seconds } from '#src/units.ts';

/** What somebody whom an administrator trusts has signed about a client: RFC 7591 section 2.3. */
export interface SoftwareStatement {
  /** As it was sent, to be sent back unmodified. */
  readonly text: string;
  readonly issuer: string;
}

/** Claims about the statement itself: RFC 7519 section 4.1. The others are about the client. */
const ABOUT_THE_STATEMENT: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** A statement is no token and no other kind of JWT: RFC 8725 section 3.11. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt']);

/** Reads software statements of issuers that are trusted with them. */
export class SoftwareStatements {
  readonly #issuers: Pick<TrustedIssuerRegistry, 'find'>;
  readonly #keys: Pick<IssuerKeys, 'verifies'>;
  readonly #clock: Clock;
  readonly #clockSkewMax: Seconds;
  /** The names of this server, of which a statement must be for one if it says whom it is for. */
  readonly #audiences: readonly string[];

  constructor(options: {
    trustedIssuers: Pick<TrustedIssuerRegistry, 'find'>;
    keys: Pick<IssuerKeys, 'verifies'>;
    clock: Clock;
    clockSkewMax: Seconds;
    audiences: readonly string[];
  }) {
    this.#issuers = options.trustedIssuers;
    this.#keys = options.keys;
    this.#clock = options.clock;
    this.#clockSkewMax = options.clockSkewMax;
    this.#audiences = options.audiences;
  }

  /**
   * The statement that a client sends along, once it is seen to be good; `null` if it sends none.
   * @throws Refusal `invalid_software_statement`, `unapproved_software_statement` if nobody whom this server trusts
   * made it, or `issuer_unreachable`.
   */
  async in(document: ClientDocument): Promise<SoftwareStatement | null> {
    const { software_statement: text } = document;
    if (text === undefined || text === null || text === '') return null;
    const jwt = typeof text === 'string' ? parseJwt(text) : null;
    if (jwt === null) throw invalid('the software statement is no signed JWT');
    const { iss } = jwt.claims;
    if (typeof iss !== 'string') throw invalid('the software statement does not say who issued it');
    const trusted = await this.#issuers.find(iss);
    if (trusted === null || !isTrustedFor(trusted, 'software-statements'))
      throw new Refusal(
        'unapproved_software_statement',
        'the issuer of the software statement is not trusted',
      );
    this.#assertTimely(jwt);
    if (!(await this.#isSigned(trusted, jwt)))
      throw invalid('the software statement is not signed by a key of its issuer');
    return { text: text as string, issuer: iss };
  }

  #assertTimely({ header, claims }: ParsedJwt): void {
    const { exp, nbf, iat, aud } = claims;
    const latest = this.#clock.now() + this.#clockSkewMax;
    const earliest = this.#clock.now() - this.#clockSkewMax;
    if (!TYPES.has(mediaTypeOf(header.typ))) throw invalid(`a JWT of the type ${header.typ} is no statement`);
    if (exp !== undefined && !(isTime(exp) && exp > earliest))
      throw invalid('the software statement has expired');
    if (nbf !== undefined && !(isTime(nbf) && nbf <= latest))
      throw invalid('the software statement is not valid yet');
    if (iat !== undefined && !(isTime(iat) && iat <= latest))
      throw invalid('the software statement is from the future');
    if (aud !== undefined && ![aud].flat().some((each) => this.#audiences.includes(each as string)))
      throw invalid('the software statement is not for this server');
  }

  async #isSigned(trusted: Parameters<IssuerKeys['verifies']>[0], jwt: ParsedJwt): Promise<boolean> {
    try {
      return await this.#keys.verifies(trusted, jwt);
    } catch (cause) {
      throw new Refusal(
        'issuer_unreachable',
        'the keys of the issuer of the software statement cannot be had',
        {
          cause: String(cause),
        },
      );
    }
  }
}

/** What a client says of itself, with what a statement says of it: that takes precedence. RFC 7591 section 2.3. */
export function withStatement(document: ClientDocument, statement: SoftwareStatement | null): ClientDocument {
  const claims = statement === null ? null : parseJwt(statement.text)?.claims;
  if (claims === null || claims === undefined) return document;
  const said = Object.entries(claims).filter(([name]) => !ABOUT_THE_STATEMENT.has(name));
  return { ...document, ...Object.fromEntries(said) };
}

const invalid = (why: string) => new Refusal('invalid_software_statement', why);

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
