import type { Client } from '#src/clients/client.ts';
import { BY_ADMINISTRATOR } from '#src/clients/registered-by.ts';
import { epochSeconds } from '#src/units.ts';

/** The client_id under which this server signs people in to the page of their own account. Nobody else can have it. */
export const ACCOUNT_CLIENT_ID = 'keyturn-account';

/** Where people come back to. */
export const ACCOUNT_CALLBACK_PATH = '/account/signed-in';

/**
 * This server as a client of itself. It wants nobody's tokens: when a person comes back, their session is what counts,
 * and the code, which nobody has the verifier of, is left to expire.
 */
export function accountClient(issuer: string, signingAlgorithm: string): Client {
  return {
    clientId: ACCOUNT_CLIENT_ID,
    name: new URL(issuer).host,
    applicationType: 'web',
    authenticationMethod: 'none',
    redirectUris: [issuer + ACCOUNT_CALLBACK_PATH],
    postLogoutRedirectUris: [],
    grantTypes: ['authorization_code'],
    scope: ['openid'],
    defaultScope: ['openid'],
    requirePkce: true,
    idTokenSignedResponseAlg: signingAlgorithm,
    clientUri: null,
    jwksUri: null,
    jwks: null,
    profile: null,
    tokenExchange: null,
    jwtBearer: null,
    metadata: {},
    secrets: [],
    registeredBy: BY_ADMINISTRATOR,
    createdAt: epochSeconds(0),
    updatedAt: epochSeconds(0),
  };
}
