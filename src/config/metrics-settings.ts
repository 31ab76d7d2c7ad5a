import { secretText, wholeNumber } from '#src/config/format.ts';
import { listenHost } from '#src/config/network-format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';

/** What is measured, for Prometheus and those that read its format. */
export const metricsSettings = group('Metrics', {
  port: unlessSet(
    wholeNumber({ min: 1, max: 65_535 }),
    'The TCP port that answers `GET /metrics`, in clear, for all workers of a machine together; without it there are no metrics.',
  ),
  host: setting(
    listenHost,
    ['127.0.0.1', '::1'],
    'The address to answer it on, which is not one that the clients reach.',
  ),
  token: unlessSet(
    secretText,
    'What has to be brought as `Authorization: Bearer`; without it, anybody who can reach the port is answered.',
  ),
  clientsMax: setting(
    wholeNumber({ min: 0, max: 10_000 }),
    50,
    'How many clients are counted by themselves, at each worker: the first that come, and none that registered itself; all others are counted together, as `other`.',
  ),
});
