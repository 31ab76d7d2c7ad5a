import { wholeNumber } from '#src/config/format.ts';
import { listenHost } from '#src/config/network-format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';

/** What is measured, for Prometheus and those that read its format. */
export const metricsSettings = group('Metrics', {
  port: unlessSet(
    wholeNumber({ min: 1, max: 65_535 }),
    'The TCP port that answers `GET /metrics`, in clear and to anybody who can reach it; without it there are no metrics.',
  ),
  host: setting(
    listenHost,
    ['127.0.0.1', '::1'],
    'The address to answer it on, which is not one that the clients reach.',
  ),
});
