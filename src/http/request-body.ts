import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import { Refusal } from '#src/fault.ts';

/** More fields than any form of ours has; what comes after them is not read. */
const FIELDS_MAX = 200;

/**
 * Reads a request's body.
 * @throws Refusal `body_too_large` as soon as more than `limit` bytes have come, or `body_aborted`. What comes after
 * them is not kept, and the connection stays good for the next request.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      length += chunk.length;
      if (length > limit) throw new Refusal('body_too_large', `the body is larger than ${limit} bytes`);
      chunks.push(chunk);
    }
  } catch (problem) {
    if (problem instanceof Refusal) {
      // Whoever still sends reads the answer only afterwards, and the next request stands behind what was sent.
      request.resume();
      throw problem;
    }
    throw new Refusal('body_aborted', 'the body did not arrive whole');
  }
  return Buffer.concat(chunks, length);
}

/** The fields of an application/x-www-form-urlencoded body. A field that comes twice is an array. */
export function parseForm(body: Buffer): ParsedUrlQuery {
  return parse(body.toString('utf8'), '&', '=', { maxKeys: FIELDS_MAX });
}

/** A field that came once; the empty text if it did not. */
export function field(form: ParsedUrlQuery, name: string): string {
  const value = form[name];
  return typeof value === 'string' ? value : '';
}
