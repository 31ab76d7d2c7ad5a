import type { Middleware } from 'koa';
import { fixedDocument, type MetadataOptions, metadata } from '#src/http/metadata.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { protectedResources } from '#src/oidc/protected-resource.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { Seconds } from '#src/units.ts';

/** Metadata seldom changes, and then a client may learn of it late; keys have a setting of their own. In seconds. */
const METADATA_MAX_AGE = 3600;

type OnFetched = NonNullable<MetadataOptions['documents'][string]['onFetched']>;

/** What everyone may know: the metadata of the server and of its own protected resource, and the public keys. */
export function publicDocuments(
  keys: Pick<KeyHolder, 'jwks'>,
  discovery: Readonly<Record<string, unknown>>,
  {
    issuer,
    jwksMaxAge,
    onJwksFetched,
  }: { readonly issuer: string; readonly jwksMaxAge: Seconds; readonly onJwksFetched: OnFetched },
): Middleware {
  const json = (document: object) => ({
    type: 'application/json',
    maxAge: METADATA_MAX_AGE,
    read: fixedDocument(document),
  });
  const server = json(discovery);
  const resources = Object.entries(protectedResources(issuer, discovery));
  return metadata({
    documents: {
      '/.well-known/openid-configuration': server,
      '/.well-known/oauth-authorization-server': server,
      ...Object.fromEntries(resources.map(([path, document]) => [path, json(document)])),
      [ROUTES.jwks]: {
        type: 'application/jwk-set+json',
        maxAge: jwksMaxAge,
        read: () => keys.jwks(),
        onFetched: onJwksFetched,
      },
    },
  });
}
