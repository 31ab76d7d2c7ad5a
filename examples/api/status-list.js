// An API that verifies JWT access tokens by itself, and looks up in a status list whether each still stands.
import { createServer } from 'node:http';
import { inflateSync } from 'node:zlib';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const { ISSUER = 'http://localhost:3000', AUDIENCE = 'https://api.example.com', PORT = '5000' } = process.env;

const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`), { cacheMaxAge: 600_000 });
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

const KEYS_UNAVAILABLE = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']);

async function answer(request) {
  const [, token = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === '') return { status: 401, challenge: 'Bearer' };
  try {
    const options = { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] };
    const { payload: claims } = await jwtVerify(token, keys, options);
    // Only after everything else: a token that is not good at all need not be looked up.
    if (!(await isValid(claims.status.status_list))) {
      return { status: 401, challenge: 'Bearer error="invalid_token"' };
    }
    if (!claims.scope?.split(' ').includes('read')) {
      return { status: 403, challenge: 'Bearer error="insufficient_scope", scope="read"' };
    }
    return { status: 200, body: { sub: claims.sub, client_id: claims.client_id } };
  } catch (problem) {
    if (!(problem instanceof errors.JOSEError) || KEYS_UNAVAILABLE.has(problem.code)) return { status: 503 };
    return { status: 401, challenge: 'Bearer error="invalid_token"' };
  }
}

createServer(async (request, response) => {
  const { status, challenge, body = {} } = await answer(request);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...(challenge && { 'WWW-Authenticate': challenge }),
  });
  response.end(JSON.stringify(body));
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`Listening on http://127.0.0.1:${PORT}/\n`));
