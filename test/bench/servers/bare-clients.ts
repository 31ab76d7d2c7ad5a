import { APIS, type ApiName } from '#test/bench/servers/served.ts';

/** As long as the secrets that Keyturn makes. */
const secretOf = (name: string) => name.padEnd(43, '-secret');

const credentialsOf = (id: string) => ({ id, secret: secretOf(id) });

/** Who is known to the bare library: its configuration says it, so whoever asks has to know it too. */
export const BARE_CLIENTS = {
  service: credentialsOf('service'),
  web: credentialsOf('web'),
  rotating: credentialsOf('rotating'),
  apis: Object.fromEntries(APIS.map((api) => [api, credentialsOf(`api-${api}`)])) as Record<
    ApiName,
    { readonly id: string; readonly secret: string }
  >,
};
