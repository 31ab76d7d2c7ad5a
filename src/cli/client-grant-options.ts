import type { Command } from 'commander';
import { Option } from 'commander';
import { UsageFault } from '#src/cli/failure.ts';
import { repeatable } from '#src/cli/options.ts';
import { type Client, GRANT_TYPES } from '#src/clients/client.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import { EXCHANGE_SEMANTICS, TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';

/** What an administrator says of the grants that need a policy beside them. */
export interface ClientGrantOptions {
  readonly grant?: readonly string[];
  readonly exchangeFrom?: readonly string[];
  readonly exchangeTo?: readonly string[];
  readonly exchangeSemantics?: string;
  readonly assertionIssuer?: string;
  readonly assertionClaim?: readonly string[];
}

/** Which option says what a registration calls by another name. */
export const CLIENT_GRANT_OPTION_WORDS = {
  grantTypes: '--grant',
  tokenExchange: '--exchange-to',
  'tokenExchange.from': '--exchange-from',
  'tokenExchange.to': '--exchange-to',
  jwtBearer: '--assertion-issuer',
  'jwtBearer.issuer': '--assertion-issuer',
  'jwtBearer.claims': '--assertion-claim',
};

/** A grant type in the word that is typed for it: a URN by its last part. */
const wordOf = (type: string) => type.slice(type.lastIndexOf(':') + 1);

/** Gives a command the options that say which grants a client uses, and what they are allowed. */
export function describesGrants(command: Command): Command {
  return command
    .addOption(
      repeatable(
        '--grant <type>',
        `one of ${GRANT_TYPES.map(wordOf).join(', ')}; default: authorization_code`,
      ),
    )
    .addOption(repeatable('--exchange-from <audience>', 'an API whose tokens it is given and may exchange'))
    .addOption(repeatable('--exchange-to <identifier>', 'an API that it may get tokens for by exchange'))
    .addOption(
      new Option(
        '--exchange-semantics <how>',
        'whether exchanged tokens tell who acts; default: delegation',
      ).choices([...EXCHANGE_SEMANTICS, 'both']),
    )
    .option('--assertion-issuer <issuer>', 'the trusted issuer whose assertions it may bring for tokens')
    .addOption(
      repeatable(
        '--assertion-claim <name=value>',
        'what they must say; several values of one name are alternatives',
      ),
    );
}

/** What the options say, in the words of a registration. A policy without its grant is taken away. */
export function grantsByOptions(options: ClientGrantOptions) {
  const grantTypes = options.grant?.map((word) => GRANT_TYPES.find((type) => wordOf(type) === word) ?? word);
  const without = (grant: string) =>
    grantTypes === undefined || grantTypes.includes(grant) ? undefined : null;
  return {
    grantTypes,
    tokenExchange: tokenExchangeOf(options) ?? without(TOKEN_EXCHANGE_GRANT),
    jwtBearer: jwtBearerOf(options) ?? without(JWT_BEARER_GRANT),
  };
}

function tokenExchangeOf({ exchangeFrom, exchangeTo, exchangeSemantics }: ClientGrantOptions) {
  if ((exchangeFrom ?? exchangeTo ?? exchangeSemantics) === undefined) return undefined;
  const semantics = exchangeSemantics === 'both' ? EXCHANGE_SEMANTICS : [exchangeSemantics ?? 'delegation'];
  return { from: exchangeFrom ?? [], to: exchangeTo ?? [], semantics };
}

function jwtBearerOf({ assertionIssuer, assertionClaim = [] }: ClientGrantOptions) {
  if (assertionIssuer === undefined && assertionClaim.length === 0) return undefined;
  if (assertionIssuer === undefined)
    throw new UsageFault('--assertion-claim: it says nothing without --assertion-issuer');
  const claims: Record<string, string[]> = {};
  for (const pair of assertionClaim) {
    const [, name, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined)
      throw new UsageFault(
        `--assertion-claim: "${pair}" names no claim and its value`,
        'write it like sub=repo:acme/site:ref:refs/heads/main',
      );
    claims[name] = [...(claims[name] ?? []), value];
  }
  return { issuer: assertionIssuer, claims };
}

/** The policies of a client as JSON, those that it has. */
export function grantPolicyDocument({ tokenExchange, jwtBearer }: Client): object {
  return {
    ...(tokenExchange === null ? undefined : { token_exchange: tokenExchange }),
    ...(jwtBearer === null ? undefined : { jwt_bearer: jwtBearer }),
  };
}

/** The same for people. */
export function grantPolicyFacts({ tokenExchange, jwtBearer }: Client) {
  return {
    exchanges_tokens_from: tokenExchange?.from,
    exchanges_tokens_to: tokenExchange?.to,
    exchanges_tokens_by: tokenExchange?.semantics.join(' '),
    assertions_from: jwtBearer?.issuer,
    assertions_say:
      jwtBearer === null
        ? undefined
        : Object.entries(jwtBearer.claims).map(([name, values]) => `${name}=${values.join(' or ')}`),
  };
}
