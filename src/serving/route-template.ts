import { interactionIn, methodsOf, ROUTES } from '#src/oidc/endpoints.ts';

/** Paths with a part that names something, and what they are called. */
const TEMPLATES: readonly (readonly [RegExp, string])[] = [
  [/^\/assets\/[^/]+$/, '/assets/:name'],
  [/^\/status-lists\/[^/]+$/, '/status-lists/:name'],
];

/** Paths that are not those of protocol endpoints, and that no router has a template for. */
const EXACT: ReadonlySet<string> = new Set([
  '/',
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource',
  '/.well-known/openid-configuration',
  '/favicon.ico',
  '/robots.txt',
  ROUTES.jwks,
]);

/**
 * The template of the route that a path leads to, as far as the path alone tells it: one of a few, and never a part of the
 * path that somebody made up. `null` for what a router knows, or nobody.
 */
export function routeTemplate(path: string): string | null {
  if (EXACT.has(path)) return path;
  const uid = interactionIn(path);
  if (uid !== undefined) return `${path.slice(0, -uid.length)}:uid`;
  if (methodsOf(path) !== undefined) return path;
  return TEMPLATES.find(([pattern]) => pattern.test(path))?.[1] ?? null;
}
