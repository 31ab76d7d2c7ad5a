import assert from 'node:assert/strict';
import { Person } from '#test/support/person.ts';
import { assertRefused, DESCRIPTION } from '#test/support/refused.ts';
import type { RelyingParty } from '#test/support/relying-party.ts';

/** Parameters to be changed in a request that is right, each to a value or several, or left out. */
export type Changes = Record<string, string | string[] | undefined>;

/** What comes of an authorization request that was changed. */
export async function ask(party: RelyingParty, changes: Changes = {}, person = new Person()) {
  const { url, checks } = await party.request();
  for (const [name, value] of Object.entries(changes)) {
    url.searchParams.delete(name);
    for (const each of [value ?? []].flat()) url.searchParams.append(name, each);
  }
  return { ...(await person.visit(url)), checks, sent: url };
}

/** Fails unless the client is told of the error by a redirect: RFC 6749 section 4.1.2.1, RFC 9207 section 2. */
export async function assertToldClient(party: RelyingParty, changes: Changes, error: string): Promise<void> {
  const { leftTo, sent, html, response } = await ask(party, changes);
  assert.ok(leftTo, `${JSON.stringify(changes)} ${response.status} ${html}`);
  assert.equal(leftTo.searchParams.get('error'), error, leftTo.href);
  assert.equal(leftTo.searchParams.get('state'), sent.searchParams.get('state'));
  assert.equal(leftTo.searchParams.get('iss'), party.configuration.serverMetadata().issuer);
  assert.equal(leftTo.searchParams.get('code'), null);
  assert.match(leftTo.searchParams.get('error_description') ?? '', DESCRIPTION);
}

/** Fails unless the person is shown a page, and is sent nowhere. */
export async function assertToldPerson(party: RelyingParty, changes: Changes): Promise<void> {
  const { leftTo, response, html } = await ask(party, changes);
  assert.equal(leftTo, null, `sent to ${leftTo?.href}`);
  assertRefused(response.status, html);
  assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(
    response.headers.get('content-security-policy') ?? '',
    /default-src 'none'.*frame-ancestors 'none'/,
  );
}
