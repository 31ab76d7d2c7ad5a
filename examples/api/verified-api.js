// What an API has in common with others that verify JWT access tokens by themselves and know more than the signature.
import { createServer } from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

export const { ISSUER = 'http://localhost:3000' } = process.env;
const { AUDIENCE = 'https://api.example.com', PORT = '5000' } = process.env;

export const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks?rs=${encodeURIComponent(AUDIENCE)}`), {
  cacheMaxAge: 600_000,
});
const KEYS_UNAVAILABLE = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']);

/** Serves whoever has a token that is good and that `stands`, which throws where it cannot tell. */
export function serve(stands) {
  createServer(async (request, response) => {
    const { status, challenge, body = {} } = await answer(request, stands);
    response.writeHead(status, {
      'Content-Type': 'application/json',
      ...(challenge && { 'WWW-Authenticate': challenge }),
    });
    response.end(JSON.stringify(body));
  }).listen(Number(PORT), '127.0.0.1', () =>
    process.stdout.write(`Listening on http://127.0.0.1:${PORT}/\n`),
  );
}

async function answer(request, stands) {
  const [, token = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === '') return { status: 401, challenge: 'Bearer' };
  try {
    const options = { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] };
    const { payload: claims, protectedHeader } = await jwtVerify(token, keys, options);
    // Only after everything else: a token that is not good at all need not be looked up.
    if (!(await stands(claims, protectedHeader))) {
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
