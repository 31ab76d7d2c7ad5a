/** Where the endpoints are. Clients learn it from the metadata. */
export const ROUTES = {
  authorization: '/authorize',
  backchannel_authentication: '/backchannel',
  code_verification: '/device',
  device_authorization: '/device_authorization',
  challenge: '/challenge',
  end_session: '/logout',
  introspection: '/introspect',
  jwks: '/jwks',
  pushed_authorization_request: '/par',
  revocation: '/revoke',
  token: '/token',
  userinfo: '/userinfo',
} as const;

const READ = ['GET', 'HEAD'];
const CALL = ['POST', 'OPTIONS'];

/**
 * The library's endpoints and what they take. The library would know them under other spellings too, with capital
 * letters or a slash at the end; compared exactly, none of them goes past what stands in front of it.
 */
const METHODS: ReadonlyMap<string, readonly string[]> = new Map([
  [ROUTES.authorization, [...READ, 'POST']],
  [ROUTES.backchannel_authentication, ['POST']],
  [ROUTES.code_verification, [...READ, 'POST']],
  [ROUTES.device_authorization, CALL],
  [ROUTES.end_session, [...READ, 'POST']],
  [ROUTES.challenge, CALL],
  [`${ROUTES.end_session}/confirm`, ['POST']],
  [`${ROUTES.end_session}/success`, READ],
  [ROUTES.introspection, CALL],
  [ROUTES.pushed_authorization_request, CALL],
  [ROUTES.revocation, CALL],
  [ROUTES.token, CALL],
  [ROUTES.userinfo, [...READ, ...CALL]],
]);

/** Those that programs call. */
const FOR_PROGRAMS: ReadonlySet<string> = new Set([
  ROUTES.backchannel_authentication,
  ROUTES.challenge,
  ROUTES.device_authorization,
  ROUTES.introspection,
  ROUTES.pushed_authorization_request,
  ROUTES.revocation,
  ROUTES.token,
  ROUTES.userinfo,
]);

/** True for an endpoint whose refusals are JSON, whatever a request says to accept: RFC 6749 section 5.2. */
export function isForPrograms(path: string): boolean {
  return FOR_PROGRAMS.has(path);
}

/** Where an authorization request, or the confirmation of a device, goes on after an interaction. */
const RESUMED = new RegExp(`^(?:${ROUTES.authorization}|${ROUTES.code_verification})/([^/]+)$`);

/** The interaction after which something goes on under this path; `undefined` where nothing does. */
export function interactionIn(path: string): string | undefined {
  return RESUMED.exec(path)?.[1];
}

/** What the protocol endpoint under this path takes; `undefined` where there is none. */
export function methodsOf(path: string): readonly string[] | undefined {
  return METHODS.get(path) ?? (RESUMED.test(path) ? READ : undefined);
}
