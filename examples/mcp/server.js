// An MCP server that lets in whoever signed in at Keyturn: Model Context Protocol, authorization, 2025-11-25.
// Needs the packages @modelcontextprotocol/sdk, zod and jose.
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { z } from 'zod';

const { ISSUER = 'http://localhost:3000', PORT = '5000' } = process.env;
const ORIGIN = `http://127.0.0.1:${PORT}`;
/** What the server is called wherever a token says whom it is for: RFC 8707. */
const RESOURCE = `${ORIGIN}/mcp`;
const METADATA = '/.well-known/oauth-protected-resource/mcp';
const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`), { cacheMaxAge: 600_000 });

/** A new one for every request: this server keeps no sessions of its own. */
function notes({ sub }) {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  server.registerTool(
    'add_note',
    { description: 'Adds a note', inputSchema: { text: z.string() } },
    async ({ text }) => ({ content: [{ type: 'text', text: `${sub} noted: ${text}` }] }),
  );
  return server;
}

/** Whose token it is. Throws a JOSEError for one that is missing, forged, expired or meant for somebody else. */
async function authorize(request) {
  const [, token = ''] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const { payload } = await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: RESOURCE,
    typ: 'at+jwt',
    algorithms: ['ES256'],
  });
  return payload;
}

/** Tells a client where to ask for a token, and for which scope: RFC 9728 section 5.1. */
function challenge(response, status, error) {
  const parameters = [
    error && `error="${error}"`,
    'scope="notes"',
    `resource_metadata="${ORIGIN}${METADATA}"`,
  ];
  response.writeHead(status, { 'WWW-Authenticate': `Bearer ${parameters.filter(Boolean).join(', ')}` }).end();
}

function json(response, document) {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Access-Control-Allow-Origin': '*' });
  response.end(JSON.stringify(document));
}

async function mcp(request, response) {
  let claims;
  try {
    claims = await authorize(request);
  } catch (problem) {
    if (!(problem instanceof errors.JOSEError)) return response.writeHead(503).end();
    return challenge(response, 401, request.headers.authorization && 'invalid_token');
  }
  if (!claims.scope?.split(' ').includes('notes')) return challenge(response, 403, 'insufficient_scope');
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.once('close', () => transport.close());
  await notes(claims).connect(transport);
  await transport.handleRequest(request, response);
}

createServer((request, response) => {
  const { pathname } = new URL(request.url, ORIGIN);
  if (pathname === '/mcp') return mcp(request, response);
  if (pathname === METADATA)
    return json(response, {
      resource: RESOURCE,
      authorization_servers: [ISSUER],
      scopes_supported: ['notes'],
      bearer_methods_supported: ['header'],
    });
  return response.writeHead(404).end();
}).listen(Number(PORT), '127.0.0.1', () => process.stdout.write(`Listening on ${RESOURCE}\n`));
