import type { IncomingHttpHeaders } from 'node:http';
import type { Client } from '#src/clients/client.ts';
import type { Shortcut } from '#src/http/shortcut.ts';
import type { ClientProofs } from '#src/oidc/client-proofs.ts';
import { authenticated, type CallerDependencies } from '#src/oidc/direct/caller.ts';
import { type ClientCredentialsDependencies, ownToken } from '#src/oidc/direct/client-credentials.ts';
import { type IntrospectionDependencies, introspected } from '#src/oidc/direct/introspection.ts';
import {
  CREDENTIAL_FIELDS,
  isPlain,
  type PlainForm,
  plainCredentials,
  plainForm,
} from '#src/oidc/direct/plain-request.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import type { IntrospectionResult } from '#src/oidc/introspection-result.ts';

export interface DirectDependencies
  extends CallerDependencies,
    IntrospectionDependencies,
    ClientCredentialsDependencies {
  readonly proofs: Pick<ClientProofs, 'dpop' | 'attestations'>;
  readonly onClientUsed: (client: Client, grantType: string) => void;
  readonly onIntrospected: (result: IntrospectionResult) => void;
}

type Answer = (
  headers: IncomingHttpHeaders,
  form: PlainForm,
  deps: DirectDependencies,
) => Promise<object | null>;

/**
 * Answers the requests that come most often without the library: those that are spelt plainly, come from a client that
 * authenticates by its secret, and can be granted. Whatever else comes, and every refusal, is left to the library, which
 * then sees the request as if nobody had looked at it. What may be granted is decided by the same rules, and the answers
 * are the same.
 */
export function directAnswers(deps: DirectDependencies): ReadonlyMap<string, Shortcut> {
  const { dpop, attestations } = deps.proofs;
  const attested = attestations !== null;
  const shortcut = (
    answer: Answer,
    fields: readonly string[],
    { nonces, headers }: { nonces: boolean; headers?: Record<string, string> },
  ): Shortcut => {
    const known = new Set([...CREDENTIAL_FIELDS, ...fields]);
    return {
      headers: {
        Vary: 'Origin',
        'Access-Control-Allow-Origin': '*',
        'Access-Control-Expose-Headers': exposed({ attested, nonces }),
        ...headers,
      },
      takes: isPlain,
      answer: async (headers, body) => {
        const form = plainForm(body, known);
        return form === null ? null : answer(headers, form, deps);
      },
    };
  };
  return new Map([
    [ROUTES.introspection, shortcut(answerIntrospection, ['token', 'token_type_hint'], { nonces: attested })],
    [
      ROUTES.token,
      shortcut(answerToken, ['grant_type', 'scope', 'resource'], {
        nonces: attested || dpop.nonces !== 'off',
        headers: { Pragma: 'no-cache' }, // RFC 6749 section 5.1
      }),
    ],
  ]);
}

async function answerIntrospection(
  headers: IncomingHttpHeaders,
  form: PlainForm,
  deps: DirectDependencies,
): Promise<object | null> {
  const { token } = form;
  const { accept = '*/*' } = headers;
  if (token === undefined || !token.includes('.') || accept.includes('jwt')) return null;
  const credentials = plainCredentials(headers, form);
  const caller = credentials === null ? null : await authenticated(credentials, deps);
  const answer = caller === null ? null : await introspected(token, caller, deps);
  if (answer !== null) deps.onIntrospected(answer.active ? 'active' : 'inactive');
  return answer;
}

async function answerToken(
  headers: IncomingHttpHeaders,
  form: PlainForm,
  deps: DirectDependencies,
): Promise<object | null> {
  const { grant_type, scope, resource } = form;
  if (grant_type !== 'client_credentials') return null;
  const credentials = plainCredentials(headers, form);
  const client = credentials === null ? null : await authenticated(credentials, deps);
  if (client === null) return null;
  const answer = await ownToken(client, { scope, resource }, deps);
  const application = deps.registered.application(client);
  if (answer !== null && application !== null) deps.onClientUsed(application, grant_type);
  return answer;
}

/** What the library lets pages of other origins read of the headers of an answer: Fetch section 3.3.4. */
function exposed({ attested, nonces }: { attested: boolean; nonces: boolean }): string {
  return [
    ...(nonces ? ['DPoP-Nonce'] : []),
    ...(attested ? ['OAuth-Client-Attestation-Challenge'] : []),
    'WWW-Authenticate',
  ].join(',');
}
