import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

/** What a token says of where its status is told: Token Status List section 6.1. */
export function statusReferenceOf(token: string): { idx: number; uri: string } {
  const { status } = decodeJwt<{ status?: { status_list?: { idx: number; uri: string } } }>(token);
  const reference = status?.status_list;
  assert.ok(reference, 'the token has a status');
  return reference;
}

/** The status of a token as an API finds it that follows Token Status List section 8.3 to the letter. */
export async function statusOf(issuer: string, token: string): Promise<number> {
  const { idx, uri } = statusReferenceOf(token);
  return (await fetchStatusList(issuer, uri)).statusAt(idx);
}

export interface FetchedList {
  readonly claims: Record<string, unknown> & {
    readonly iat: number;
    readonly exp: number;
    readonly ttl: number;
  };
  readonly size: number;
  statusAt(index: number): number;
}

export async function fetchStatusList(issuer: string, uri: string): Promise<FetchedList> {
  const response = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/statuslist+jwt');
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks`));
  const options = { issuer, subject: uri, typ: 'statuslist+jwt', requiredClaims: ['iat', 'exp', 'ttl'] };
  const { payload } = await jwtVerify(await response.text(), keys, options);
  const { bits, lst } = payload.status_list as { bits: number; lst: string };
  assert.equal(bits, 1);
  const bytes = inflateSync(Buffer.from(lst, 'base64url'));
  return {
    claims: payload as FetchedList['claims'],
    size: bytes.length * 8,
    statusAt(index) {
      assert.ok(index < bytes.length * 8, 'the index is within the list');
      return ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1;
    },
  };
}
