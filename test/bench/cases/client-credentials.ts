import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { hasAccessToken, repeating, serviceTokenRequest } from '#test/bench/cases/requests.ts';
import type { ApiName } from '#test/bench/servers/served.ts';

/** A service asks for a token for an API: RFC 6749 section 4.4. */
const tokenFor =
  (api: ApiName): Scene =>
  async (stage) => {
    const request = serviceTokenRequest(stage.served, api);
    return always(visitorsAt(stage, () => repeating([request], hasAccessToken)));
  };

const caseOf = (api: ApiName, about: string, target: number | null): Case => ({
  name: `client-credentials-${api}`,
  about,
  target,
  keyturn: tokenFor(api),
  bare: tokenFor(api),
});

export const CLIENT_CREDENTIALS: readonly Case[] = [
  caseOf('es256', 'a service gets a JWT, ES256', 1.3),
  caseOf('eddsa', 'a service gets a JWT, EdDSA', null),
  caseOf('rs256', 'a service gets a JWT, RS256', null),
  caseOf('opaque', 'a service gets an opaque token', null),
];
