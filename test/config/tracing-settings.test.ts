import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '#src/config/load.ts';
import { SettingsFault } from '#src/config/settings-fault.ts';
import { headersIn } from '#src/config/tracing-settings.ts';

const config = (env: Record<string, string>) => loadConfig({ env }).tracing;

/** What the server says about a wrong setting. */
function wrong(variable: string, value: string): string {
  try {
    loadConfig({ env: { [variable]: value } });
  } catch (error) {
    if (error instanceof SettingsFault) return error.message;
    throw error;
  }
  return assert.fail(`${variable}=${value} was accepted`);
}

describe('the settings of traces', () => {
  test('name no collector, and follow nobody, unless they are set', () => {
    const { otlpEndpoint, followFrom } = config({});
    assert.equal(otlpEndpoint, null);
    assert.deepEqual(followFrom, []);
  });

  test('give a collector without a path that of OTLP over HTTP, and leave every other as it is', () => {
    const at = (url: string) => config({ KEYTURN_TRACING_OTLP_ENDPOINT: url }).otlpEndpoint;
    assert.equal(at('http://localhost:4318'), 'http://localhost:4318/v1/traces');
    assert.equal(at('https://collector.example/'), 'https://collector.example/v1/traces');
    assert.equal(at('https://collector.example/otlp/v1/traces'), 'https://collector.example/otlp/v1/traces');
  });

  test('take no URL that something would get lost of, or that carries a password', () => {
    for (const url of [
      'localhost:4318',
      'grpc://localhost:4317',
      'http://a:b@localhost',
      'http://a/?key=b',
      'http://a/#b',
    ])
      assert.doesNotMatch(wrong('KEYTURN_TRACING_OTLP_ENDPOINT', url), /a:b@/, url);
  });

  test('read headers in percent-encoding, and repeat none of them in an error', () => {
    const { headers } = config({ KEYTURN_TRACING_HEADERS: 'x-api-key=a%2Cb%3D, Authorization=Basic%20YTpi' });
    assert.equal(String(headers), '[secret]');
    assert.deepEqual(headers && headersIn(headers), [
      ['x-api-key', 'a,b='],
      ['Authorization', 'Basic YTpi'],
    ]);
    for (const text of ['sesame', 'x=%zzsesame', 'x y=sesame', 'x=sesame%0Ab', 'x=sesame,'])
      assert.doesNotMatch(wrong('KEYTURN_TRACING_HEADERS', text), /sesame/, text);
  });

  test('take a part of all traces as a number from 0 to 1', () => {
    for (const [text, ratio] of [
      ['0', 0],
      ['0.25', 0.25],
      ['1', 1],
    ] as const)
      assert.equal(config({ KEYTURN_TRACING_SAMPLE_RATIO: text }).sampleRatio, ratio);
    for (const text of ['1.1', '-1', '.5', '1e-3', 'half', '50%'])
      wrong('KEYTURN_TRACING_SAMPLE_RATIO', text);
  });

  test('follow neighbours by address, and never everybody', () => {
    const { followFrom } = config({ KEYTURN_TRACING_FOLLOW_FROM: '10.0.0.0/8, ::1' });
    assert.deepEqual(followFrom, ['10.0.0.0/8', '::1']);
    assert.match(wrong('KEYTURN_TRACING_FOLLOW_FROM', '0.0.0.0/0'), /everyone/);
    assert.match(wrong('KEYTURN_TRACING_FOLLOW_FROM', 'api.example'), /neither an address nor a CIDR block/);
  });

  test('take attributes of the resource as pairs', () => {
    const { resourceAttributes } = config({ KEYTURN_TRACING_RESOURCE_ATTRIBUTES: 'a.b=c,d=e=f' });
    assert.deepEqual(resourceAttributes, ['a.b=c', 'd=e=f']);
    for (const text of ['a', '=b', 'a b=c', 'a=']) wrong('KEYTURN_TRACING_RESOURCE_ATTRIBUTES', text);
  });
});
