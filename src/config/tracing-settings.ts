import {
  asList,
  duration,
  type Format,
  format,
  quoted,
  type Reading,
  textFormat,
  wholeNumber,
} from '#src/config/format.ts';
import { addressBlocks } from '#src/config/network-format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import type { SettingRule } from '#src/config/setting-rule.ts';
import { Secret } from '#src/secret.ts';
import { seconds } from '#src/units.ts';

/** Where OTLP over HTTP takes traces, below the address of a collector: OTLP specification, OTLP/HTTP Request. */
const TRACES_PATH = '/v1/traces';

const collectorUrl: Format<string> = textFormat(
  'the http or https URL of a collector, such as `http://localhost:4318`; without a path it gets `/v1/traces`',
  readCollectorUrl,
  (value) => value,
);

/** Names as RFC 9110 section 5.6.2 has them, values in percent-encoding, as in the W3C Baggage header. */
const HEADER = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x21-\x2b\x2d-\x7e]*)\s*$/;

const headers: Format<Secret> = textFormat(
  'headers as `name=value`, with commas between them and values in percent-encoding',
  (text) => {
    const secret = new Secret(text);
    return headersIn(secret) === null ? { wrong: 'is not understood' } : { value: secret };
  },
  (value) => value.toString(),
  true,
);

const ratio: Format<number> = textFormat(
  'a number from 0 to 1',
  (text) => {
    if (!/^\d+(?:\.\d+)?$/.test(text)) return { wrong: 'is not understood' };
    return Number(text) <= 1 ? { value: Number(text) } : { wrong: 'is out of range' };
  },
  (value) => value,
);

const name: Format<string> = textFormat(
  'a name',
  (text) => (/^[\x21-\x7e]{1,256}$/.test(text) ? { value: text } : { wrong: 'is not understood' }),
  (value) => value,
);

const attributes: Format<readonly string[]> = format(
  'a list of `name=value`',
  (raw) => {
    const pairs = asList(raw);
    const strange = pairs.find((pair) => !/^[\w.-]{1,256}=[^\0]{1,1024}$/.test(pair));
    return strange === undefined
      ? { value: pairs }
      : { wrong: `holds ${quoted(strange)}, which is no name with a value` };
  },
  (value) => value,
);

/** Traces, for OpenTelemetry. */
export const tracingSettings = group('Traces', {
  otlpEndpoint: unlessSet(
    collectorUrl,
    'Where a collector takes traces by OTLP over HTTP, in JSON; without it nothing is traced.',
  ),
  headers: unlessSet(headers, 'What each request to the collector carries, such as an API key.'),
  sampleRatio: setting(
    ratio,
    1,
    'How large a part of the traces that begin here is recorded; those that are followed are recorded where they began.',
  ),
  followFrom: setting(
    addressBlocks,
    [],
    'The neighbours whose traces go on here, by `traceparent`; whoever else sends one begins a trace of its own, which is linked to it. No proxy that passes on what strangers send.',
  ),
  serviceName: setting(name, 'keyturn', 'The name under which the traces appear (`service.name`).'),
  resourceAttributes: setting(
    attributes,
    [],
    'What else is to be said of this server with its traces, such as `deployment.environment.name=staging`.',
  ),
  exportEvery: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(5),
    'How long spans are gathered before they are sent.',
  ),
  exportTimeout: setting(
    duration({ min: '1s', max: '10s' }),
    seconds(5),
    'How long the collector may take to answer; when the server stops, for all that is left.',
  ),
  batchMax: setting(
    wholeNumber({ min: 1, max: 10_000 }),
    512,
    'How many spans are sent at once; when there are so many, they are sent at once.',
  ),
  queueMax: setting(
    wholeNumber({ min: 1, max: 100_000 }),
    4096,
    'How many spans may wait to be sent, at each worker; what comes on top of that is let go and counted.',
  ),
});

/** What must hold between these settings. */
export const TRACING_RULES: readonly SettingRule[] = [
  {
    settings: ['tracing.batchMax', 'tracing.queueMax'],
    holds: (batchMax = 0, queueMax = 0) => batchMax <= queueMax,
    rule: '`tracing.batchMax` is not more than `tracing.queueMax`',
    because: 'no batch would ever be full',
  },
];

/** The headers that are written so; `null` if the text is not understood. */
export function headersIn(text: Secret): readonly (readonly [name: string, value: string])[] | null {
  const pairs = text
    .reveal()
    .split(',')
    .map((pair) => HEADER.exec(pair));
  if (pairs.some((pair) => pair === null)) return null;
  try {
    const read = pairs.map((pair) => [pair?.[1] ?? '', decodeURIComponent(pair?.[2] ?? '')] as const);
    // What cannot be sent is found out now.
    new Headers(read.map(([header, value]): [string, string] => [header, value]));
    return read;
  } catch {
    return null;
  }
}

function readCollectorUrl(text: string): Reading<string> {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) return { wrong: 'is not an absolute http or https URL' };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'carries a user name or a password, for which there are headers' };
  if (url.search !== '' || url.hash !== '') return { wrong: 'has a query or a fragment' };
  return { value: url.pathname === '/' ? url.origin + TRACES_PATH : url.href };
}
