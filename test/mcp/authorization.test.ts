import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { type ExampleProcess, startExample } from '#test/docs/example-process.ts';
import { McpClient } from '#test/mcp/sdk-client.ts';
import { openDocumentSite } from '#test/support/document-site.ts';
import { freePort } from '#test/support/free-port.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

describe('an MCP server whose authorization server is Keyturn (Model Context Protocol 2025-11-25)', () => {
  let keyturn: Keyturn;
  let example: ExampleProcess;
  let server: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_PROFILE: 'mcp',
      // The document of the test is on this machine.
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    const port = String(await freePort());
    server = `http://127.0.0.1:${port}/mcp`;
    await keyturn.addResourceServer({ identifier: server, scope: ['notes'], openToRegistration: true });
    example = startExample('examples/mcp/server.js', { ISSUER: keyturn.issuer, PORT: port });
    await example.line();
  });
  after(async () => {
    await example[Symbol.asyncDispose]();
    await keyturn[Symbol.asyncDispose]();
  });

  test('lets a client of the SDK in that was registered beforehand, and calls its tools for the person', async () => {
    const { client } = await keyturn.addClient({
      authenticationMethod: 'none',
      redirectUris: [CALLBACK],
      scope: 'notes',
    });
    const agent = new McpClient({
      person: new Person(),
      credentials: ada,
      information: { client_id: client.clientId },
    });
    await agent.signIn(server);
    const { aud, sub } = decodeJwt(agent.granted?.access_token ?? '');
    assert.equal(aud, server);
    assert.equal(await agent.call(server, 'add_note', { text: 'milk' }), `${sub} noted: milk`);
  });

  test('lets a client in that nobody has registered: it does so itself (RFC 7591)', async () => {
    const agent = new McpClient({ person: new Person(), credentials: ada });
    await agent.signIn(server);
    assert.match(String(agent.information?.client_id), /^[\w-]{22}$/);
    assert.equal(agent.authorizationUrl?.searchParams.get('resource'), server);
    assert.match(await agent.call(server, 'add_note', { text: 'bread' }), /noted: bread$/);
  });

  test('lets a client in that is known by the document under its identifier (Client ID Metadata Document)', async () => {
    await using site = await openDocumentSite();
    const clientMetadataUrl = `${site.origin}/agent.json`;
    const agent = new McpClient({ person: new Person(), credentials: ada, clientMetadataUrl });
    site.publish('/agent.json', {
      body: { ...agent.clientMetadata, client_id: clientMetadataUrl, client_uri: site.origin },
    });
    await agent.signIn(server);
    assert.equal(agent.information?.client_id, clientMetadataUrl);
    assert.match(await agent.call(server, 'add_note', { text: 'eggs' }), /noted: eggs$/);
  });

  test('is turned to with a token of its own only: one for another resource is not let in (RFC 8707)', async () => {
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    await keyturn.addResourceServer({ identifier: 'https://other.example.com', scope: ['read'] });
    const answer = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://other.example.com' }),
    });
    const { access_token } = (await answer.json()) as { access_token: string };
    const refused = await fetch(server, {
      method: 'POST',
      headers: { authorization: `Bearer ${access_token}` },
    });
    assert.equal(refused.status, 401);
    assert.match(
      refused.headers.get('www-authenticate') ?? '',
      /error="invalid_token".*resource_metadata="http/,
    );
  });
});
