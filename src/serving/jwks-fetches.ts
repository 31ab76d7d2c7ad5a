import type { Context } from 'koa';
import { basicCredentials } from '#src/http/basic-credentials.ts';
import { programName } from '#src/http/user-agent.ts';
import { JwksFetchLog } from '#src/jwks-readers/fetch-log.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { networkOf } from '#src/sessions/network.ts';

/** Begins to note who fetches the published keys. */
export function openJwksFetches(
  { config, jwksReaders: readers, resources, clientSecrets: secrets }: Services,
  { clock, onFault }: Pick<Surroundings, 'clock'> & { readonly onFault: (error: unknown) => void },
): JwksFetchLog {
  const { readersWriteEvery: writeEvery } = config.keys;
  const log = new JwksFetchLog({ readers, resources, secrets, clock, writeEvery, onFault });
  log.start();
  return log;
}

/**
 * Notes a request for the published keys. Whether its credentials are good makes no difference to the answer, so it
 * tells nobody anything about them.
 */
export function noteIn(log: JwksFetchLog): (ctx: Context, document: { readonly body: Buffer }) => void {
  return (ctx, document) => {
    const { rs: hint } = ctx.query;
    log.note(
      {
        credentials: basicCredentials(ctx.get('Authorization')),
        hint: typeof hint === 'string' ? hint : null,
        program: programName(ctx.get('User-Agent')),
        network: networkOf(ctx.ip),
      },
      document,
    );
  };
}
