import {
  type Document,
  fixedDocument,
  type PublicDocument,
  type PublicDocuments,
} from '#src/http/metadata.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { protectedResources } from '#src/oidc/protected-resource.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { Seconds } from '#src/units.ts';

/** Metadata seldom changes, and then a client may learn of it late; keys have a setting of their own. In seconds. */
const METADATA_MAX_AGE = 3600;

/** What everyone may know: the metadata of the server and of its own protected resource, and the public keys. */
export function publicDocuments(
  keys: Pick<KeyHolder, 'jwks' | 'signs'>,
  discovery: Readonly<Record<string, unknown>>,
  {
    issuer,
    jwksMaxAge,
    onJwksFetched,
  }: {
    readonly issuer: string;
    readonly jwksMaxAge: Seconds;
    readonly onJwksFetched: PublicDocument['onFetched'];
  },
): PublicDocuments {
  const json = (document: object) => ({
    type: 'application/json',
    maxAge: METADATA_MAX_AGE,
    read: fixedDocument(document),
  });
  const server = { ...json(discovery), read: whatSigns(discovery, (alg) => keys.signs(alg)) };
  const resources = Object.entries(protectedResources(issuer, discovery));
  return {
    '/.well-known/openid-configuration': server,
    '/.well-known/oauth-authorization-server': server,
    ...Object.fromEntries(resources.map(([path, document]) => [path, json(document)])),
    [ROUTES.jwks]: {
      type: 'application/jwk-set+json',
      maxAge: jwksMaxAge,
      read: () => keys.jwks(),
      ...(onJwksFetched && { onFetched: onJwksFetched }),
    },
  };
}

/** What of the metadata names the algorithms that this server signs with. */
const SIGNED_WITH = ['id_token', 'userinfo', 'introspection', 'authorization'].map(
  (response) => `${response}_signing_alg_values_supported`,
);

/** The metadata without what nothing signs with any more: an algorithm may be given up while the server runs. */
function whatSigns(
  discovery: Readonly<Record<string, unknown>>,
  signs: (alg: SigningAlgorithm) => boolean,
): () => Document {
  const listed = SIGNED_WITH.flatMap((name) => (discovery[name] as SigningAlgorithm[] | undefined) ?? []);
  const algorithms = [...new Set(listed)];
  let held = { signing: '', read: fixedDocument(discovery) };
  return () => {
    const signing = algorithms.filter(signs);
    if (held.signing !== signing.join()) {
      const lists = SIGNED_WITH.filter((name) => name in discovery).map((name) => [
        name,
        (discovery[name] as SigningAlgorithm[]).filter((alg) => signing.includes(alg)),
      ]);
      const document = { ...discovery, ...Object.fromEntries(lists) };
      held = { signing: signing.join(), read: fixedDocument(document) };
    }
    return held.read();
  };
}
