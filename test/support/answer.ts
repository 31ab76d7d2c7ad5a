import assert from 'node:assert/strict';
import { formOf, type Person, type Visit } from '#test/support/person.ts';

/** What came of an authorization request, in whichever way it travelled. OAuth 2.0 Multiple Response Type Encoding Practices. */
export interface Answer {
  readonly mode: 'query' | 'fragment' | 'form_post' | 'web_message';
  /** Where to: the redirect URI, or for a message the origin. */
  readonly to: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly visit: Visit;
}

/** Goes through sign-in and consent as far as they are asked for, and reads the answer. Fails where there is none. */
export async function answerTo(
  person: Person,
  url: string | URL,
  credentials?: { login: string; password: string },
): Promise<Answer> {
  let visit = await person.visit(url);
  while (credentials !== undefined) {
    if (visit.html.includes('/sign-in"')) visit = await person.submit(visit, '/sign-in', credentials);
    else if (visit.html.includes('/consent"')) visit = await person.submit(visit, '/consent');
    else break;
  }
  return readAnswer(visit);
}

export function readAnswer(visit: Visit): Answer {
  const { leftTo, html } = visit;
  if (leftTo !== null) {
    const to = leftTo.href.split(/[?#]/, 1)[0] as string;
    const fragment = leftTo.hash !== '';
    const fields = Object.fromEntries(
      fragment ? new URLSearchParams(leftTo.hash.slice(1)) : leftTo.searchParams,
    );
    return { mode: fragment ? 'fragment' : 'query', to, fields, visit };
  }
  if (html.includes('id="post-on"')) {
    const { action, fields } = formOf(html, '');
    return { mode: 'form_post', to: action, fields, visit };
  }
  const message = /data-target-origin="([^"]*)" data-response="([^"]*)"/.exec(html);
  assert.ok(message, `no answer: ${visit.response.status} ${html}`);
  const response = (message[2] as string)
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&amp;', '&');
  return { mode: 'web_message', to: message[1] as string, fields: JSON.parse(response), visit };
}

/** The claims of a JWT, unverified. */
export function claimsIn(jwt: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt?.split('.')[1] ?? '', 'base64url').toString());
}
