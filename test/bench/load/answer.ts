/** An answer of a server. */
export interface Answer {
  readonly status: number;
  /** Status line and headers as they came. */
  readonly head: string;
  /** Each character is a byte. */
  readonly body: string;
}

/** A header of an answer; `null` if it has none of that name. */
export function headerOf({ head }: Answer, name: string): string | null {
  return new RegExp(`\\r\\n${name}: ?([^\\r]*)`, 'i').exec(head)?.[1] ?? null;
}

/** Puts the answers of one connection together, one after the other, with as little work as it takes. */
export class AnswerReader {
  #received = '';

  /** The answer, once all of it is there; `null` before. Only one may be under way. */
  add(chunk: Buffer): Answer | null {
    this.#received += chunk.toString('latin1');
    const text = this.#received;
    const headEnd = text.indexOf('\r\n\r\n');
    if (headEnd < 0) return null;
    const head = text.slice(0, headEnd);
    const rest = text.slice(headEnd + 4);
    const status = Number(head.slice(9, 12));
    const body = status === 304 || status === 204 ? '' : bodyOf(head, rest);
    if (body === null) return null;
    this.#received = '';
    return { status, head, body };
  }
}

/** The body, if all of it has come. */
function bodyOf(head: string, rest: string): string | null {
  const length = /\r\ncontent-length: ?(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length >= Number(length) ? rest.slice(0, Number(length)) : null;
  if (!/\r\ntransfer-encoding: ?chunked/i.test(head))
    throw new Error(`an answer without a length: ${head.slice(0, 200)}`);
  return rest.endsWith('0\r\n\r\n') ? unchunked(rest) : null;
}

function unchunked(text: string): string {
  const parts: string[] = [];
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    const length = Number.parseInt(text.slice(at, lineEnd), 16);
    if (!(length > 0)) return parts.join('');
    parts.push(text.slice(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
}
