import { Rates } from '#src/cli/top/rates.ts';
import type { Samples } from '#src/cli/top/samples.ts';

/** What goes on at a server, between two samples and now. Times are in seconds. */
export type Reading = ReturnType<typeof readingOf>;

const REQUESTS = 'keyturn_http_request_duration_seconds';
const STORE = 'keyturn_store_operation_duration_seconds';
const HASH_WAIT = 'keyturn_password_hash_wait_seconds';

/** The names are those of the document that `--json` prints. */
export function readingOf(before: Samples, now: Samples) {
  const rates = new Rates(before, now);
  const sum = (gauge: string) => now.of(gauge).reduce((total, { value }) => total + value, 0);
  return {
    seconds: rates.length,
    version: now.of('keyturn_build_info')[0]?.labels.version ?? null,
    requests: timed(rates, REQUESTS, 'endpoint'),
    failing_per_second: rateOf(rates, `${REQUESTS}_count`, 'status', '5xx'),
    in_flight: sum('keyturn_http_requests_in_flight'),
    shed_per_second: rates.total('keyturn_http_requests_shed_total'),
    tokens: counted(rates, 'keyturn_tokens_issued_total', 'grant_type'),
    clients: counted(rates, 'keyturn_tokens_issued_total', 'client_id'),
    refusals: rates
      .perSecond('keyturn_refusals_total', ['endpoint', 'error'])
      .map(({ key: [endpoint, error], rate }) => ({ endpoint, error, per_second: rate })),
    introspections: counted(rates, 'keyturn_introspections_total', 'result'),
    sign_ins: counted(rates, 'keyturn_sign_ins_total', 'outcome'),
    refresh_replays: {
      allowed_per_second: rates.total('keyturn_refresh_replays_allowed_total'),
      refused_per_second: rates.total('keyturn_refresh_replays_refused_total'),
    },
    hashing: {
      running: sum('keyturn_password_hashes_running'),
      waiting: sum('keyturn_password_hash_queue_length'),
      wait_p99: rates.quantile(HASH_WAIT, 0.99),
      rejected_per_second: rates.total('keyturn_password_hashes_rejected_total'),
    },
    store: timed(rates, STORE, 'operation'),
    store_faults_per_second: rates.total('keyturn_store_faults_total'),
    processes: processesOf(rates, now),
    keys: keysOf(now),
    rotations: now
      .of('keyturn_key_next_rotation_timestamp_seconds')
      .filter(({ labels }) => (labels.worker ?? '1') === '1')
      .map(({ labels: { alg }, value }) => ({ alg, at: value })),
    servers: now
      .of('keyturn_node_heard_timestamp_seconds')
      .filter(({ labels }) => (labels.worker ?? '1') === '1')
      .map(({ labels: { node, version }, value }) => ({ node, version, heard_at: value })),
  };
}

/** What a histogram says of each value of a label: what comes most often first. */
function timed(rates: Rates, histogram: string, label: string) {
  return rates.perSecond(`${histogram}_count`, [label]).map(({ key: [name = ''], rate }) => ({
    name,
    per_second: rate,
    p50: rates.quantile(histogram, 0.5, { [label]: name }),
    p99: rates.quantile(histogram, 0.99, { [label]: name }),
  }));
}

function counted(rates: Rates, counter: string, label: string) {
  return rates.perSecond(counter, [label]).map(({ key: [name = ''], rate }) => ({ name, per_second: rate }));
}

function rateOf(rates: Rates, counter: string, label: string, value: string): number {
  return rates.perSecond(counter, [label]).find(({ key }) => key[0] === value)?.rate ?? 0;
}

/** Each worker, or the only process. */
function processesOf(rates: Rates, now: Samples) {
  const at = (gauge: string, worker: string | undefined) =>
    now.of(gauge).find(({ labels }) => labels.worker === worker)?.value ?? null;
  const cpu = rates.perSecond('process_cpu_seconds_total', ['worker']);
  return now.of('process_resident_memory_bytes').map(({ labels: { worker }, value }) => ({
    worker: worker ?? null,
    cpu: cpu.find(({ key }) => key[0] === (worker ?? ''))?.rate ?? 0,
    event_loop_p99: at('nodejs_eventloop_lag_p99_seconds', worker),
    memory_bytes: value,
    heap_bytes: at('nodejs_heap_size_used_bytes', worker),
  }));
}

/** The keys as one worker holds them: all hold the same. */
function keysOf(now: Samples) {
  return now
    .of('keyturn_key_age_seconds')
    .filter(({ labels }) => (labels.worker ?? '1') === '1')
    .map(({ labels: { alg, kid, state }, value }) => ({ alg, kid, state, age: value }));
}
