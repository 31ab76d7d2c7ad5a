import { type KoaContextWithOIDC, Provider } from 'oidc-provider';

/**
 * Parts of the library's models that its documentation describes and its type package leaves out. Everything that
 * Keyturn changes in the library goes through these and the configuration.
 */
export interface LibraryModel {
  save(ttl?: number): Promise<string>;
  destroy(): Promise<void>;
  emit(event: string): void;
  getValueAndPayload(): Promise<{ value: string; payload?: Record<string, unknown> }>;
}

/** A model class whose finding and saving can be taught. */
export interface TeachableModel<Instance> {
  prototype: Instance;
  new (properties: Record<string, unknown>): Instance;
  find(value: string, options?: { ignoreExpiration?: boolean }): Promise<Instance | undefined>;
  revokeByGrantId(grantId: string): Promise<void>;
}

export function teachable<Instance>(model: unknown): TeachableModel<Instance & LibraryModel> {
  return model as TeachableModel<Instance & LibraryModel>;
}

/** The request that the library is working on right now, if it is. */
export function requestUnderWay(): KoaContextWithOIDC | undefined {
  return Provider.ctx as KoaContextWithOIDC | undefined;
}

/** The request that the library is working on right now. */
export function currentRequest(): KoaContextWithOIDC {
  const context = requestUnderWay();
  if (context === undefined) throw new Error('only the library, while it serves a request, may come here');
  return context;
}

/** Where a client begins something, or goes on with it. Elsewhere somebody asks about what it did. */
const OF_THE_CLIENT: ReadonlySet<string | undefined> = new Set([
  'authorization',
  'pushed_authorization_request',
  'device_authorization',
  'backchannel_authentication',
  'token',
]);

/** Whose request the library is working on, and whether it will do with a client as it was known last. */
export function currentAsker(): { readonly address: string; readonly lastKnown: boolean } {
  const context = Provider.ctx as KoaContextWithOIDC | undefined;
  return { address: context?.ip ?? '127.0.0.1', lastKnown: !OF_THE_CLIENT.has(context?.oidc?.route) };
}
