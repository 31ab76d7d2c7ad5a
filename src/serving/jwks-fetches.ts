import { basicCredentials } from '#src/http/basic-credentials.ts';
import type { PublicDocument } from '#src/http/metadata.ts';
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
export function noteIn(log: JwksFetchLog): NonNullable<PublicDocument['onFetched']> {
  return ({ headers, query: { rs: hint }, address }, document) => {
    log.note(
      {
        credentials: basicCredentials(headers.authorization ?? ''),
        hint: typeof hint === 'string' ? hint : null,
        program: programName(headers['user-agent'] ?? ''),
        network: networkOf(address),
      },
      document,
    );
  };
}
