import { createHash } from 'node:crypto';
import type { JwksDocument } from '#src/signing/key-view.ts';

/** A key that is published and does not sign here. */
export interface FurtherJwk {
  readonly kid: string;
}

/**
 * The published keys with further ones among them, but for those whose kid one of them has. The document is made once
 * for each that it is made from: `further` answers with the same list as long as nothing has changed.
 */
export function joinedJwks(
  read: () => JwksDocument,
  further: () => readonly FurtherJwk[],
): () => JwksDocument {
  let made: {
    readonly of: JwksDocument;
    readonly and: readonly FurtherJwk[];
    readonly document: JwksDocument;
  };
  return () => {
    const of = read();
    const and = further();
    if (made?.of === of && made.and === and) return made.document;
    made = { of, and, document: joined(of, and) };
    return made.document;
  };
}

function joined(document: JwksDocument, further: readonly FurtherJwk[]): JwksDocument {
  const { keys } = JSON.parse(document.body.toString()) as { keys: readonly FurtherJwk[] };
  const kids = new Set(keys.map(({ kid }) => kid));
  const all = [...keys, ...further.filter(({ kid }) => !kids.has(kid))];
  const body = Buffer.from(JSON.stringify({ keys: all }));
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}
