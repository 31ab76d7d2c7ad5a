import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { readAtMost } from '#src/oidc/read-at-most.ts';

/** Fetches an image: a bounded amount, without redirects, and saying nothing of whom it is for. */
export function imageFetcher(fetch: OutgoingFetch, { sizeMax }: { readonly sizeMax: number }) {
  return async (uri: string): Promise<Buffer> => {
    const headers = new Headers({ accept: 'image/webp, image/png, image/jpeg' });
    const response = await fetch(uri, { method: 'GET', headers });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`its server answers ${response.status}`);
    }
    const bytes = await readAtMost(response, sizeMax);
    if (bytes === null) throw new Error(`larger than ${sizeMax} bytes`);
    return bytes;
  };
}
