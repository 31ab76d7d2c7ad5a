import { Refusal } from '#src/fault.ts';
import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { readAtMost } from '#src/oidc/read-at-most.ts';
import type { FetchedDocument } from '#src/registration/metadata-documents.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** Media types of JSON: RFC 6839 section 3.1. */
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

/**
 * Fetches the document under a client identifier: a bounded amount, without redirects, and only what says that it is
 * JSON. OAuth Client ID Metadata Document sections 4 and 5.
 */
export function documentFetcher(fetch: OutgoingFetch, options: { readonly sizeMax: number }) {
  return async (url: string): Promise<FetchedDocument> => {
    const response = await fetch(url, {
      method: 'GET',
      headers: new Headers({ accept: 'application/json' }),
    });
    if (response.status >= 500) {
      await response.body?.cancel();
      throw new Error(`the server of the metadata document answers ${response.status}`);
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Refusal('metadata_document_refused', `the metadata document answers ${response.status}`);
    }
    if (!JSON_TYPE.test(response.headers.get('content-type') ?? '')) {
      await response.body?.cancel();
      throw new Refusal('metadata_document_refused', 'the metadata document is not served as JSON');
    }
    const body = await readAtMost(response, options.sizeMax);
    if (body === null)
      throw new Refusal(
        'metadata_document_refused',
        `the metadata document is larger than ${options.sizeMax} bytes`,
      );
    return {
      document: parse(body),
      maxAge: maxAgeOf(response.headers.get('cache-control')),
    };
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Refusal('metadata_document_refused', 'the metadata document is not JSON');
  }
}

/** How long an answer may be kept: RFC 9111 section 5.2.2. What may not be kept at all is kept as briefly as can be. */
function maxAgeOf(cacheControl: string | null): Seconds | null {
  if (cacheControl === null) return null;
  const directives = cacheControl
    .toLowerCase()
    .split(',')
    .map((each) => each.trim());
  if (directives.some((each) => /^no-(?:store|cache)(?:=|$)/.test(each))) return seconds(0);
  const maxAge = directives
    .map((each) => /^max-age="?(\d{1,9})"?$/.exec(each)?.[1])
    .find((each) => each !== undefined);
  return maxAge === undefined ? null : seconds(Number(maxAge));
}
