import { decodeJwt } from 'jose';
import type { TokenResponse } from '#src/cli/parties/relying-party.ts';
import type { Company } from '#src/cli/tour/company.ts';
import { formatDuration } from '#src/config/duration.ts';
import type { Seconds } from '#src/units.ts';

/** The API checks the access token by itself. */
export function verify({ narrator, api, cast }: Company, { access_token }: TokenResponse): Promise<void> {
  const why =
    'createRemoteJWKSet and jwtVerify of jose, with issuer, audience and typ: that is all an API needs.\n' +
    'It fetches the keys once and then asks nobody.';
  return narrator.step('The API verifies the access token', why, async (show) => {
    show.sent('GET /jwks');
    const { payload, protectedHeader } = await api.verify(access_token);
    show.received('200', { 'key that fits': `${protectedHeader.alg} ${protectedHeader.kid}` });
    show.check(payload.sub === cast.person.subject, 'signature, issuer, audience, type and lifetime hold');
    show.check(String(payload.scope).split(' ').includes('notes:read'), 'the token allows notes:read');
  });
}

/** The API asks whether the token still stands. */
export function introspect({ narrator, api }: Company, { access_token }: TokenResponse): Promise<void> {
  const why =
    'A JWT is good until it expires. An API that must know at once whether it was revoked asks (RFC 7662), with\n' +
    'credentials of its own, and learns of tokens that are meant for it only.';
  return narrator.step('The API asks about the access token', why, async (show) => {
    show.sent('POST /introspect', { token: 'the access token' });
    const { status, body } = await api.introspect(access_token);
    const { active, sub, client_id, scope } = body;
    show.received(String(status), {
      active: String(active),
      sub: String(sub),
      client_id: String(client_id),
      scope: String(scope),
    });
    show.check(active === true, 'the token is active');
  });
}

/** The client renews its tokens. */
export function refresh({ narrator, app, cast }: Company, first: TokenResponse): Promise<TokenResponse> {
  const why =
    'Each use of a refresh token gives its successor. This request names no resource, so the access token is good for\n' +
    'all that was granted: the API, and userinfo of the server itself.';
  return narrator.step('Refresh', why, async (show) => {
    show.sent('POST /token', { grant_type: 'refresh_token', refresh_token: 'the first one' });
    const second = await app.refresh(first.refresh_token);
    const { aud } = decodeJwt(second.access_token);
    show.received('200', {
      aud: [aud].flat().join(', '),
      'jti before': jtiOf(first),
      'jti now': jtiOf(second),
    });
    show.check(
      second.refresh_token !== first.refresh_token,
      'the refresh token has been replaced by its successor',
    );
    show.check(
      [cast.api.identifier, app.server.issuer].every((audience) => [aud].flat().includes(audience)),
      'the access token is for the API and for userinfo',
    );
    return second;
  });
}

/** What a client does that never saw the answer: it asks again. */
export function retryRefresh(
  { narrator, app }: Company,
  { used, successor, grace }: { used: TokenResponse; successor: TokenResponse; grace: Seconds },
): Promise<void> {
  const why =
    `An answer can get lost, and two tabs can refresh at once. Within ${formatDuration(grace)} the used token gets the\n` +
    'same successor again; later, two parties hold it, and the whole family ends.';
  return narrator.step('Present the used refresh token once more', why, async (show) => {
    if (grace < SAFE_GRACE_S) {
      show.say('Left out: by the settings there is hardly any time for that.');
      return;
    }
    show.sent('POST /token', { grant_type: 'refresh_token', refresh_token: 'the first one, again' });
    const again = await app.refresh(used.refresh_token);
    show.received('200', { jti: jtiOf(again) });
    show.check(
      again.refresh_token === successor.refresh_token,
      'it is the same successor, and not a second chain',
    );
  });
}

/** With less, the tour itself could come too late, and the family would end. */
const SAFE_GRACE_S = 5;

/** The client asks who the person is. */
export function askWhoItIs({ narrator, app, cast }: Company, { access_token }: TokenResponse): Promise<void> {
  const why =
    'The claims that the person has allowed by the scope "profile" (OpenID Connect Core section 5.3).';
  return narrator.step('Ask who the person is', why, async (show) => {
    show.sent('GET /userinfo', { authorization: 'Bearer, the access token' });
    const { status, body } = await app.userinfo(access_token);
    const { sub, preferred_username, name } = body;
    show.received(String(status), {
      sub: String(sub),
      preferred_username: String(preferred_username),
      name: String(name),
    });
    show.check(sub === cast.person.subject, 'it is the person of the ID token');
  });
}

function jtiOf({ refresh_token }: TokenResponse): string {
  return String(decodeJwt(refresh_token).jti);
}
