import type { Client } from '#src/clients/client.ts';
import { type ClientDocument, describedIn } from '#src/clients/client-document.ts';
import { Refusal } from '#src/fault.ts';
import type { Bounds, Described } from '#src/registration/bounds.ts';
import { fitted, inWordsOfTheRfc } from '#src/registration/described-client.ts';

/** How a client without a secret can prove who it is, if it does. */
const METHODS = ['none', 'private_key_jwt'] as const;

/** What no document may hold: everyone can read it. */
const SHARED_SECRETS = ['client_secret', 'client_secret_expires_at'];

export interface DocumentRules {
  readonly bounds: Bounds;
  /** True if redirect URIs of https must have the origin of the identifier. */
  readonly sameOrigin: boolean;
}

/**
 * The client that the document under its identifier describes, held to the rules of any client that registers itself,
 * and to those of OAuth Client ID Metadata Document section 4. `describe` is that of the registry.
 * @throws Refusal `invalid_client_metadata` or `invalid_redirect_uri`
 */
export function clientOfDocument(
  clientIdUrl: URL,
  document: unknown,
  { bounds, sameOrigin }: DocumentRules,
  describe: (described: Described) => Client,
): Client {
  const refuse = (why: string) => new Refusal('invalid_client_metadata', why);
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw refuse('the document is no JSON object');
  const said = document as ClientDocument;
  if (said.client_id !== clientIdUrl.href) throw refuse('client_id is not the URL of the document');
  const secret = SHARED_SECRETS.find((name) => Object.hasOwn(said, name));
  if (secret !== undefined) throw refuse(`${secret} has no place in a document that everyone can read`);
  const described = describedIn(said);
  const client = inWordsOfTheRfc(() =>
    describe(
      fitted(
        {
          ...described,
          name: described.name ?? clientIdUrl.hostname,
          authenticationMethod: described.authenticationMethod ?? 'none',
        },
        {
          ...bounds,
          authenticationMethods: METHODS.filter((each) => bounds.authenticationMethods.includes(each)),
        },
      ),
    ),
  );
  const elsewhere = client.redirectUris.find((uri) => sameOrigin && isElsewhere(uri, clientIdUrl));
  if (elsewhere !== undefined)
    throw new Refusal('invalid_redirect_uri', `redirect_uris: ${elsewhere} is not of ${clientIdUrl.origin}`);
  return { ...client, clientId: clientIdUrl.href, registeredBy: { by: 'metadata-document' } };
}

/** Loopback addresses and schemes of an application lead to nobody's server. */
function isElsewhere(redirectUri: string, { origin }: URL): boolean {
  const uri = URL.parse(redirectUri);
  return uri?.protocol === 'https:' && uri.origin !== origin;
}
