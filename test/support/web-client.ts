import { CALLBACK } from '#test/support/keyturn.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import type { RunningKeyturn } from '#test/support/running-server.ts';

/** Registers a web application that refreshes, by the command line, and finds out about the server. */
export async function addWebClient(keyturn: RunningKeyturn): Promise<RelyingParty> {
  const added = await keyturn.cli([
    ...['clients', 'add', '--name', 'Web', '--redirect-uri', CALLBACK, '--json'],
    ...['--grant', 'authorization_code', '--grant', 'refresh_token', '--scope', 'openid offline_access'],
  ]);
  const { client_id: clientId, client_secret: secret } = added.json<{
    client_id: string;
    client_secret: string;
  }>();
  const client = { clientId, authenticationMethod: 'client_secret_basic' } as const;
  return RelyingParty.discover(keyturn, { client, secret });
}
