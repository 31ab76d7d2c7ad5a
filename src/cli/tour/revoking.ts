import type { TokenResponse } from '#src/cli/parties/relying-party.ts';
import type { Company } from '#src/cli/tour/company.ts';

/** The client signs the person out of itself: what it holds ends. */
export async function revoke({ narrator, app, api }: Company, tokens: TokenResponse): Promise<void> {
  await narrator.step(
    'Revoke',
    'Revoking a refresh token ends its family and the access tokens issued with it (RFC 7009).',
    async (show) => {
      show.sent('POST /revoke', { token: 'the refresh token' });
      const { status } = await app.revoke(tokens.refresh_token);
      show.received(String(status));
      show.check(status === 200, 'the server has taken note');
    },
  );
  await narrator.step(
    'The API asks again',
    'Revoked means inactive on the very next call, on every node. More than that nobody is told.',
    async (show) => {
      show.sent('POST /introspect', { token: 'the access token' });
      const { status, body } = await api.introspect(tokens.access_token);
      show.received(`${status} ${JSON.stringify(body)}`);
      show.check(body.active === false, 'the access token is not active');
      show.sent('POST /token', { grant_type: 'refresh_token', refresh_token: 'the revoked one' });
      const refused = await app.tryRefresh(tokens.refresh_token);
      show.received(`${refused.status} ${JSON.stringify(refused.body)}`);
      show.check(refused.body.error === 'invalid_grant', 'the refresh token gets nothing any more');
    },
  );
}
