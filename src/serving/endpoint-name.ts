import { ROUTES } from '#src/oidc/endpoints.ts';
import { REGISTRATION_PATH } from '#src/registration/routes.ts';
import { STATUS_LISTS_PATH } from '#src/status-lists/status-list.ts';

const OTHER = 'other';

/** The name of an endpoint by the first part of its path. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ...Object.entries(ROUTES).map(([name, path]) => [path, name] as const),
  ['/', 'front_page'],
  ['/.well-known', 'metadata'],
  ['/account', 'account'],
  ['/assets', 'assets'],
  ['/healthz', 'health'],
  ['/interaction', 'interaction'],
  ['/readyz', 'health'],
  ['/revocations', 'revocation_stream'],
  [REGISTRATION_PATH, 'registration'],
  [STATUS_LISTS_PATH, 'status_list'],
]);

/** What the endpoint is called that a request target leads to: one of a few names, whatever is asked for. */
export function endpointName(target: string): string {
  const end = target.slice(1).search(/[/?]/);
  return NAMES.get(end < 0 ? target : target.slice(0, end + 1)) ?? OTHER;
}
