import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import { Refusal } from '#src/fault.ts';

/** More fields than any form of ours has; what comes after them is not read. */
const FIELDS_MAX = 200;

/** What was read of a request before, or why it could not be. */
const kept = new WeakMap<IncomingMessage, Buffer | Error>();

/** Lets whoever reads the body after this have what was read of it, or be thrown what went wrong. */
export function keepBody(request: IncomingMessage, body: Buffer | Error): void {
  kept.set(request, body);
}

/**
 * Reads a request's body.
 * @throws Refusal `body_too_large` as soon as more than `limit` bytes have come, or `body_aborted`. What comes after
 * them is not kept, and the connection stays good for the next request.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const body = kept.get(request) ?? (await received(request, limit));
  if (body instanceof Error) throw body;
  if (body.length > limit) throw tooLarge(limit);
  return body;
}

function received(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= limit) return;
      // Whoever still sends reads the answer only afterwards, and the next request stands behind what was sent.
      request.off('data', onData).resume();
      reject(tooLarge(limit));
    };
    const aborted = () => reject(new Refusal('body_aborted', 'the body did not arrive whole'));
    request.on('data', onData).once('error', aborted).once('close', aborted);
    request.once('end', () => {
      request.off('close', aborted);
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
    });
  });
}

const tooLarge = (limit: number) => new Refusal('body_too_large', `the body is larger than ${limit} bytes`);

/** The fields of an application/x-www-form-urlencoded body. A field that comes twice is an array. */
export function parseForm(body: Buffer): ParsedUrlQuery {
  return parse(body.toString('utf8'), '&', '=', { maxKeys: FIELDS_MAX });
}

/** A field that came once; the empty text if it did not. */
export function field(form: ParsedUrlQuery, name: string): string {
  const value = form[name];
  return typeof value === 'string' ? value : '';
}
