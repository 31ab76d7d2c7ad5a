import { CALLBACK } from '#test/support/keyturn.ts';
import { rawRequest } from '#test/support/raw-http.ts';

/** A redemption of the code that a client was called back with, to be sent as often as one likes. */
export function rawRedemption(
  callback: URL,
  codeVerifier: string,
  { id, secret }: { readonly id: string; readonly secret: string },
): string {
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code') ?? '',
    redirect_uri: CALLBACK,
    code_verifier: codeVerifier,
  });
  const headers = {
    Authorization: `Basic ${btoa(`${id}:${secret}`)}`,
    'Content-Type': 'application/x-www-form-urlencoded',
  };
  return rawRequest('POST /token', headers, body.toString());
}
