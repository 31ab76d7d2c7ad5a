import { parseDisplayName } from '#src/accounts/display-name.ts';
import { parseUsername } from '#src/accounts/username.ts';
import type { Credentials } from '#src/cli/parties/requests.ts';
import type { ClientRegistration } from '#src/clients/client.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { ResourceServerRegistration } from '#src/resources/resource-server.ts';
import { Secret } from '#src/secret.ts';
import type { Services } from '#src/services.ts';

/** A client, an API and a person, as the tour and the drill need them. Disposing of them removes all traces. */
export interface Cast extends AsyncDisposable {
  readonly client: Credentials & { readonly name: string; readonly redirectUri: string };
  readonly api: Credentials & { readonly identifier: string };
  readonly person: { readonly subject: string; readonly username: string; readonly password: Secret };
}

/** By what a cast differs from the usual one. */
export interface CastOptions {
  /** What the names of all begin with. */
  readonly prefix: string;
  readonly api?: Partial<ResourceServerRegistration>;
  readonly client?: Partial<ClientRegistration>;
}

/** Nobody listens there: the answer is read from the redirect. */
const REDIRECT_URI = 'http://127.0.0.1:4000/cb';

/** What the client is allowed to ask for, of the server and of the API. */
export const SCOPE = 'openid profile offline_access notes:read';

/** Registers a client, a resource server and an account under names that nobody has, as the commands do it. */
export async function engage(services: Services, random: Random, options: CastOptions): Promise<Cast> {
  await using engaged = new AsyncDisposableStack();
  const name = `${options.prefix}-${random.bytes(4).toString('hex')}`;
  const [algorithm] = services.config.keys.algorithms;

  const identifier = `https://${name}.example/notes`;
  const api = await services.resources.add({
    identifier,
    name: `Notes (${name})`,
    scope: ['notes:read', 'notes:write'],
    signingAlgorithm: algorithm,
    ...options.api,
  });
  engaged.defer(async () => void (await services.resources.remove(identifier)));

  const { client, secret } = await services.clients.add({
    name,
    redirectUris: [REDIRECT_URI],
    grantTypes: ['authorization_code', 'refresh_token'],
    scope: SCOPE,
    idTokenSignedResponseAlg: algorithm,
    ...options.client,
  });
  engaged.defer(async () => void (await services.clients.remove(client.clientId)));

  const password = new Secret(newIdentifier(random));
  const username = parseUsername(name);
  const account = await services.accounts.add({
    username,
    displayName: parseDisplayName('Ada Lovelace'),
    password,
  });
  engaged.defer(() => services.accounts.remove(account.subject));

  const everyone = engaged.move();
  return {
    client: { name, clientId: client.clientId, secret: secret as Secret, redirectUri: REDIRECT_URI },
    api: { identifier, clientId: api.resourceServer.clientId, secret: api.secret },
    person: { subject: account.subject, username, password },
    [Symbol.asyncDispose]: () => everyone.disposeAsync(),
  };
}
