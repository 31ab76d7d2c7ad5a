// An API that verifies JWT access tokens by itself: RFC 9068 section 4.
import { createServer } from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const { ISSUER = 'http://localhost:3000', AUDIENCE = 'https://api.example.com', PORT = '5000' } = process.env;

// Fetched when first needed, and kept for ten minutes, which is the max-age that Keyturn sends by default. `rs` tells
// the administrator who has the next key.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks?rs=${encodeURIComponent(AUDIENCE)}`), {
  cacheMaxAge: 600_000,
});

async function verify(request) {
  const [, token = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const { payload } = await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: 'at+jwt',
    algorithms: ['ES256'],
  });
  return payload;
}

/** Problems with fetching the keys. They are no fault of the token. */
const KEYS_UNAVAILABLE = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']);

async function answer(request) {
  let claims;
  try {
    claims = await verify(request);
  } catch (problem) {
    if (!(problem instanceof errors.JOSEError) || KEYS_UNAVAILABLE.has(problem.code)) return { status: 503 };
    // A request without a token is only told that it needs one: RFC 6750 section 3.1.
    const error = request.headers.authorization === undefined ? '' : ' error="invalid_token"';
    return { status: 401, challenge: `Bearer${error}` };
  }
  if (!claims.scope?.split(' ').includes('read')) {
    return { status: 403, challenge: 'Bearer error="insufficient_scope", scope="read"' };
  }
  return { status: 200, body: { sub: claims.sub, client_id: claims.client_id } };
}

createServer(async (request, response) => {
  const { status, challenge, body = {} } = await answer(request);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...(challenge && { 'WWW-Authenticate': challenge }),
  });
  response.end(JSON.stringify(body));
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`Listening on http://127.0.0.1:${PORT}/\n`));
