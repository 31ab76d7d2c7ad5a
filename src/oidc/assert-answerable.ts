import type { KoaContextWithOIDC } from 'oidc-provider';

/**
 * Throws the protocol's error for a token request that cannot be answered: the resource or the details that it asks for
 * were not granted, or no ID token can be made. Asked before the code or token is used up.
 */
export type AssertAnswerable = (
  ctx: KoaContextWithOIDC,
  granted: {
    readonly resourceIndicators: ReadonlySet<string | undefined>;
    readonly scopes: ReadonlySet<string>;
    readonly rar?: unknown;
  },
) => Promise<void>;
