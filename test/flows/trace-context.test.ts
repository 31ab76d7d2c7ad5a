import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  answers,
  CLIENT,
  type Collector,
  requestId,
  SERVER,
  startCollector,
} from '#test/support/collector.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startReceiver } from '#test/support/receiver.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { until } from '#test/support/until.ts';

/** Of somebody who calls: W3C Trace Context section 3.2.3. */
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

describe('traces of callers that the settings name', () => {
  let collector: Collector;
  let keyturn: Keyturn;

  before(async () => {
    collector = await startCollector();
    keyturn = await startKeyturnHere({
      ...collector.settings,
      KEYTURN_TRACING_FOLLOW_FROM: '10.0.0.0/8,127.0.0.0/8,::1',
      // Nothing that begins here is recorded.
      KEYTURN_TRACING_SAMPLE_RATIO: '0',
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
    });
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await collector[Symbol.asyncDispose]();
  });

  const ask = (headers: Record<string, string>) =>
    fetch(`${keyturn.issuer}/account`, { headers, redirect: 'manual' });

  test('go on here, and are recorded if they are recorded there (section 3.2.2.5)', async () => {
    const tracestate = 'rojo=00f067aa0ba902b7, congo=t61rcWkgMzE,,tenant@vendor=x';
    const unrecorded = await ask({ traceparent: `00-${TRACE}-${PARENT}-00`, tracestate });
    const recorded = await ask({ traceparent: TRACEPARENT, tracestate });
    const root = await collector.span('the request', answers(recorded));
    assert.equal(root.traceId, TRACE);
    assert.equal(root.parentSpanId, PARENT);
    assert.deepEqual(root.links, []);
    assert.equal(root.state, 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,tenant@vendor=x');
    assert.ok(!collector.spans().some(answers(unrecorded)));
    const lineOf = () => keyturn.logged.find((line) => line.includes(requestId(unrecorded)));
    await until('the line of the request', () => lineOf() !== undefined);
    assert.equal(JSON.parse(lineOf() ?? '').trace_id, TRACE, 'the log names what is not recorded as well');
  });

  test('are begun anew where the context is malformed (section 3.2)', async () => {
    const before = collector.spans().length;
    for (const traceparent of [
      `ff-${TRACE}-${PARENT}-01`,
      `00-${TRACE}-${PARENT}-01-further`,
      `00-${TRACE.toUpperCase()}-${PARENT}-01`,
      `00-${'0'.repeat(32)}-${PARENT}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE}-${PARENT}-1`,
      `00-${TRACE}-${PARENT}`,
      TRACE,
    ]) {
      const response = await ask({ traceparent });
      assert.equal(response.status, 303, traceparent);
    }
    const followed = await ask({ traceparent: `cc-${TRACE}-${PARENT}-01-what-comes-later` });
    await collector.span('the request of a later version (section 3.2.4)', answers(followed));
    const roots = collector
      .spans()
      .slice(before)
      .filter(({ kind }) => kind === SERVER);
    assert.equal(roots.length, 1);
  });

  test('are told to whoever is called for them, with what other systems pass on (sections 3.2 and 3.3)', async () => {
    await using site = await startReceiver();
    site.answer((response) => response.writeHead(404).end());
    const web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ metadata: { logo_uri: `${site.origin}/logo.png` } }),
    );
    const { url } = await web.request();
    const { response } = await new Person({
      traceparent: TRACEPARENT,
      tracestate: 'congo=t61rcWkgMzE',
    }).visit(url);
    const { headers } = await site.next();
    assert.equal(headers.tracestate, 'congo=t61rcWkgMzE');
    const [, spanId] = new RegExp(`^00-${TRACE}-([0-9a-f]{16})-01$`).exec(String(headers.traceparent)) ?? [];
    const call = await collector.span('the call', (span) => span.spanId === spanId);
    assert.equal(call.kind, CLIENT);
    assert.equal(call.attributes['error.type'], '404');
    const page = await collector.span('the page', answers(response));
    assert.equal(page.name, 'GET /interaction/:uid');
    assert.equal(call.parentSpanId, page.spanId);
  });
});
