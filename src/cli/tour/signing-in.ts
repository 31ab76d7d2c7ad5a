import { decodeProtectedHeader } from 'jose';
import type { Browser, Visit } from '#src/cli/parties/browser.ts';
import { SCOPE } from '#src/cli/parties/cast.ts';
import type { AuthorizationRequest, TokenResponse } from '#src/cli/parties/relying-party.ts';
import type { Company } from '#src/cli/tour/company.ts';
import { type Show, TourProblem } from '#src/cli/tour/narrator.ts';

/** An authorization code, and the request that it answers. */
export interface Authorized {
  readonly request: AuthorizationRequest;
  readonly code: string;
}

/** The person is sent to the server, signs in, consents, and comes back with a code. */
export async function signIn({ narrator, app, cast }: Company, browser: Browser): Promise<Authorized> {
  const resource = cast.api.identifier;
  const request = app.authorizationRequest({ scope: SCOPE, resource });
  const signInPage = await narrator.step(
    'Send the person to the server',
    'PKCE: the client keeps code_verifier and sends only its hash, so a stolen code is worth nothing (RFC 7636).\n' +
      '"resource" names the API that the access token is for (RFC 8707).',
    async (show) => {
      show.sent('GET /authorize', Object.fromEntries(request.url.searchParams));
      const visit = await browser.visit(request.url);
      return shown(visit, 'the sign-in page', show);
    },
  );
  const consentPage = await narrator.step(
    'The person signs in',
    'The password goes to the server and never to the client. A wrong one costs the same time as an unknown name.',
    async (show) => {
      show.sent('POST the form', {
        login: cast.person.username,
        password: '[secret]',
        csrf: 'from the form',
      });
      const typed = { login: cast.person.username, password: cast.person.password.reveal() };
      return shown(await browser.submit(signInPage, '/sign-in', typed), 'the consent page', show);
    },
  );
  return narrator.step(
    'The person consents, and comes back with a code',
    'state shows that the answer belongs to our request, iss that it comes from this server (RFC 9207).',
    async (show) => {
      show.sent('POST the form', { csrf: 'from the form' });
      const { leftTo } = await browser.submit(consentPage, '/consent');
      if (leftTo === null) throw new TourProblem('the server shows another page instead of going back');
      const code = app.codeOf(leftTo, request);
      show.received(`redirect to ${leftTo.origin}${leftTo.pathname}`, {
        code: `${code.slice(0, 8)}… (good once, for a minute)`,
        state: leftTo.searchParams.get('state') ?? undefined,
        iss: leftTo.searchParams.get('iss') ?? undefined,
      });
      show.check(true, 'state and iss are as they must be');
      return { request, code };
    },
  );
}

/** The client trades the code for tokens. */
export function redeem(
  { narrator, app, cast }: Company,
  { request, code }: Authorized,
): Promise<TokenResponse> {
  const why =
    'Only who knows the client secret and code_verifier can do this. A JWT is signed, not encrypted: here is all of it.';
  return narrator.step('Trade the code for tokens', why, async (show) => {
    const resource = cast.api.identifier;
    show.sent('POST /token', {
      grant_type: 'authorization_code',
      code: `${code.slice(0, 8)}…`,
      code_verifier: '[secret]',
      resource,
    });
    const tokens = await app.redeem(code, request, resource);
    show.received('200', { expires_in: String(tokens.expires_in), scope: tokens.scope });
    show.jwt('access token: for the API, short-lived (RFC 9068)', tokens.access_token);
    show.jwt('ID token: tells the client who signed in', tokens.id_token);
    show.jwt('refresh token: long-lived, read by this server alone', tokens.refresh_token);
    const { sub } = await app.verifyIdToken(tokens.id_token, request);
    show.check(
      sub === cast.person.subject,
      'the ID token is signed, for this client and request, and tells the right person',
    );
    const refreshKey = decodeProtectedHeader(tokens.refresh_token).kid;
    show.check(
      !(await app.publishedKeys()).includes(refreshKey),
      'the key of the refresh token is not in the JWK Set',
    );
    return tokens;
  });
}

const UNKNOWN_HERE = 'does the server run on the same store, with the same settings?';

function shown(visit: Visit, what: string, show: Show): Visit {
  if (visit.page === null)
    throw new TourProblem(`the server sends the browser away instead of showing ${what}`);
  const { status, html, url } = visit.page;
  const title = /<title>([^<]*)<\/title>/.exec(html)?.[1] ?? '';
  show.received(`${status} ${url.pathname.replace(/[^/]{12,}/, '…')}`, { page: title });
  if (status !== 200) throw new TourProblem(`this is not ${what}: ${UNKNOWN_HERE}`);
  show.check(true, `this is ${what}`);
  return visit;
}
