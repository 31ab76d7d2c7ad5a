import { SETTINGS, written } from '#src/config/catalogue.ts';
import { CERTIFICATE_RULES } from '#src/config/certificate-rules.ts';
import { PKCS11_RULES } from '#src/config/pkcs11-settings.ts';
import type { GivenValue, ReadValues } from '#src/config/read-values.ts';
import { REDIS_RULES } from '#src/config/redis-settings.ts';
import type { SettingRule } from '#src/config/setting-rule.ts';
import type { SettingProblem } from '#src/config/settings-fault.ts';
import { TRACING_RULES } from '#src/config/tracing-settings.ts';

/** 7 MiB, gone over five times. */
const ARGON2_WORK_MIN = 7168 * 5;

/** The letters of a user code: RFC 8628 section 6.1. */
const USER_CODE_LETTERS = 20;
const USER_CODE_ODDS = 1_000_000;

export const RULES: readonly SettingRule[] = [
  {
    settings: ['lifetimes.accessToken', 'lifetimes.accessTokenMax'],
    holds: (accessToken = 0, accessTokenMax = 0) => accessToken <= accessTokenMax,
    rule: '`lifetimes.accessToken` is not longer than `lifetimes.accessTokenMax`',
    because: 'retired keys are kept for as long as the longest token lives',
  },
  {
    settings: ['lifetimes.accessToken', 'lifetimes.refreshIdle'],
    holds: (accessToken = 0, refreshIdle = 0) => accessToken < refreshIdle,
    rule: '`lifetimes.accessToken` is shorter than `lifetimes.refreshIdle`',
    because: 'a refresh token that ends before the access token it renews is of no use',
  },
  {
    settings: ['lifetimes.refreshIdle', 'lifetimes.refreshAbsolute'],
    holds: (refreshIdle = 0, refreshAbsolute = 0) => refreshIdle <= refreshAbsolute,
    rule: '`lifetimes.refreshIdle` is not longer than `lifetimes.refreshAbsolute`',
    because: 'no refresh token outlives the end of all refreshing',
  },
  {
    settings: ['lifetimes.refreshGrace', 'lifetimes.accessToken'],
    holds: (refreshGrace = 0, accessToken = 0) => refreshGrace < accessToken,
    rule: '`lifetimes.refreshGrace` is shorter than `lifetimes.accessToken`',
    because: 'a stolen refresh token must be noticed at the next refresh, not pass for a retry',
  },
  {
    settings: ['keys.clockSkewMax', 'keys.jwksMaxAge'],
    holds: (clockSkewMax = 0, jwksMaxAge = 0) => clockSkewMax < jwksMaxAge,
    rule: '`keys.clockSkewMax` is shorter than `keys.jwksMaxAge`',
    because: 'clocks further apart than that could make a key sign before others may know it',
  },
  {
    settings: ['keys.rotateEvery', 'keys.jitterPercent', 'keys.jwksMaxAge', 'keys.clockSkewMax'],
    holds: (rotateEvery = 0, jitterPercent = 0, jwksMaxAge = 0, clockSkewMax = 0) =>
      rotateEvery * (1 - jitterPercent / 100) > jwksMaxAge + clockSkewMax,
    rule: '`keys.rotateEvery`, less `keys.jitterPercent` of it, is longer than `keys.jwksMaxAge` and `keys.clockSkewMax` together',
    because: 'the next key is published for that long before it may sign',
  },
  {
    settings: ['keys.rotateEvery', 'keys.readersKept'],
    holds: (rotateEvery = 0, readersKept = 0) => rotateEvery < readersKept,
    rule: '`keys.readersKept` is longer than `keys.rotateEvery`',
    because:
      'an API that has not fetched the keys since the last rotation must not be forgotten before the next',
  },
  {
    settings: ['http.outgoingTimeout', 'outbox.retryAfter'],
    // A call may have to fetch the keys of the client first.
    holds: (outgoingTimeout = 0, retryAfter = 0) => outgoingTimeout * 2 <= retryAfter,
    rule: '`outbox.retryAfter` is at least twice as long as `http.outgoingTimeout`',
    because: 'an attempt must be over before the next one begins',
  },
  {
    settings: ['outbox.retryAfter', 'outbox.retryAfterMax'],
    holds: (retryAfter = 0, retryAfterMax = 0) => retryAfter <= retryAfterMax,
    rule: '`outbox.retryAfter` is not longer than `outbox.retryAfterMax`',
    because: 'it is the first of the waits that the longest one ends',
  },
  {
    settings: ['outbox.parallelPerOrigin', 'outbox.parallel'],
    holds: (parallelPerOrigin = 0, parallel = 0) => parallelPerOrigin < parallel,
    rule: '`outbox.parallelPerOrigin` is less than `outbox.parallel`',
    because: 'a server that does not answer must leave room for others',
  },
  {
    settings: ['statusLists.ttl', 'statusLists.lifetime'],
    holds: (ttl = 0, lifetime = 0) => ttl < lifetime,
    rule: '`statusLists.ttl` is shorter than `statusLists.lifetime`',
    because: 'a list that is over before a fresh one is fetched leaves every token unknown',
  },
  {
    settings: ['passwords.minLength', 'passwords.maxLength'],
    holds: (minLength = 0, maxLength = 0) => minLength <= maxLength,
    rule: '`passwords.minLength` is not more than `passwords.maxLength`',
    because: 'no password would do otherwise',
  },
  {
    settings: ['passwords.argon2MemoryKiB', 'passwords.argon2Iterations'],
    holds: (memoryKiB = 0, iterations = 0) => memoryKiB * iterations >= ARGON2_WORK_MIN,
    rule: `\`passwords.argon2MemoryKiB\` times \`passwords.argon2Iterations\` is at least ${ARGON2_WORK_MIN}`,
    because: 'that is the cheapest hash which the OWASP Password Storage Cheat Sheet lists',
  },
  {
    settings: ['throttle.signInFailuresPerAccount', 'throttle.signInFailuresPerAddress'],
    holds: (perAccount = 0, perAddress = 0) => perAccount <= perAddress,
    rule: '`throttle.signInFailuresPerAccount` is not more than `throttle.signInFailuresPerAddress`',
    because: 'an address stands for one account or for many',
  },
  {
    settings: ['throttle.userCodesWrongPerAddress', 'throttle.userCodesWrong'],
    holds: (perAddress = 0, overall = 0) => perAddress <= overall,
    rule: '`throttle.userCodesWrongPerAddress` is not more than `throttle.userCodesWrong`',
    because: 'no address may do more than all of them',
  },
  {
    settings: [
      'deviceAuthorization.userCodeLength',
      'throttle.userCodesWrong',
      'throttle.userCodeWindow',
      'lifetimes.deviceCode',
    ],
    holds: (length = 0, wrong = 0, window = 1, lifetime = 0) =>
      wrong * (Math.floor(lifetime / window) + 2) * USER_CODE_ODDS <= USER_CODE_LETTERS ** length,
    rule: 'the wrong codes that may be entered while a device code lives, by `throttle.userCodesWrong` and `throttle.userCodeWindow`, hit on it with a chance of at most one in a million',
    because: 'RFC 8628 section 5.1 weighs the length of a user code against how often it may be guessed',
  },
  {
    settings: ['redirectSchemes', 'profile'],
    holds: (schemes: readonly string[], profile: string | null) =>
      schemes.length === 0 || profile === null || profile === 'oauth-2.1',
    rule: '`redirectSchemes` is empty where `profile` is `mcp` or one of FAPI',
    because: 'their clients are sent back over https or to the loopback interface',
  },
  {
    settings: ['metadataDocuments.keptMin', 'metadataDocuments.keptMax'],
    holds: (keptMin = 0, keptMax = 0) => keptMin <= keptMax,
    rule: '`metadataDocuments.keptMin` is not longer than `metadataDocuments.keptMax`',
    because: 'no length of time would do otherwise',
  },
  {
    settings: ['http.headersTimeout', 'http.requestTimeout'],
    holds: (headersTimeout = 0, requestTimeout = 0) => headersTimeout <= requestTimeout,
    rule: '`http.headersTimeout` is not longer than `http.requestTimeout`',
    because: 'the head is a part of the request',
  },
  ...CERTIFICATE_RULES,
  ...PKCS11_RULES,
  ...REDIS_RULES,
  ...TRACING_RULES,
];

/** The rules that the values break. A rule of which a value is missing, because it has a problem itself, waits. */
export function brokenRules(
  values: ReadValues['values'],
  given: ReadonlyMap<string, GivenValue>,
): readonly SettingProblem[] {
  const problems: SettingProblem[] = [];
  for (const { settings, holds, rule, because } of RULES) {
    if (!settings.every((name) => values.has(name))) continue;
    if (holds(...(settings.map((name) => values.get(name)?.value) as never[]))) continue;
    const blamed = settings.find((name) => given.has(name)) ?? settings.join(', ');
    const facts = settings.map((name) => `${name} is ${shown(name, values.get(name)?.value)}`).join(' and ');
    const message = `${facts}; what must hold: ${rule.replaceAll('`', '')}, because ${because}`;
    problems.push({ setting: blamed, place: given.get(blamed)?.place ?? 'default', message });
  }
  return problems;
}

function shown(name: string, value: unknown): string {
  const setting = SETTINGS.find((candidate) => candidate.name === name);
  const text = setting === undefined ? value : written(setting, value);
  return text === null ? 'not set' : String(text);
}
