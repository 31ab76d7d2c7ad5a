import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Middleware } from 'koa';
import { isHeld } from '#src/http/entity-tag.ts';
import { assertMethod } from '#src/http/method.ts';

/** What the pages bring with them: served from memory, under names that change with the content. */
export interface Assets {
  /** Where the browser finds an asset: `/assets/<name>.<hash>.<extension>`. Throws a `TypeError` if there is none. */
  url(name: string): string;

  /** Answers for the assets, `/favicon.ico` and `/robots.txt`, and leaves every other path alone. */
  readonly middleware: Middleware;
}

interface Asset {
  readonly body: Buffer;
  readonly contentType: string;
  readonly cacheControl: string;
  readonly etag: string;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** 96 bits of SHA-256: the name tells versions of a file apart, and is no promise to anyone who would forge one. */
const HASH_CHARACTERS = 16;

/** A name that carries its content's hash never changes what it stands for. RFC 8246. */
const FOREVER = 'public, max-age=31536000, immutable';

/** For the two names that others have fixed. */
const FOR_A_DAY = 'public, max-age=86400';

const ROBOTS = Buffer.from('User-agent: *\nDisallow: /\n');

/** Reads a directory of assets once. Throws if a file is of a type that is not served. */
export function loadAssets(directory: string): Assets {
  const urls = new Map<string, string>();
  // The map is all that can be asked for: no path is ever made from a request.
  const served = new Map<string, Asset>([
    ['/robots.txt', asset(ROBOTS, 'text/plain; charset=utf-8', FOR_A_DAY)],
  ]);
  for (const name of readdirSync(directory)) {
    const extension = extname(name);
    const contentType = CONTENT_TYPES[extension];
    if (contentType === undefined) throw new TypeError(`${name} is of a type that is not served`);
    const body = readFileSync(join(directory, name));
    const url = `/assets/${name.slice(0, -extension.length)}.${digest(body)}${extension}`;
    urls.set(name, url);
    served.set(url, asset(body, contentType, FOREVER));
    if (name === 'favicon.ico') served.set('/favicon.ico', asset(body, contentType, FOR_A_DAY));
  }

  return {
    url: (name) => {
      const url = urls.get(name);
      if (url === undefined) throw new TypeError(`There is no asset ${name}`);
      return url;
    },
    middleware: async (ctx, next) => {
      const found = served.get(ctx.path);
      if (found === undefined && !ctx.path.startsWith('/assets/')) return next();
      if (found === undefined) {
        ctx.status = 404;
        return;
      }
      assertMethod(ctx, ['GET', 'HEAD']);
      ctx.status = 200;
      ctx.set('Cache-Control', found.cacheControl);
      ctx.set('ETag', found.etag);
      if (isHeld(ctx.get('If-None-Match'), found.etag)) {
        ctx.status = 304;
        return;
      }
      ctx.set('Content-Type', found.contentType);
      ctx.body = found.body;
    },
  };
}

function asset(body: Buffer, contentType: string, cacheControl: string): Asset {
  return { body, contentType, cacheControl, etag: `"${digest(body)}"` };
}

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('base64url').slice(0, HASH_CHARACTERS);
}
