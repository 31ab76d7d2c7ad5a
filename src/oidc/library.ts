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

/** The request that the library is working on right now. */
export function currentRequest(): KoaContextWithOIDC {
  const context = requestUnderWay();
  if (context === undefined) throw new Error('only the library, while it serves a request, may come here');
  return context;
}

/** The same where others than the library may come as well; `undefined` for them. */
export function requestUnderWay(): KoaContextWithOIDC | undefined {
  return Provider.ctx as KoaContextWithOIDC | undefined;
}
