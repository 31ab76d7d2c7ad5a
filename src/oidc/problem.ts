/** A request that something is to be said of. */
export interface ProblematicRequest {
  readonly path: string;
  readonly state: { readonly requestId?: string };
  readonly oidc?: { readonly client?: { readonly clientId: string } | undefined };
}

/** Told of a request that the protocol refused, or could not answer, and why. */
export type OnProblem = (request: ProblematicRequest, problem: Error) => void;
