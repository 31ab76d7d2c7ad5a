import type { IncomingMessage } from 'node:http';
import { keepBody } from '#src/http/request-body.ts';

/**
 * A request whose body has been read already, to be read once more: the library reads bodies itself, and takes what
 * others have parsed only with a complaint and a second parsing.
 */
export function replayed(request: IncomingMessage, body: Buffer): IncomingMessage {
  request.headers['content-length'] = String(body.length);
  const again = {
    readable: true,
    readableEncoding: null,
    iterator: async function* () {
      yield body;
    },
  };
  const replay = new Proxy(request, {
    get: (target, name) => {
      if (Object.hasOwn(again, name)) return again[name as keyof typeof again];
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  keepBody(replay, body);
  return replay;
}
