// An API that asks Keyturn about every token: RFC 7662. Works for JWTs and for opaque tokens.
import { createServer } from 'node:http';

const { ISSUER = 'http://localhost:3000', CLIENT_ID = '', CLIENT_SECRET = '', PORT = '5000' } = process.env;
const credentials = Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64');

async function introspect(token) {
  const answer = await fetch(`${ISSUER}/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ token }),
    signal: AbortSignal.timeout(5000),
  });
  if (!answer.ok) throw new Error(`introspection answered ${answer.status}`);
  return answer.json();
}

async function answer(request) {
  const [, token] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) return { status: 401, challenge: 'Bearer' };
  const about = await introspect(token);
  // Inactive is all that there is to know: expired, revoked, forged, or meant for another API.
  if (!about.active) return { status: 401, challenge: 'Bearer error="invalid_token"' };
  if (!about.scope?.split(' ').includes('read')) {
    return { status: 403, challenge: 'Bearer error="insufficient_scope", scope="read"' };
  }
  return { status: 200, body: { sub: about.sub, client_id: about.client_id } };
}

createServer(async (request, response) => {
  // While Keyturn cannot be asked, nobody can be let in.
  const { status, challenge, body = {} } = await answer(request).catch(() => ({ status: 503 }));
  response.writeHead(status, {
    'Content-Type': 'application/json',
    ...(challenge && { 'WWW-Authenticate': challenge }),
  });
  response.end(JSON.stringify(body));
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`Listening on http://127.0.0.1:${PORT}/\n`));
