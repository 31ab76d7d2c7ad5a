// An API that verifies JWT access tokens by itself, and looks up in a status list whether each still stands.
import { inflateSync } from 'node:zlib';
import { jwtVerify } from 'jose';
import { ISSUER, keys, serve } from './verified-api.js';

const now = () => Date.now() / 1000;

/** The lists that were fetched, by their address. */
const lists = new Map();

async function fetchList(uri) {
  const answer = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } });
  if (!answer.ok) throw new Error(`the status list answered ${answer.status}`);
  const { payload } = await jwtVerify(await answer.text(), keys, {
    issuer: ISSUER,
    subject: uri,
    typ: 'statuslist+jwt',
    algorithms: ['ES256'],
  });
  const { bits, lst } = payload.status_list;
  if (bits !== 1) throw new Error('one bit for each token is expected');
  const statuses = inflateSync(Buffer.from(lst, 'base64url'));
  return { statuses, freshUntil: now() + payload.ttl, expiresAt: payload.exp };
}

async function listAt(uri) {
  for (const [address, { expiresAt }] of lists) if (expiresAt <= now()) lists.delete(address);
  const held = lists.get(uri);
  if (held?.freshUntil > now()) return held;
  try {
    const list = await fetchList(uri);
    lists.set(uri, list);
    return list;
  } catch (problem) {
    // An older one is better than none, until it expires.
    if (held === undefined) throw problem;
    return held;
  }
}

async function isValid({ idx, uri }) {
  const { statuses } = await listAt(uri);
  return idx < statuses.length * 8 && ((statuses[idx >> 3] >> (idx & 7)) & 1) === 0;
}

serve((claims) => isValid(claims.status.status_list));
